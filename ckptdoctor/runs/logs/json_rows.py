"""JSON: a row a line (MMEngine, fairseq, anyone's own), and lines of text within it."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator

from ckptdoctor.histories import Position
from ckptdoctor.metadata import Split, is_loss, split_of
from ckptdoctor.runs.logs.counted import once_each
from ckptdoctor.runs.logs.log_reading import Row, epoch_of
from ckptdoctor.runs.logs.nulls import Nulls
from ckptdoctor.runs.logs.numbers import EPOCH_NAMES, STEP_NAMES, epoch_in, numbers, step_in
from ckptdoctor.runs.logs.pairs import may_be_watched
from ckptdoctor.runs.logs.settings import are_settings
from ckptdoctor.runs.logs.shapes import MOST_SHAPES, VARYING, Samples

__all__ = ["JsonRows", "message_in"]

_EPOCH = re.compile(rb'"(?:current_)?epochs?(?:_num)?"\s*+:\s*+"?(\d{1,9}(?:\.\d{1,9})?)')
_MOVES = re.compile(
    rb'"(?:%s)"\s*+:|"(?:current_)?epochs?"\s*+:\s*+"?\d{1,9}\.\d*[1-9]'
    % b"|".join(re.escape(name).encode() for name in (*STEP_NAMES, "snapshot_pkl"))
)
_NAMES = ("key", "name", "metric", "tag")
_FEWEST = 3
_MOST_COUNTED = 100_000
_DIGIT = re.compile(r"\d")
_NONE = b"\0"
_MESSAGES = ("message", "msg", "log", "text", "event")
_MESSAGE = re.compile(rb'"(?:%s)"\s*+:\s*+"' % "|".join(_MESSAGES).encode())


_BARE = re.compile(
    rb"(?<=[:\[,])\s{0,4}(-?)(?:(nan)(?:\(\w{0,20}\))?|inf(?:inity)?)(?=\s{0,4}[,}\]])",
    re.IGNORECASE,
)
"""`"loss": -nan` is no JSON."""


class JsonRows:
    """A JSON object a line; one without an epoch belongs to the moment above it.

    One that has a field for it, and no number there, belongs to none but its step.

    As with lines of text, of the rows of one shape in an epoch only the first and the last are
    read; of rows that count steps all, until there are thousands.

    Attributes:
        nulls: which null was read as NaN.
    """

    def __init__(self) -> None:
        self.nulls = Nulls()
        self._epoch: Position | None = None
        self._step: int | None = None
        self._same = _NONE
        self._pending: dict[bytes, bytes] = {}
        self._samples = Samples()
        self._uncounted: dict[frozenset[str], list[dict[str, float]]] = {}

    def passes(self, line: bytes) -> bool:
        """Whether a line is one of very many that is only kept as the last of its shape."""
        if self._same not in line and (b"poch" in line or b'": "' in line or b'":"' in line):
            return False
        shape = line.translate(None, VARYING)
        if shape not in self._pending or not self._samples.skip(shape):
            return False
        self._pending[shape] = line
        return True

    def feed(self, line: bytes) -> Iterator[Row]:
        """The rows that a line completes.

        Raises:
            ValueError: it is no JSON object.
        """
        found = _EPOCH.search(line)
        epoch = None if found is None else epoch_of(float(found[1]))
        is_same = epoch is None or (self._epoch is not None and epoch == epoch_of(self._epoch))
        if not is_same:
            yield from self.flush()
        if found is not None:
            self._same = found[0] + line[found.end() : found.end() + 1]
        shape = line.translate(None, VARYING)
        is_told = self._epoch is not None or self._step is not None
        if shape in self._pending and is_same and is_told and not self._reads(shape, line):
            self._pending[shape] = line
            return
        row = self._row(line)
        if row is not None:
            yield row
            if len(self._pending) < MOST_SHAPES:
                self._pending[shape] = b""

    def flush(self) -> Iterator[Row]:
        """The last rows of the epoch that is being read."""
        pending, self._pending = self._pending, {}
        for line in pending.values():
            with contextlib.suppress(ValueError):
                row = self._row(line) if line else None
                if row is not None:
                    yield row

    def _keep(self, values: dict[str, float]) -> None:
        """A row that names no moment: it is counted, where none of the log does."""
        told = {name: value for name, value in values.items() if may_be_watched(name)}
        if told and len(self._uncounted) < MOST_SHAPES:
            rows = self._uncounted.setdefault(frozenset(told), [])
            if len(rows) < _MOST_COUNTED:
                rows.append(told)

    def counted(self) -> Iterator[Row]:
        """A row a time that the same names came, where no row of the log names a moment."""
        rows = [once_each(rows) for rows in self._uncounted.values() if len(rows) >= _FEWEST]
        if self._epoch is None and self._step is None and _tell_of_training(self._uncounted):
            for at, same in enumerate(itertools.zip_longest(*rows, fillvalue={})):
                yield Row(epoch=at, values={n: one for values in same for n, one in values.items()})

    def _reads(self, shape: bytes, line: bytes) -> bool:
        """Whether a row is one of those that count steps, or parts of an epoch, and are read."""
        if shape not in self._samples and _MOVES.search(line) is None:
            return False
        return self._samples.takes(shape)

    def _row(self, line: bytes) -> Row | None:
        row = _loaded(line)
        if not isinstance(row, dict):
            raise ValueError("no object")  # noqa: TRY004  (a line that cannot be read)
        if "schema_version" in row or are_settings(row.keys()):  # the first is our own output
            return None
        row = self.nulls.filled(_by_name(_counted_in_a_list(_unwrapped(row))))
        epoch, step = epoch_in(row), step_in(row)
        if row.get("mode") in ("val", "eval", "test"):
            step = None  # of the validation's own batches, as old MMCV counts them
        is_elsewhere = epoch is None and _names_no_number(row)
        if is_elsewhere and step is None and (self._epoch, self._step) != (None, None):
            raise ValueError("its epoch is no number")
        if epoch is not None:
            self._epoch = epoch
        elif step is not None and step == self._epoch and not is_elsewhere:
            step = None  # an epoch again, in MMEngine's rows of a validation
        if step is not None:
            self._step = step
        elif (epoch is None and self._epoch is None) or "mode" in row:
            step = self._step
        if self._epoch is None and step is None:
            self._keep(dict(numbers(row)))
            return None
        self._uncounted = {}
        at = None if is_elsewhere else self._epoch
        return Row(epoch=at, values=dict(numbers(row)), step=step)


def _names_no_number(row: dict[str, object]) -> bool:
    """Whether a row that tells no epoch has a field for it all the same: `final`, null, NaN."""
    return any(name in row and not isinstance(row[name], dict) for name in EPOCH_NAMES)


def _loaded(line: bytes) -> object:
    """What a line of JSON holds, NaN and infinity as C spells them too.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        try:
            return json.loads(line)
        except json.JSONDecodeError:
            return json.loads(_BARE.sub(_as_json, line))
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _as_json(found: re.Match[bytes]) -> bytes:
    return b" NaN" if found[2] else b" %sInfinity" % found[1]


