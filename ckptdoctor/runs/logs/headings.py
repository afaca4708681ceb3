"""The head of a table: which column is the epoch, which the step, which are values."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata.metric_names import Split, is_loss, split_of
from ckptdoctor.runs.logs.languages import in_english
from ckptdoctor.runs.logs.numbers import EPOCH_NAMES, STEP_NAMES
from ckptdoctor.runs.logs.spelled import number_spelled
from ckptdoctor.runs.logs.watched import is_watched

__all__ = ["MOST_COLUMNS", "Heading", "cells_of", "decimal", "heading_of", "heading_of_row"]

_DELIMITERS = (b",", b";", b"\t")
MOST_COLUMNS = 2000
"""Of which values are read."""
_LOOKED_AT = 50
_NAMES = ("metric", "metrics", "metric_name", "name", "key", "tag", "measure", "variable", "scalar")
_VALUES = ("value", "values", "metric_value", "score", "result")
_EPOCHS = (*EPOCH_NAMES, "ep", "epoche", "époque", "época", "epoca")
_STEPS = ("global_step", "step", "total_timesteps", *STEP_NAMES, "global_iter", "iters")
_INDEX = ("", "index", "unnamed: 0")
_BESIDE = ("time", "timestamp", "date", "lr", "learning_rate", "elapsed", "duration", "wall_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The names of a table's columns, and what some of them are.

    Attributes:
        names: of all columns.
        delimiter: between them.
        at_epoch: the place of the epoch, or None.
        at_step: that of the step, or None.
        at_index: that of the numbers of the rows, where neither is there; or None.
        at_values: the places of what is measured on other data than that of the training.
        at_name, at_value: those of a table in long form, with a metric a row; or None.
        lines: how many lines of the file it takes, comments before it among them.
    """

    names: tuple[str, ...]
    delimiter: bytes
    at_epoch: int | None
    at_step: int | None
    at_index: int | None
    at_values: tuple[int, ...]
    at_name: int | None = None
    at_value: int | None = None
    lines: int = 1

    @property
    def is_watched(self) -> bool:
        """Whether a column is a metric or a loss, or holds their names."""
        return self.at_name is not None or any(map(is_watched, self.names[:MOST_COLUMNS]))

    @property
    def says_data(self) -> bool:
        """Whether it tells of a training, and not of what a model says of its data."""
        return self.at_name is not None or any(
            "loss" in name.lower() or split_of(name) is not Split.UNSAID
            for name in self.names[:MOST_COLUMNS]
        )


def heading_of(head: bytes) -> Heading | None:
    """The heading that a file begins with, comments passed over; None where it is no table.

    Args:
        head: the first bytes, as UTF-8; the row below has to be one of numbers, where it is there.
    """
    end = b"\n" if b"\n" in head else b"\r"
    lines = [line.rstrip(b"\r") for line in head.split(end)[:_LOOKED_AT]]
    for at, line in enumerate(lines):
        bare = line.strip().lstrip(b"#").strip() if line.lstrip()[:1] == b"#" else line
        if not bare.strip():
            continue
        below = next((one for one in lines[at + 1 :] if one.strip()), b"")
        found = _heading(bare, below, lines=at + 1)
        if found is not None:
            return found
        if bare is line:  # neither a comment nor blank
            return None
    return None


def _heading(line: bytes, below: bytes, lines: int) -> Heading | None:
    for delimiter in _DELIMITERS:
        if delimiter in line:
            found = heading_of_row(cells_of(line, delimiter, 0), delimiter, lines)
            if found is not None and _has_numbers(cells_of(below, delimiter, 0), found):
                return found
    return None


