"""What logs say: rows, each with its epoch, its step or both; seen by either clock."""

from __future__ import annotations

import bisect
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from ckptdoctor.histories import Clock, LogFacts, Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Source, Split, is_loss, named_metric, split_of

__all__ = ["ByClock", "Epochs", "LogReading", "Row", "epoch_of", "merged"]

Epochs = Mapping[Position, Mapping[str, float]]
"""Position -> name of a value -> the value; where a restart repeats one, the later stands."""

_FEW_EPOCHS = 3
"""A run of no more epochs is told by what happens within them."""
_FINER = 1.5
_MOST_COMMANDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one place of a log says of a moment of the training.

    Attributes:
        values: by name; may be empty, and may be NaN or infinite.
        epoch: as the log counts; a fraction where the log tells one.
        step: the optimizer step; None where only epochs are told.
        time_s: when it was written, in seconds since some fixed moment; None where it is not told.
        source: the log.
        superseded: whether a restart went back behind it and has not come there again.
        in_words: whether the log names epochs in words by then, and not in brackets alone.
    """

    values: Mapping[str, float]
    epoch: Position | None = None
    step: int | None = None
    time_s: float | None = None
    source: Path | None = None
    superseded: bool = False
    in_words: bool = field(default=True, compare=False)

    @property
    def is_first_epoch(self) -> bool:
        """Whether the first epoch is named, in words: what stood in brackets before was none."""
        return self.in_words and self.epoch is not None and self.epoch <= 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ByClock:
    """What logs say by epoch, or by step.

    Attributes:
        values: by position.
        sources: the log that a position's values come from, the last one where there are several.
        superseded: positions that an earlier attempt reached, and the last one has not yet.
        other: the last step of an epoch, or the epoch of a step.
        times_s: when a position was last written of, in seconds.
    """

    values: Epochs = field(default_factory=dict)
    sources: Mapping[Position, Path] = field(default_factory=dict)
    superseded: frozenset[Position] = frozenset()
    other: Mapping[Position, Position] = field(default_factory=dict)
    times_s: Mapping[Position, float] = field(default_factory=dict)

    def current(self) -> Epochs:
        """The positions of the last attempt, and those before it that led there."""
        return {at: values for at, values in self.values.items() if at not in self.superseded}


@dataclass(frozen=True, kw_only=True)
class LogReading:
    """What the logs of a run say.

    Attributes:
        rows: in the order of the logs.
        restarts: how often the logs go back.
        commands: command lines that stand in the logs, the last one last.
        logs: how each of them was read.
    """

    rows: tuple[Row, ...] = field(default=(), repr=False)
    restarts: int = 0
    commands: tuple[str, ...] = ()
    logs: tuple[LogFacts, ...] = ()

    @functools.cached_property
    def by_epoch(self) -> ByClock:
        """By epoch; a row that only has a step is of the epoch that the step lies in.

        A fraction of an epoch stays one for a score of a validation, in a run of few epochs, and
        where nothing is told but of the training: the last value of each epoch alone would be too
        few of them to tell their noise. Beside a validation the last of them stands for its epoch.
        """
        told = [row for row in self.rows if row.epoch is not None]
        if not told:
            return ByClock()
        wholes = {epoch_of(row.epoch) for row in told if row.epoch is not None}
        few = len(wholes) <= _FEW_EPOCHS or not any(_is_scored(row.values) for row in told)
        last = _last_steps(told) if self._steps_go_on else {}
        reached = sorted((step, epoch) for epoch, step in last.items())

        def place(row: Row) -> Position | None:
            if row.epoch is None:
                at = bisect.bisect_left(reached, (row.step or 0, -1))
                return reached[at][1] if row.step is not None and at < len(reached) else None
            if row.epoch == int(row.epoch):
                return int(row.epoch)
            return row.epoch if few or _is_validation(row.values) else epoch_of(row.epoch)

        return _grouped(self.rows, place, lambda row: row.step)

    @functools.cached_property
    def by_step(self) -> ByClock:
        """By step; nothing where steps begin again with every epoch."""
        if not self._steps_go_on:
            return ByClock()
        last = _last_steps(self.rows)
        within = sorted(
            (row.epoch, row.step)
            for row in self.rows
            if isinstance(row.epoch, float) and row.step is not None
        )

        def place(row: Row) -> Position | None:
            if row.step is not None or row.epoch is None:
                return row.step
            before = bisect.bisect_right(within, (row.epoch, math.inf))
            if isinstance(row.epoch, float) and before:
                return within[before - 1][1]
            return last.get(epoch_of(row.epoch))

        return _grouped(self.rows, place, lambda row: row.epoch)

    def by(self, clock: Clock) -> ByClock:
        """By the clock of a run."""
        return self.by_step if clock is Clock.STEP else self.by_epoch

    @property
    def epochs(self) -> Epochs:
        """The values by epoch."""
        return self.by_epoch.values

    @functools.cached_property
    def clock(self) -> Clock:
        """What the logs count, where nothing else tells: epochs, if these tell moments apart."""
        epochs, steps = self.by_epoch.values, self.by_step.values
        if not steps or not epochs:
            return Clock.STEP if steps else Clock.EPOCH
        scored = [sum(_is_scored(values) for values in found.values()) for found in (epochs, steps)]
        if len(epochs) < _FEW_EPOCHS <= len(steps) or scored[1] > _FINER * scored[0] > 0:
            return Clock.STEP
        if not any(scored) and len(steps) > max(_FEW_EPOCHS, _FINER * len(epochs)):
            return Clock.STEP  # of a training alone, which has more values than the last of each
        return Clock.EPOCH

    @property
    def says_something(self) -> bool:
        """Whether there is any value at any moment."""
        return any(row.values for row in self.rows)

    @property
    def told(self) -> Epochs:
        """The values by the clock that the logs count by."""
        return self.by(self.clock).values

    def epoch_at(self, at: Position) -> Position | None:
        """The epoch of a position of ``told``; None where only steps are known."""
        return at if self.clock is Clock.EPOCH else self.by_step.other.get(at)

    @property
    def unread(self) -> int:
        """Lines that should have been read and could not."""
        return sum(log.unread for log in self.logs)

    @property
    def examples(self) -> tuple[str, ...]:
        """A few of those."""
        return tuple(text for log in self.logs for text in log.examples)[:_MOST_COMMANDS]

    def epoch_of_step(self, step: int) -> Position | None:
        """The epoch that an optimizer step lies in; None where the logs do not reach it."""
        reached = [epoch for epoch, last in self.by_epoch.other.items() if last >= step]
        return min(reached, default=None)

    @functools.cached_property
    def _steps_go_on(self) -> bool:
        """Whether steps count the training, and not the batches of an epoch."""
        spans: dict[int, tuple[int, int]] = {}
        for row in self.rows:
            if row.epoch is None or row.step is None or row.superseded:
                continue
            first, last = spans.get(epoch_of(row.epoch), (row.step, row.step))
            spans[epoch_of(row.epoch)] = min(first, row.step), max(last, row.step)
        ordered = [spans[epoch] for epoch in sorted(spans)]
        return all(
            before[0] < after[0] and before[1] < after[1]
            for before, after in itertools.pairwise(ordered)
        )


def epoch_of(value: Position) -> int:
    """The epoch that a fraction of epochs lies in: 0.3 and 1.0 both belong to the first."""
    return math.ceil(value - 1e-6)


def merged(readings: Sequence[LogReading]) -> LogReading:
    """What several logs of one run say together; of a value that two have, the later log's."""
    if len(readings) == 1:
        return readings[0]
    commands = [command for reading in readings for command in reading.commands]
    return LogReading(
        rows=tuple(row for reading in readings for row in reading.rows),
        restarts=sum(reading.restarts for reading in readings),
        commands=tuple(dict.fromkeys(commands))[-_MOST_COMMANDS:],
        logs=tuple(log for reading in readings for log in reading.logs),
    )


