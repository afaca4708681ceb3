"""Lines of text that name a moment and its values, in the many ways in which scripts print them.

``Epoch 89: Loss: 0.2234 | IoU: 0.6434 | LR: 0.000145`` is the usual one; its relatives stand in
``marks`` (where a line names its moment), ``pairs`` (names and numbers) and ``text_tables``.
"""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.histories import Position
from ckptdoctor.runs.logs.ahead import LinesAhead
from ckptdoctor.runs.logs.cleaning import Cleaning, without_colours
from ckptdoctor.runs.logs.commands import Commands
from ckptdoctor.runs.logs.counted import CountedLines
from ckptdoctor.runs.logs.known_lines import mark_of
from ckptdoctor.runs.logs.line_values import LineValues, row_by_pattern, time_of
from ckptdoctor.runs.logs.log_reading import Row, epoch_of
from ckptdoctor.runs.logs.marks import ELSEWHERE, Mark, is_of_epoch
from ckptdoctor.runs.logs.pattern import LogPattern
from ckptdoctor.runs.logs.sections import Sections
from ckptdoctor.runs.logs.shapes import (
    IGNORED,
    LINE_CHARS,
    MOST_SHAPES,
    VARYING,
    Habit,
    Habits,
    Samples,
    Shape,
    Waiting,
    first_cell,
    shape_of,
    word_with_digits,
)
from ckptdoctor.runs.logs.text_tables import TextTable, UprightTable, bare_table_of
from ckptdoctor.runs.logs.waiting_rows import Now, WaitingRows
from ckptdoctor.runs.logs.within import EpochsWithin

__all__ = ["LineReader"]