def heading_of_row(cells: Sequence[bytes], delimiter: bytes, lines: int = 1) -> Heading | None:
    """The heading that a row is; None where it is none."""
    if len(cells) < 2 or any(decimal(cell) is not None for cell in cells):
        return None
    told = (cell.strip(b" \t'").decode("utf-8", "replace") for cell in cells)
    names = tuple(name if is_watched(name) else in_english(name) for name in told)
    lower = [name.lower() for name in names]
    at_epoch, at_step = _place(lower, _EPOCHS), _place(lower, _STEPS)
    at_index = None
    if at_epoch is None and at_step is None:
        at_index = 0 if lower[0] in _INDEX else None
        rest = lower[1:] if at_index == 0 else lower
        rest = rest[:-1] if rest and not rest[-1] else rest  # every row ends with a delimiter
        if not (all(is_watched(name) or name in _BESIDE for name in rest) or _are_of_both(rest)):
            return None
        if not any(map(is_watched, rest)):
            return None
    at_name, at_value = _long_form(lower)
    return Heading(
        names=names,
        delimiter=delimiter,
        at_epoch=at_epoch,
        at_step=at_step,
        at_index=at_index,
        at_values=tuple(at for at, name in enumerate(names) if split_of(name) is Split.VALIDATION),
        at_name=at_name,
        at_value=at_value,
        lines=lines,
    )


def _are_of_both(names: Sequence[str]) -> bool:
    """Whether there is a loss of a training and one of a validation: nothing else has both."""
    splits = {split_of(name) for name in names if is_loss(name)}
    return {Split.TRAINING, Split.VALIDATION} <= splits


def _long_form(names: Sequence[str]) -> tuple[int | None, int | None]:
    """The places of the names and of the values in a table with a metric a row."""
    at_name, at_value = _place(names, _NAMES), _place(names, _VALUES)
    others = (name for at, name in enumerate(names) if at not in (at_name, at_value))
    if at_name is None or at_value is None or any(map(is_watched, others)):
        return None, None
    return at_name, at_value


def _place(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    ends = [name.rpartition("/")[2] for name in names]  # of `time/total_timesteps`
    return next((some.index(one) for some in (names, ends) for one in wanted if one in some), None)


def _has_numbers(cells: Sequence[bytes], heading: Heading) -> bool:
    """Whether the row below a heading goes with it; a name ``epoch`` among words is enough."""
    words = not any(decimal(name.encode()) is not None for name in heading.names)
    if words and (heading.at_epoch is not None or not any(cell.strip() for cell in cells)):
        return True
    places = (heading.at_epoch, heading.at_step, heading.at_index, 0)
    at = next(place for place in places if place is not None)
    return len(cells) == len(heading.names) and decimal(cells[at]) is not None


def cells_of(line: bytes, delimiter: bytes, count: int) -> list[bytes]:
    """The cells of a row, without quotes; of a row of ``count`` of them fast."""
    if b'"' not in line:
        return line.split(delimiter)
    if line.count(delimiter) == count - 1:
        return line.replace(b'"', b"").split(delimiter)
    try:
        text = line.decode("utf-8", "replace")
        row = next(csv.reader([text], delimiter=delimiter.decode(), skipinitialspace=True), [])
    except csv.Error:
        return line.split(delimiter)
    return [cell.encode() for cell in row]


_SPELLED = re.compile(rb"^-?\d\.#|^[\w.]{1,20}\(.{1,80}\)$")
"""What only a program would write for a number: `1.#QNAN`, `tensor(nan)`."""


def decimal(cell: bytes) -> float | None:
    """The number in a cell; ``0,6413``, ``1.234,5`` and ``tensor(nan)`` as well. None without."""
    try:
        return float(cell)
    except ValueError:
        pass
    cell = cell.strip()
    if cell[-1:] == b"%":
        return decimal(cell[:-1])
    before, comma, after = cell.rpartition(b",")
    if not comma or not after[:1].isdigit():
        return number_spelled(cell.decode("utf-8", "replace")) if _SPELLED.search(cell) else None
    try:
        return float(before.replace(b".", b"") + b"." + after)
    except ValueError:
        return None