def _last_steps(rows: Iterable[Row]) -> dict[int, int]:
    """The last step of each epoch."""
    last: dict[int, int] = {}
    for row in rows:
        if row.epoch is not None and row.step is not None:
            epoch = epoch_of(row.epoch)
            last[epoch] = max(row.step, last.get(epoch, row.step))
    return last


def _is_validation(values: Iterable[str]) -> bool:
    return any(_is_validated(name) for name in values)


def _is_scored(values: Iterable[str]) -> bool:
    return any(_is_validated(name) or _is_score(name) for name in values)


@functools.lru_cache(maxsize=1024)
def _is_score(name: str) -> bool:
    """Whether a value is a score, and not said to be of training."""
    if split_of(name) is Split.TRAINING or is_loss(name):
        return False
    return named_metric(name, 0.0, Source.LOG) is not None


@functools.lru_cache(maxsize=1024)
def _is_validated(name: str) -> bool:
    """Whether a value is a score of a validation."""
    return split_of(name) is Split.VALIDATION and named_metric(name, 0.0, Source.LOG) is not None


def _grouped(
    rows: Iterable[Row],
    place: Callable[[Row], Position | None],
    other: Callable[[Row], Position | None],
) -> ByClock:
    """The rows by their positions; what a restart has left only where nothing else is known."""
    groups: dict[Position, list[Row]] = {}
    for row in rows:
        at = place(row)
        if at is not None:
            groups.setdefault(at, []).append(row)
    values: dict[Position, dict[str, float]] = {}
    sources: dict[Position, Path] = {}
    others: dict[Position, Position] = {}
    times_s: dict[Position, float] = {}
    superseded = []
    for at in sorted(groups):
        standing = [row for row in groups[at] if not row.superseded]
        if not standing:
            superseded.append(at)
        told: dict[str, float] = {}
        for row in standing or groups[at]:
            told |= row.values
            if row.values and row.source is not None:
                sources[at] = row.source
            known = other(row)
            if known is not None:
                others[at] = known
            if row.time_s is not None:
                times_s[at] = row.time_s
        if told:
            values[at] = told
    return ByClock(
        values=values,
        sources=sources,
        superseded=frozenset(superseded),
        other=others,
        times_s=times_s,
    )
