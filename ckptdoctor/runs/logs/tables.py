"""CSV with a row an epoch or a step: Lightning, Ultralytics, timm, pandas, and anyone's own."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from ckptdoctor.histories import Position
from ckptdoctor.runs.logs.documents.document import Unread
from ckptdoctor.runs.logs.headings import MOST_COLUMNS, Heading, cells_of, decimal, heading_of_row
from ckptdoctor.runs.logs.log_reading import Row
from ckptdoctor.runs.logs.numbers import SPLIT_FIELDS, of_split, position
from ckptdoctor.runs.logs.thinning import Thinning

__all__ = ["table_rows"]

_SHOWN_NBYTES = 200
_ALL_OF_EPOCH = 10
_ALL_OF_TABLE = 10_000
_MOST_KEPT = 50
_MOST = 1e12
_ZERO, _BEHIND_NINE = b"0", b":"
_BAD = re.compile(rb"nan|inf", re.IGNORECASE)


def table_rows(lines: Iterable[bytes], heading: Heading) -> Iterator[Row | Unread]:
    """The rows of a table; one that is broken is told of and passed over.

    Args:
        lines: of the whole file, the heading and what stands above it among them.
        heading: that the file begins with.
    """
    rest = islice(_split(lines), heading.lines, None)
    at = heading.lines
    while True:  # a training that was started again may write other columns
        table = _Table(heading, at)
        yield from table.read(rest)
        at = table.at
        if table.other is None:
            return
        heading = table.other


def _split(lines: Iterable[bytes]) -> Iterator[bytes]:
    r"""The lines; where the first one holds ``\r``, as in a file of Excel on a Mac, cut there."""
    feed = iter(lines)
    first = next(feed, b"")
    every = chain((first,), feed)
    if b"\r" in first:
        return (part for line in every for part in line.split(b"\r"))
    return every


class _Table:
    """The rows under one heading.

    Cells of an epoch are put together, since Lightning writes those of the training and those of
    the validation in rows of their own. Where steps are told as well, an epoch gives several rows:
    those with values of a validation or with a NaN, and some of the others.

    Attributes:
        at: the number of the line that was read last.
        other: the heading that ends this table, or None.
    """

    def __init__(self, heading: Heading, at: int) -> None:
        self.at = at
        self.other: Heading | None = None
        self._heading = heading
        self._at_split = next(
            (at for at, name in enumerate(heading.names) if name.lower() in SPLIT_FIELDS), None
        )
        self._values_at = tuple(
            (at, name)
            for at, name in enumerate(heading.names[:MOST_COLUMNS])
            if at not in (heading.at_epoch, heading.at_index)
        )
        self._line = b""
        self._unread: list[Unread] = []

    def read(self, lines: Iterator[bytes]) -> Iterator[Row | Unread]:
        """What it says."""
        heading = self._heading
        rows = self._cells(lines)
        if heading.at_name is not None:
            found = self._long(rows, heading.at_name)
        elif heading.at_step is not None:
            found = self._by_step(rows, heading.at_step)
        elif heading.at_epoch is not None:
            found = self._by_epoch(rows, heading.at_epoch)
        else:
            found = self._counted(rows)
        for row in found:
            yield row
            yield from self._troubles()
        yield from self._troubles()

    def _by_epoch(self, rows: Iterator[list[bytes]], at: int) -> Iterator[Row]:
        kept: list[bytes] | None = None
        for cells in rows:
            if kept is not None and cells[at] == kept[at] and not self._says_other(cells, kept):
                kept = [new or old for new, old in zip(cells, kept, strict=True)]
                continue
            if kept is not None:
                yield self._row(kept)
            kept = cells if self._is_number(cells, at) else None
            if self.other is not None:
                return
        if kept is not None:
            yield self._row(kept)

    def _says_other(self, cells: list[bytes], kept: list[bytes]) -> bool:
        """Whether two rows of an epoch are of other data, as a column of words says."""
        at = self._at_split
        return at is not None and cells[at] != kept[at]

    def _by_step(self, rows: Iterator[list[bytes]], at: int) -> Iterator[Row]:
        at_epoch = self._heading.at_epoch
        every = Thinning(_ALL_OF_TABLE)
        measured = Thinning(_ALL_OF_TABLE)
        values_of = _getter(self._heading.at_values)
        kept: list[list[bytes]] = []
        epoch = b""
        for cells in rows:
            if not _ZERO <= cells[at] < _BEHIND_NINE and not self._is_number(cells, at):
                if self.other is not None:
                    break
                continue
            if at_epoch is not None and cells[at_epoch] != epoch and cells[at_epoch]:
                if kept:
                    yield self._row(_joined(kept))
                kept, epoch = [], cells[at_epoch]
                if every.is_full:
                    every = Thinning(_ALL_OF_EPOCH)
            kept.append(cells)
            counted = measured if any(values_of(cells)) else every
            if counted.takes() or ((b"n" in self._line or b"N" in self._line) and self._is_bad()):
                yield self._row(_joined(kept))
                kept = []
            elif len(kept) > _MOST_KEPT:
                kept = [_joined(kept)]
        if kept:
            yield self._row(_joined(kept))

    def _long(self, rows: Iterator[list[bytes]], at_name: int) -> Iterator[Row]:
        """A table with a metric a row; of each the first of very many, then fewer."""
        at = self._heading.at_epoch if self._heading.at_step is None else self._heading.at_step
        sampled: dict[bytes, Thinning] = {}
        for cells in rows:
            if not self._is_number(cells, at):
                if self.other is not None:
                    return
                continue
            name = cells[at_name]
            if name not in sampled and len(sampled) < MOST_COLUMNS:
                sampled[name] = Thinning(_ALL_OF_TABLE)
            if name in sampled and (sampled[name].takes() or self._is_bad()):
                yield self._row(cells)

    def _counted(self, rows: Iterator[list[bytes]]) -> Iterator[Row]:
        at = self._heading.at_index
        number = 0
        for cells in rows:
            if not self._is_number(cells, at):
                if self.other is not None:
                    return
                number = 0  # the heading again: from the beginning
                continue
            number += 1
            yield self._row(cells, number)

    def _cells(self, lines: Iterator[bytes]) -> Iterator[list[bytes]]:
        """The cells of each row, as many as there are names."""
        delimiter, count = self._heading.delimiter, len(self._heading.names)
        is_padded = delimiter != b"\t" and self._heading.at_name is None
        for line in lines:
            self.at += 1
            self._line = line
            if is_padded and b" " in line:
                line = line.replace(b" ", b"")  # noqa: PLW2901
            cells = cells_of(line, delimiter, count) if b'"' in line else line.split(delimiter)
            if len(cells) != count:
                if not line.strip() or line.startswith(b"#"):
                    continue
                while len(cells) > count and not cells[-1].strip():
                    cells.pop()
                if len(cells) > count:
                    if self._is_other(cells):
                        return
                    self._told()
                    continue
                cells += [b""] * (count - len(cells))
            yield cells

    def _is_number(self, cells: Sequence[bytes], at: int | None) -> bool:
        """Whether a row tells its place; a heading that stands there again is no trouble."""
        told = [decimal(cell) for cell in (cells if at is None else [cells[at]])]
        if any(one is not None and abs(one) < _MOST for one in told):
            return True
        if not any(cells):
            return False
        if not self._is_other(cells):
            self._told()
        return False

    def _is_other(self, cells: Sequence[bytes]) -> bool:
        """Whether a row is a heading: this table's, or the one that ends it."""
        delimiter, names = self._heading.delimiter, self._heading.names
        found = heading_of_row(cells_of(self._line, delimiter, len(cells)), delimiter)
        if found is not None and found.names != names:
            self.other = found
        return found is not None

    def _row(self, cells: Sequence[bytes], number: Position | None = None) -> Row:
        heading = self._heading
        values = {}
        for at, name in self._values_at:
            if cells[at] and (value := decimal(cells[at])) is not None:
                values[name] = value
        if heading.at_name is not None and heading.at_value is not None:
            value = values.pop(heading.names[heading.at_value], None)
            name = cells[heading.at_name].decode("utf-8", "replace").strip(" '")
            values = {} if value is None or not name else {name: value}
        epoch = _at(cells, heading.at_epoch)
        if heading.at_index is not None:
            number = _at(cells, heading.at_index)
        step = _at(cells, heading.at_step)
        if self._at_split is not None:
            split = cells[self._at_split].decode("utf-8", "replace").strip()
            values = dict(of_split({heading.names[self._at_split].lower(): split}, values.items()))
        return Row(
            epoch=number if epoch is None else epoch,
            step=None if step is None else int(step),
            values=values,
        )

    def _is_bad(self) -> bool:
        """Whether a value of the line may be NaN or infinite; most rows have no letter at all."""
        return _BAD.search(self._line) is not None

    def _told(self) -> None:
        text = self._line[:_SHOWN_NBYTES].decode("utf-8", "replace")
        self._unread.append(Unread(text=text, number=self.at))

    def _troubles(self) -> Iterator[Unread]:
        yield from self._unread
        self._unread.clear()


def _joined(rows: Sequence[list[bytes]]) -> list[bytes]:
    """The last cell of each column that is not empty."""
    if len(rows) == 1:
        return rows[0]
    return [
        column[-1] or next(filter(None, reversed(column)), b"")
        for column in zip(*rows, strict=True)
    ]


def _at(cells: Sequence[bytes], at: int | None) -> Position | None:
    found = None if at is None else decimal(cells[at])
    return position(found) if found is not None and abs(found) < _MOST else None


def _getter(places: Sequence[int]) -> Callable[[Sequence[bytes]], Sequence[bytes]]:
    if len(places) > 1:
        return operator.itemgetter(*places)
    return (lambda cells: cells[places[0] : places[0] + 1]) if places else (lambda _: ())
