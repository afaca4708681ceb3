"""CSV with a column for the epoch: Lightning, Ultralytics, timm, and anyone's own."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from ckptdoctor.runs.logs.collect import Collector
from ckptdoctor.runs.logs.log_reading import Row
from ckptdoctor.runs.logs.numbers import EPOCH_NAMES, STEP_NAMES, number, numbers

__all__ = ["read_table", "reads_as_table"]

_DELIMITERS = ",;\t"
_MOST_COLUMNS = 2000


def reads_as_table(first_line: str) -> bool:
    """Whether a line is the head of a table with an epoch in it."""
    return any(_epoch_column(names) for names in _splits(first_line))


def read_table(lines: Iterable[str], collected: Collector) -> None:
    """The rows of a table; one that is broken is counted and passed over."""
    feed = iter(lines)
    head = next(feed, "")
    names = next((names for names in _splits(head) if _epoch_column(names)), [])
    epoch_column = _epoch_column(names)
    if not epoch_column:
        return
    delimiter = next(d for d in _DELIMITERS if min(head.count(d) + 1, _MOST_COLUMNS) == len(names))
    at_epoch = names.index(epoch_column)
    kept: list[str] = []  # the last cell of each column in the epoch that is being read
    for number_of_row, cells in enumerate(_rows(feed, delimiter, collected), start=2):
        if len(cells) > len(names) or len(cells) <= at_epoch or number(cells[at_epoch]) is None:
            if any(cells):
                collected.unreadable(number_of_row, delimiter.join(cells)[:200])
        elif kept and cells[at_epoch] == kept[at_epoch]:
            kept[: len(cells)] = [new or old for new, old in zip(cells, kept, strict=False)]
        else:
            _add(names, kept, epoch_column, collected)
            kept = cells + [""] * (len(names) - len(cells))
    _add(names, kept, epoch_column, collected)


def _rows(lines: Iterator[str], delimiter: str, collected: Collector) -> Iterator[list[str]]:
    """The cells of each row; a quote that is never closed costs the rows that it swallows."""
    rows = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            collected.unreadable(rows.line_num + 1, str(error))


def _add(names: list[str], cells: list[str], epoch_column: str, collected: Collector) -> None:
    row = dict(zip(names, (cell.strip() for cell in cells), strict=False))
    epoch = number(row.get(epoch_column))
    if epoch is None:
        return
    step = next((number(row[name]) for name in STEP_NAMES if row.get(name)), None)
    collected.add(
        Row(
            epoch=epoch,
            values=dict(numbers(row)),
            step=int(step) if step is not None else None,
        )
    )


def _splits(head: str) -> list[list[str]]:
    """The names of the columns, by each of the usual delimiters."""
    return [
        [name.strip().strip("\"'") for name in head.split(delimiter)][:_MOST_COLUMNS]
        for delimiter in _DELIMITERS
        if delimiter in head
    ]


def _epoch_column(names: list[str]) -> str:
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in EPOCH_NAMES if name in lower), "")
