"""Lines that waited to rows: one for all that are of an epoch, one each for those with a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ckptdoctor.histories import Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.runs.logs.known_lines import mark_of
from ckptdoctor.runs.logs.line_values import (
    LineValues,
    Summaries,
    of_all_classes,
    step_among,
    time_of,
    told_once,
)
from ckptdoctor.runs.logs.log_reading import Row
from ckptdoctor.runs.logs.shapes import LINE_CHARS, Waiting
from ckptdoctor.runs.logs.text_tables import TextTable

__all__ = ["Now", "WaitingRows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """Where a log is.

    Attributes:
        epoch: the one that is running.
        is_told: whether it is one of the training, and not counted within every step.
        in_words: whether it was named in words.
        table: of which the last rows were.
    """

    epoch: int | None
    is_told: bool
    in_words: bool
    table: TextTable | None


class WaitingRows:
    """Makes rows of lines that were kept, because a later one might have taken their place.

    Args:
        values: how the lines of this log are read.
    """

    def __init__(self, values: LineValues) -> None:
        self._values, self._summaries = values, Summaries()

    def of_epoch(self, pending: Iterable[Waiting], now: Now) -> Iterator[Row]:
        """The lines that wait: one row for those of the epoch, one each for those with a step."""
        values: dict[str, float] = {}
        named: set[str] = set()
        below: set[str] = set()
        time_s = None
        for waiting in pending:
            mark = waiting.shape.mark
            if waiting.above is not None or (mark is not None and mark.moves):
                yield from self.of(waiting, now)
                continue
            told = self._values.of(waiting)
            if mark is not None:
                named |= told.keys()
            else:
                told = self._summaries.left_out(told, named) if named else told
                below |= told.keys()
            values |= told
            time_s = time_of(waiting.raw) or time_s
        values = told_once(values, named)
        if values and now.epoch is not None:
            self._summaries.epoch_ends()
            values = of_all_classes(values, below)
            step, words = step_among(values), now.in_words
            yield Row(epoch=now.epoch, values=values, step=step, time_s=time_s, in_words=words)

    def of(self, waiting: Waiting, now: Now) -> Iterator[Row]:
        """The row of a line that knows its own moment, or that of the line above it."""
        is_told = waiting.of_epoch and now.is_told
        epoch: Position | None = now.epoch if is_told else None
        step = None
        named = waiting.raw if waiting.above is None else waiting.above
        mark = mark_of(named[:LINE_CHARS], in_words=True)
        if mark is not None:
            step = mark.step
            epoch = mark.epoch if isinstance(mark.epoch, float) else epoch
        elif now.table is not None:
            row = now.table.row(named[:LINE_CHARS].decode("utf-8", "replace"))
            step = None if row is None else row.step
        values = self._values.of(waiting, mark if waiting.above is None else None)
        if values and (epoch is not None or step is not None):
            words, time_s = now.in_words, time_of(waiting.raw)
            yield Row(epoch=epoch, step=step, values=values, time_s=time_s, in_words=words)
