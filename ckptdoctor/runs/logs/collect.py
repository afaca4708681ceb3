"""Rows of logs, put together by their place: restarts noticed, what cannot be read counted."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import field
from pathlib import Path

from ckptdoctor.histories import LogFacts, Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.runs.logs.log_reading import LogReading, Row, epoch_of

__all__ = ["Collector"]

_MOST_PLACES = 1_000_000
_MOST_NAMES = 500
_MOST_SHOWN = 5
_SHOWN_CHARS = 60
_FOLD = "fold"
_SEVERAL = 2
_MANY = 100
_FALLS_BACK = 3
"""A counter that comes to where it was so many values ago began again; two ranks only lag."""

_Place = tuple[Position | None, int | None]


@dataclass(slots=True)
class _Kept:
    """What is known of a place.

    Attributes:
        values: by name.
        source: the log that told of it last.
        time_s: when that was.
        left: whether a restart has left it behind, and did not come there again.
    """

    values: dict[str, float] = field(default_factory=dict)
    source: Path = field(default_factory=Path)
    time_s: float | None = None
    left: bool = False


class Collector:
    """Takes rows in the order of the log, one log after the other."""

    def __init__(self) -> None:
        self._kept: dict[_Place, _Kept] = {}
        self._facts: list[LogFacts] = []
        self._commands: list[str] = []
        self._restarts = 0
        self._path: Path | None = None
        self._in_words = False  # some epoch was named in words, by any of the logs
        self._begin()

    def _begin(self) -> None:
        self._form = self._encoding = ""
        self._lines = self._unread = self._rows = self._folds = 0
        self._fold_values: set[float] = set()
        self._examples: list[str] = []
        self._names: dict[str, None] = {}
        self._reached: dict[_Place, None] = {}
        self._counters: dict[frozenset[str], deque[Position]] = {}
        self._last: int | None = None
        self._in_brackets = False  # all epochs so far were numbers in brackets

    def begin(self, path: Path) -> None:
        """Another log: going back in epochs from the one before is no restart."""
        self._end()
        self._begin()
        self._path = path

    def describe(
        self, *, form: str = "", encoding: str = "", lines: int = 0, folds: int = 0
    ) -> None:
        """How the log is read: as what, in which encoding, and how many lines more were seen.

        Args:
            form: in words.
            encoding: of its bytes.
            lines: that were seen since.
            folds: of a cross-validation that it names; each trains anew, and the last one counts.
        """
        self._folds = max(self._folds, folds)
        self._form = form or self._form
        self._encoding = encoding or self._encoding
        self._lines += lines

    def add(self, row: Row) -> None:
        """What a log says next."""
        if self._in_brackets and row.is_first_epoch:
            self._forget_epochs()
        if row.epoch is not None:
            self._in_brackets = not row.in_words
            self._in_words = self._in_words or row.in_words
        if self._falls_back(row):
            self._restarts += 1
            self._leave(row)
        place = row.epoch, row.step
        kept = self._kept.get(place)
        if kept is None:
            if len(self._kept) >= _MOST_PLACES:
                return
            kept = self._kept[place] = _Kept()
        self._rows += 1
        self._reached[place] = None
        if kept.left:  # a restart came here again: the old values are another attempt's
            kept.left = False
            kept.values.clear()
        for name, value in row.values.items():
            if name in kept.values or len(kept.values) < _MOST_NAMES:
                kept.values[name] = value
                self._names[name] = None
        if _FOLD in row.values:
            self._fold_values.add(row.values[_FOLD])
        kept.source = self._path or Path()
        kept.time_s = kept.time_s if row.time_s is None else row.time_s

    def command(self, text: str) -> None:
        """A command line that a log shows."""
        self._commands = [*[known for known in self._commands if known != text], text][
            -_MOST_SHOWN:
        ]

    def unreadable(self, number: int, text: str) -> None:
        """A line that could not be read."""
        self._unread += 1
        if len(self._examples) < _MOST_SHOWN:
            name = self._path.name if self._path is not None else ""
            self._examples.append(f"{name}:{number}: {text.strip()[:_SHOWN_CHARS]}")

    def result(self) -> LogReading:
        """What was collected; the collector can go on."""
        self._end()
        by_steps = not self._in_words and _are_steps(epoch for epoch, _ in self._kept)
        rows = (
            Row(
                epoch=None if by_steps else epoch,
                step=epoch_of(epoch) if by_steps and epoch is not None else step,
                values=dict(kept.values),
                time_s=kept.time_s,
                source=kept.source,
                superseded=kept.left,
            )
            for (epoch, step), kept in self._kept.items()
        )
        return LogReading(
            rows=tuple(rows),
            restarts=self._restarts,
            commands=tuple(self._commands),
            logs=tuple(self._facts),
        )

    def _forget_epochs(self) -> None:
        """``[50/1000]`` counted batches: it stood above the first epoch that is named."""
        for place in self._reached:
            del self._kept[place]
        self._reached, self._counters, self._last = {}, {}, None

    def _falls_back(self, row: Row) -> bool:
        """Whether a log goes back to where it was before."""
        at: Position | None = row.step if row.epoch is None else row.epoch
        if at is None:
            return False
        falls = False
        if row.epoch is not None:
            whole = epoch_of(row.epoch)
            falls = self._last is not None and whole < self._last - 1
            self._last = whole
            if row.epoch == math.floor(row.epoch):
                return falls
        names = frozenset(row.values)
        passed = self._counters.setdefault(names, deque(maxlen=_FALLS_BACK))
        falls = falls or (len(passed) == _FALLS_BACK and at <= passed[0])
        if falls:
            self._counters = {names: deque([at], maxlen=_FALLS_BACK)}
        elif not passed or at > passed[-1]:
            passed.append(at)
        return falls

    def _leave(self, row: Row) -> None:
        """What an attempt reached that ends where the next one begins."""
        stands: dict[_Place, None] = {}
        for place in self._reached:
            if _is_before(place, row):
                stands[place] = None
            else:
                self._kept[place].left = True
        self._reached = stands

    def _end(self) -> None:
        """The facts of the log that was read last."""
        if self._path is None:
            return
        folds = max(self._folds, len(self._fold_values))
        facts = LogFacts(
            path=self._path,
            form=f"{self._form}, the last of {folds} folds" if folds > 1 else self._form,
            encoding=self._encoding,
            lines=self._lines,
            rows=self._rows,
            unread=self._unread,
            examples=tuple(self._examples),
            names=tuple(self._names),
        )
        if self._facts and self._facts[-1].path == self._path:
            self._facts[-1] = facts
        else:
            self._facts.append(facts)


def _is_before(place: _Place, row: Row) -> bool:
    """Whether a place lies before the one where another attempt begins."""
    epoch, step = place
    if row.epoch is not None:
        return epoch is not None and epoch < row.epoch
    return step is not None and row.step is not None and step < row.step


def _are_steps(epochs: Iterable[Position | None]) -> bool:
    """Whether numbers in brackets count steps: nobody trains a hundred epochs between two lines."""
    told = sorted({epoch for epoch in epochs if epoch is not None})
    gaps = [after - before for before, after in itertools.pairwise(told)]
    return len(gaps) >= _SEVERAL and min(gaps) >= _MANY
