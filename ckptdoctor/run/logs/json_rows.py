"""JSON: a row a line (MMEngine, fairseq, anyone's own), and the Hugging Face Trainer's state."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ckptdoctor.run.logs.collect import Collector, Row
from ckptdoctor.run.logs.lines import epoch_of
from ckptdoctor.run.logs.numbers import EPOCH_NAMES, STEP_NAMES, number, numbers

__all__ = ["JsonRows", "read_trainer_state"]


class JsonRows:
    """A JSON object a line; one without an epoch belongs to the epoch above it.

    So it is in MMEngine's ``scalars.json``, where the validation's row has only a step.
    """

    def __init__(self) -> None:
        self._epoch: int | None = None

    def read(self, line: str) -> Row | None:
        """The row; None where it holds no value or no epoch is known.

        Raises:
            ValueError: it is no JSON object.
        """
        try:
            row = json.loads(line)
        except RecursionError as error:
            raise ValueError("nested too deep") from error
        if not isinstance(row, dict):
            raise ValueError("no object")  # noqa: TRY004  (a line that cannot be read)
        return None if "schema_version" in row else self._row(row)  # that is our own output

    def _row(self, row: Mapping[str, object]) -> Row | None:
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
