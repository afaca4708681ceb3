"""JSON: a row a line (MMEngine, fairseq, anyone's own), and the Hugging Face Trainer's state."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator

from ckptdoctor.runs.logs.collect import Collector, Row
from ckptdoctor.runs.logs.lines import VARYING, epoch_of
from ckptdoctor.runs.logs.numbers import EPOCH_NAMES, STEP_NAMES, number, numbers

__all__ = ["JsonRows", "read_trainer_state"]

_EPOCH = re.compile(rb'"(?:current_)?epochs?"\s*+:\s*+"?(\d{1,9}(?:\.\d{1,9})?)')
_MOST_SHAPES = 500


class JsonRows:
    """A JSON object a line; one without an epoch belongs to the epoch above it.

    So it is in MMEngine's ``scalars.json``, where the validation's row has only a step. As with
    lines of text, of the rows of one shape in an epoch only the first and the last are read.
    """

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._pending: dict[bytes, bytes] = {}

    def feed(self, line: bytes) -> Iterator[Row]:
        """The rows that a line completes.

        Raises:
            ValueError: it is no JSON object.
        """
        found = _EPOCH.search(line)
        epoch = self._epoch if found is None else epoch_of(float(found[1]))
        if epoch != self._epoch:
            yield from self.flush()
        shape = line.translate(None, VARYING)
        if shape in self._pending and epoch == self._epoch:
            self._pending[shape] = line
            return
        row = self._row(line)
        if row is not None:
            yield row
            if len(self._pending) < _MOST_SHAPES:
                self._pending[shape] = b""

    def flush(self) -> Iterator[Row]:
        """The last rows of the epoch that is being read."""
        pending, self._pending = self._pending, {}
        for line in pending.values():
            with contextlib.suppress(ValueError):
                row = self._row(line) if line else None
                if row is not None:
                    yield row

    def _row(self, line: bytes) -> Row | None:
        try:
            row = json.loads(line)
        except RecursionError as error:
            raise ValueError("nested too deep") from error
        if not isinstance(row, dict):
            raise ValueError("no object")  # noqa: TRY004  (a line that cannot be read)
        if "schema_version" in row:  # our own output
            return None
        epoch = next((number(row[name]) for name in EPOCH_NAMES if name in row), None)
        if epoch is not None:
            self._epoch = epoch_of(epoch)
        if self._epoch is None:
            return None
        step = next((number(row[name]) for name in STEP_NAMES if name in row), None)
        if epoch is None:
            step = None  # an epoch again, in MMEngine's rows of a validation
        return Row(
            epoch=self._epoch,
            values=dict(numbers(row)),
            step=None if step is None else int(step),
        )


def read_trainer_state(text: str, collected: Collector) -> None:
    """The ``log_history`` of a ``trainer_state.json``, whose NaN tokens are read as NaN."""
    try:
        state = json.loads(text)
        history = state.get("log_history", ())
    except (ValueError, RecursionError, AttributeError):
        collected.unreadable(1, text[:200])
        return
    for row in history if isinstance(history, list) else ():
        epoch = number(row.get("epoch")) if isinstance(row, dict) else None
        if epoch is None:
            collected.unreadable(1, str(row)[:200])
            continue
        step = number(row.get("step"))
        collected.add(
            Row(
                epoch=epoch_of(epoch),
                values=dict(numbers(row)),
                step=None if step is None else int(step),
            )
        )