def _unwrapped(row: dict[str, object]) -> dict[str, object]:
    """What an envelope holds that knows no moment itself: `{"type": "metrics", "data": {…}}`."""
    if epoch_in(row) is not None or step_in(row) is not None:
        return row
    for name, inner in row.items():
        if isinstance(inner, dict) and (epoch_in(inner) is not None or step_in(inner) is not None):
            return {key: one for key, one in row.items() if key != name} | inner
    return row


_INNER = ("data", "metrics", "values", "logs", "results", "scalars")


def _counted_in_a_list(row: dict[str, object]) -> dict[str, object]:
    """A row whose `step` is a list: of an epoch, and of an iteration within it."""
    place = row.get("step")
    if not isinstance(place, list):
        return row
    rest = {key: one for key, one in row.items() if key != "step"}
    for name in _INNER:
        if isinstance(inner := rest.get(name), dict):
            rest = {key: one for key, one in rest.items() if key != name} | inner
    return rest | {"epoch": place[0]} if place else rest


def _tell_of_training(names: Iterable[frozenset[str]]) -> bool:
    """Whether rows are of a training, and not of what a model says of its data."""
    return any(is_loss(name) and split_of(name) is Split.TRAINING for one in names for name in one)


def _by_name(row: dict[str, object]) -> dict[str, object]:
    """A row that holds one value, and what it is called in a field of its own."""
    name = next((row[key] for key in _NAMES if isinstance(row.get(key), str)), None)
    value = row.get("value")
    if not isinstance(name, str) or isinstance(value, str | dict | list) or "value" not in row:
        return row
    return {key: one for key, one in row.items() if key not in (*_NAMES, "value")} | {name: value}


def message_in(line: bytes) -> bytes | None:
    """The line of text that a logger wrote as JSON; None where the values are fields."""
    if b'": "' not in line and b'":"' not in line:  # no field is a text
        return None
    if _MESSAGE.search(line) is None or _EPOCH.search(line) is not None:
        return None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    texts = (row.get(name) for name in _MESSAGES) if isinstance(row, dict) else ()
    text = next((text for text in texts if isinstance(text, str)), None)
    if text is not None and _DIGIT.search(text) is None and step_in(_unwrapped(row)) is not None:
        return None  # what happened, and the values beside it
    return None if text is None else text.strip().encode("utf-8", "replace")