class LineReader:
    """Lines to rows, one row an epoch as soon as the next epoch begins, or one a step.

    A script prints the same few shapes of line a million times, and in an epoch the last of each
    stands. So lines are told apart by their shape (without digits), and only the last of a shape
    is read: 100 MB in seconds. Where lines count steps, or fractions of epochs, they are read one
    by one up to thousands, then fewer, and the last of each epoch; a NaN is of another shape.

    Args:
        pattern: the user's own; then nothing else is looked for.

    Attributes:
        sections: what its headings said.
        commands: command lines that were seen.
    """

    def __init__(self, pattern: LogPattern | None = None) -> None:
        self._pattern = pattern
        self._epoch: int | None = None
        self._in_words = self._in_pairs = self._is_calm = self._is_plain = False
        self._within = EpochsWithin()
        self.sections = Sections()
        self._values = LineValues(self.sections)
        self._shapes: dict[bytes, Shape] = {}
        self._samples, self._habits = Samples(), Habits()
        self._pending: dict[bytes, Waiting] = {}
        self._above: bytes | None = None
        self._table: TextTable | None = None
        self._upright = UprightTable()
        self._rows, self._ahead = WaitingRows(self._values), LinesAhead()
        self._cleaning, self._counted = Cleaning(), CountedLines()
        self.commands = Commands()

    # -- what is asked ---------------------------------------------------------------------------

    def passes(self, raw: bytes) -> bool:
        """Whether a line takes the place of the last of its shape, or says nothing as that one."""
        if not self._is_calm:
            return False
        shape = raw[:LINE_CHARS].translate(None, VARYING)
        known = self._shapes.get(shape)
        if known is IGNORED:
            return True
        if known is None or not (known.is_plain or known.moves):
            return False
        if (mark := known.mark) is not None and raw[mark.start : mark.end] != mark.text:
            is_now = known.moves and is_of_epoch(raw, mark, self._epoch)
            if not is_now:
                return False
        if self._above is not None and not self._samples.skip(shape):
            return False
        self._ahead.renews(shape, raw)
        if known.moves:
            self._above = raw
        waiting = self._pending.pop(shape, None) or self._waiting(raw, shape, known)
        waiting.raw = raw  # the last of its shape stands
        waiting.above = None if known.moves else self._above
        self._pending[shape] = waiting
        return True

    def feed(self, raw: bytes) -> Iterator[Row]:
        """The rows that a line completes.

        Args:
            raw: without its line end. Of what a progress bar drew over itself, the last stands.

        Raises:
            SlowLineError: the user's pattern was stopped at the line.
            ValueError: it matches, and what it calls a number is none.
        """
        if self._pattern is not None:
            row = row_by_pattern(without_colours(raw[:LINE_CHARS]), self._pattern)
            if row is not None:
                yield row
            return
        for part in raw.split(b"\r") if b"\r" in raw else (raw,):
            if not self.passes(part):
                yield from self._feed(part)
                self._is_calm = self._calms_down()

    def flush(self) -> Iterator[Row]:
        """What is known of the moment that is being read; more may come."""
        yield from self._upright.rows(self._epoch)
        yield from self._flush()
        if self._epoch is not None and self._ahead.expected and self._ahead.lines:
            bad = self._values.non_finite(self._ahead.lines.values())
            if bad:  # the epoch that they belong to may never be named
                yield Row(epoch=self._epoch + 1, values=bad)

    def counted(self) -> Iterator[Row]:
        """Rows of lines that name no moment, where none of them does."""
        if self._is_before_all:
            yield from self._counted.rows()

    @property
    def _is_before_all(self) -> bool:
        return self._epoch is None and self._above is None

    # -- one line --------------------------------------------------------------------------------

    def _calms_down(self) -> bool:
        """Whether every moment is named before its values, in common letters."""
        ahead = self._ahead
        return not (
            ahead.expected
            or (ahead.lines and self._above is None)
            or self._upright.is_open
            or self._cleaning.in_traceback
            or self._cleaning.has_blanked
            or self._cleaning.ranks.are_told
            or self.commands.is_open
            or self.sections.are_there
        )

    def _feed(self, raw: bytes) -> Iterator[Row]:
        clean = self._cleaning.of(raw)
        if clean is None:
            return
        raw = clean
        if self.commands.is_open and self.commands.goes_on(raw):
            return
        if self._is_before_all:
            self._counted.take(raw)
        if raw[:1] == b"|" and self._upright.takes(raw):
            return
        if self._upright.is_open:
            yield from self._upright.rows(self._epoch)
        shape = shape_of(raw)
        known = self._shapes.get(shape)
        if self._ahead.renews(shape, raw) and self._above is None:
            return
        of_section = known is None or known.mark is None or self.sections.is_fresh
        if self.sections.current and of_section:
            shape = self.sections.inside(shape)
            known = self._shapes.get(shape)
        if known is not None and known.has_digits:
            shape += b"\0" + word_with_digits(raw)
            known = self._shapes.get(shape)
        yield from self._feed_known(raw, shape, known)

    def _feed_known(self, raw: bytes, shape: bytes, known: Shape | None) -> Iterator[Row]:
        if known is None:
            yield from self._feed_new(raw[:LINE_CHARS], shape)
        elif known.head is not None:
            self._table = known.head
        elif known.table is not None:
            yield from self._feed_row(raw, shape, known)
        elif known.mark is None:
            if known.holds:
                yield from self._keep(raw, shape, known)
        elif is_of_epoch(raw, known.mark, self._epoch):
            yield from self._keep(raw, shape, known)
            if self._ahead.expected:
                self._name(raw, known.mark)
        else:
            yield from self._feed_new(raw[:LINE_CHARS], shape)

    def _keep_new(self, raw: bytes, shape: bytes, known: Shape) -> Iterator[Row]:
        self._remember(shape, known)
        yield from self._keep(raw, shape, known)

    def _keep(self, raw: bytes, shape: bytes, known: Shape) -> Iterator[Row]:
        """A line waits for the next of its shape, or for the end of the epoch, or is read now."""
        if known.mark is None:
            self.sections.is_fresh = False
        elif self.sections.are_there:
            self.sections.begins(raw)
        if known.moves:
            self._above = raw
        self._pending.pop(shape, None)  # the last of its shape stands
        waiting = self._waiting(raw, shape, known)
        if self._above is None or not self._samples.takes(shape):
            self._pending[shape] = waiting
            return
        yield from self._row(waiting)

    def _waiting(self, raw: bytes, shape: bytes, known: Shape) -> Waiting:
        of_epoch = not self._ahead.holds(shape)
        return Waiting(raw, known, None if known.moves else self._above, of_epoch)

    def _feed_new(self, raw: bytes, shape: bytes) -> Iterator[Row]:
        """A line whose shape is new, or whose epoch is."""
        self.sections.sees(raw)
        habit = self._habits.of(shape, raw)
        mark = None
        if habit.may_name:
            mark = mark_of(raw, in_words=self._in_words, in_pairs=self._in_pairs)
            mark = self.sections.claimed(mark, raw)
            if mark is not None and mark.is_in_path and self._is_no_news(mark):
                mark = None
            habit.unmarked = habit.unmarked + 1 if mark is None else 0
        if self._table is None and mark is None and b"G " in raw[:40]:
            self._table = bare_table_of(raw.decode("utf-8", "replace"))
        if self._table is not None and (mark is None or not mark.in_words):
            known = Shape(table=self._table)
            took = list(self._feed_row(raw, shape, known))
            if shape in self._shapes and self._shapes[shape] is known:
                yield from took
                return
        if mark is ELSEWHERE or (self._epoch is None and self._values.are_settings(raw, mark)):
            self.commands.take(raw)
        elif mark is None or (mark.epoch is None and not self._values.count_step(raw, mark)):
            yield from self._feed_below(raw, shape)
        elif mark.epoch is None:
            if self._epoch is None and self._ahead.takes(shape):
                self._ahead.keep(shape, raw)
            self.sections.begins(raw)
            yield from self._keep_new(
                raw, self.sections.outside(shape), Shape(mark=mark, holds=True)
            )
        elif not mark.in_words and not self._values.are_told_at(raw, mark):
            yield from self._feed_below(raw, shape)
        else:
            self.sections.begins(raw)
            yield from self._begin(raw, self.sections.outside(shape), mark, mark.epoch)

    def _is_no_news(self, mark: Mark) -> bool:
        """Whether an epoch in a path goes no further than those that are named without one."""
        at, now = mark.epoch, self._epoch
        return self._is_plain and at is not None and now is not None and at <= now

    def _begin(self, raw: bytes, shape: bytes, mark: Mark, epoch: Position) -> Iterator[Row]:
        """A line that names an epoch."""
        if epoch_of(epoch) != self._epoch:
            yield from self._flush()
            self._within.begins(self._epoch, epoch_of(epoch), self._above)
            self._epoch = epoch_of(epoch)
            self._shapes = {}
        self._in_words = self._in_words or mark.in_words
        self._is_plain = self._is_plain or (mark.in_words and not mark.is_in_path)
        self._in_pairs = self._in_pairs or mark.in_pairs
        self._name(raw, mark)
        known = Shape(mark=mark, holds=True)
        self._remember(shape, known)
        if mark.moves:
            yield from self._keep(raw, shape, known)
        else:
            self._pending.pop(shape, None)
            self._pending[shape] = Waiting(raw, known, None)
        if len(self._pending) >= MOST_SHAPES:
            yield from self._flush()

    def _name(self, raw: bytes, mark: Mark) -> None:
        """The lines above one that names an epoch are of that epoch, where the log does so."""
        habit = self._habits.of(shape_of(raw), raw)
        habit.speaks = habit.speaks or self._values.speaks(raw, mark)
        for shape, above in self._ahead.named(has_values=habit.speaks).items():
            self._pending[shape] = Waiting(above, Shape(holds=True), None)

    def _feed_below(self, raw: bytes, shape: bytes) -> Iterator[Row]:
        """A line without a moment belongs to the one above it, if it holds metrics."""
        self.commands.take(raw)
        habit = self._habits.of(shape, raw)
        holds = habit.holds or (habit.may_hold and self._values.are_told_in(raw))
        habit.holds = holds
        if not holds and (self.sections.heads(raw) or self._begins_table(raw, shape, habit)):
            return
        if self._above is None and self._ahead.takes(shape):
            if holds:
                self._ahead.keep(shape, raw)
            return
        if self._epoch is None and self._above is None:
            return
        if not holds:
            self._remember(shape, IGNORED)
            return
        word = word_with_digits(raw)
        known = Shape(holds=True, section=self.sections.current.decode())
        if word and b"\0" not in shape:
            self._remember(shape, Shape(has_digits=True))
            shape += b"\0" + word
        yield from self._keep_new(raw, shape, known)
        if len(self._pending) >= MOST_SHAPES:
            yield from self._flush()

    def _begins_table(self, raw: bytes, shape: bytes, habit: Habit) -> bool:
        """Whether a line is the head of a table; then the lines below it are its rows."""
        head = habit.head_in(raw)
        if head is not None:
            self._table = head
            self._remember(shape, Shape(head=head))
        return head is not None

    def _feed_row(self, raw: bytes, shape: bytes, known: Shape) -> Iterator[Row]:
        """A line below the head of a table, if it is a row of it."""
        table = self._table
        first = first_cell(raw)
        if not first or table is None:
            return
        if known.first == first and known.table is table and table.leads:
            if known.holds:
                yield from self._keep(raw, shape, known)
            return
        row = table.row(raw[:LINE_CHARS].decode("utf-8", "replace"))
        if row is None:
            if known.table is not None and self._shapes.get(shape) is known:
                del self._shapes[shape]
                yield from self._feed_new(raw[:LINE_CHARS], shape)
            return
        if row.epoch is not None and epoch_of(row.epoch) != self._epoch:
            yield from self._flush()
            self._epoch = epoch_of(row.epoch)
            self._shapes = {s: k for s, k in self._shapes.items() if k.head is not None}
        self._in_words = self._in_words or row.epoch is not None
        known = known if known.table is table else Shape(table=table)
        known.first, known.holds = first if row.is_named(first) else b"", bool(row.values)
        self._remember(shape, known)
        if row.step is not None:
            self._above = raw
            yield Row(epoch=self._epoch, step=row.step, values=row.values, time_s=time_of(raw))
        elif known.holds:
            yield from self._keep(raw, shape, known)

    def _remember(self, shape: bytes, known: Shape) -> None:
        if len(self._shapes) >= MOST_SHAPES:
            self._shapes = {}
        self._shapes[shape] = known

    # -- lines to rows ---------------------------------------------------------------------------

    def _flush(self) -> Iterator[Row]:
        """The rows of the lines that wait."""
        pending, self._pending = self._pending, {}
        yield from self._rows.of_epoch(pending.values(), self._now())

    def _row(self, waiting: Waiting) -> Iterator[Row]:
        """The row of a line that knows its own moment, or that of the line above it."""
        yield from self._rows.of(waiting, self._now())

    def _now(self) -> Now:
        return Now(
            epoch=self._epoch,
            is_told=not self._within.are_there,
            in_words=self._in_words,
            table=self._table,
        )
