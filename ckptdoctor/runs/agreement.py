"""Whether a log speaks of a run: whether it says what the run's own files say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ckptdoctor.histories import Clock, Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import (
    Metric,
    MetricKind,
    Source,
    Split,
    best_of,
    is_loss,
    is_smoothed,
    metric_of,
    named_metric,
    plain_name,
    split_of,
)
from ckptdoctor.runs.clock import standing
from ckptdoctor.runs.families import name_of
from ckptdoctor.runs.kept import kept_by
from ckptdoctor.runs.logs import LogReading
from ckptdoctor.runs.member import Member

__all__ = ["Agreement", "agreement", "contradict", "shifted"]

_FEWEST = 2
_SHIFTS = (0, 1, -1)  # a file may count from 0 where the log counts from 1
_PERCENT = 100.0
_MOST_DECIMALS = 6
_FEWEST_SHARED, _MOST_SHARED = 3, 500


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many values of a log and of the files are the same, and how many are not.

    Attributes:
        same: those that are.
        other: those that are not.
        sure: of these, scores of the very epoch of a file that nothing explains: one is enough
            where it is all that can be compared.
    """

    same: int
    other: int
    sure: int = 0

    @property
    def contradicts(self) -> bool:
        """Whether the log speaks of something else."""
        by_one = self.sure > 0 and not self.same
        return by_one or (self.other >= _FEWEST and self.other > 2 * self.same)

    @property
    def is_whole(self) -> bool:
        """Whether it says the same wherever both say something, and they do."""
        return self.same > 0 and not self.other

    @property
    def holds(self) -> bool:
        """Whether the log surely speaks of these files."""
        return self.same > _FEWEST and not self.other


def agreement(reading: LogReading, members: Sequence[Member]) -> tuple[Agreement, int]:
    """How far a log says what the files say, and by how many epochs it counts differently."""
    if not reading.epochs:
        return _Told(reading, Clock.STEP).compared(members, 0), 0
    told = _Told(reading, Clock.EPOCH)
    plain = told.compared(members, 0)
    if plain.contradicts:
        for shift in _SHIFTS[1:]:
            found = told.compared(members, shift)
            if found.holds:
                return found, shift
            if found.is_whole and plain.other < _FEWEST:  # too little to say that it counts so
                return replace(plain, sure=0), 0
    shift = 0 if plain.same else _shift_of_ranges(reading, members)
    return (told.compared(members, shift), shift) if shift else (plain, 0)


def _shift_of_ranges(reading: LogReading, members: Sequence[Member]) -> int:
    """By how much a log counts more than the files, as the first and the last epoch of both tell.

    Files of epochs 0 to 9 and a log of epochs 1 to 10 tell of the same ten. What is called the last
    is overwritten in every epoch, so its epoch is that of the log's last line.
    """
    held = [m.metadata.epoch for m in members if m.metadata.epoch_source is not Source.LOG]
    epochs = {int(epoch) for epoch in held if epoch is not None and epoch == int(epoch)}
    if len(epochs) < _FEWEST_SHARED or len(reading.epochs) < _FEWEST_SHARED:
        return 0
    first, last = min(reading.epochs), max(reading.epochs)
    newest = [m for m in members if m.metadata.epoch == max(epochs)]
    is_current = any(name_of(member.path).is_last for member in newest)
    if first == 1 and max(epochs) + 1 == last and (min(epochs) == 0 or is_current):
        return 1
    if first == 0 and min(epochs) > 0 and max(epochs) - 1 == last:
        return -1
    return 0


def shifted(reading: LogReading, by: int) -> LogReading:
    """A log that counts as the files do."""
    if not by:
        return reading
    rows = (
        row if row.epoch is None else replace(row, epoch=row.epoch - by) for row in reading.rows
    )
    return replace(reading, rows=tuple(rows))


@dataclass(frozen=True, slots=True)
class _Column:
    """One value of a log over its epochs.

    Attributes:
        values: by epoch.
        decimals: how many the log prints.
        is_named: whether its name says the same as the file's, the part of the data included.
    """

    values: dict[Position, float]
    decimals: int
    is_named: bool

    def reached(self, value: float) -> float:
        """The first epoch that has a value; infinity where none has."""
        return min(
            (epoch for epoch, told in self.values.items() if self.is_same(value, told)),
            default=math.inf,
        )

    def is_same(self, held: float, told: float) -> bool:
        """Whether a log rounds, or cuts, the value that a file holds; in percent too."""
        unit = 1.01 * 10.0**-self.decimals
        return any(
            abs(as_held - told) <= max(unit, 1e-4 * abs(as_held))
            for as_held in (held, held * _PERCENT)
        )


class _Told:
    """What a log says of the metrics of files; each column is looked up once."""

    def __init__(self, reading: LogReading, clock: Clock) -> None:
        self._clock = clock
        self._values = reading.by(clock).values
        self._keys = {key for values in self._values.values() for key in values}
        self._columns: dict[str, list[_Column]] = {}
        self._reached: dict[tuple[str, float], float] = {}

    def compared(self, members: Sequence[Member], shift: int) -> Agreement:
        """The values of files against those of the log, which may count differently."""
        held = [
            (metric, at)
            for member in members
            if (at := standing(member.metadata, self._clock)) is not None
            for metric in member.metadata.metrics
        ]
        if self._clock is Clock.EPOCH:  # and what the files remember of the epochs before
            kept = kept_by(members)
            held += [
                (metric, row.epoch)
                for row in kept.rows
                for name, value in row.values.items()
                if row.epoch is not None and (metric := metric_of(name, value)) is not None
            ]
        since = _held_since(held)
        found = [
            (metric, at, same)
            for metric, at in held
            if (same := self._says(metric, at + shift, since[_key(metric)] + shift)) is not None
        ]
        others = [(metric, at) for metric, at, same in found if not same]
        is_alone = len(others) == len(found) < _FEWEST and self._clock is Clock.EPOCH
        sure = [
            at
            for metric, at in others
            if is_alone
            and at == since[_key(metric)]
            and self._should_say(metric, at + shift, _last_other(metric, at, held) + shift)
        ]
        return Agreement(len(found) - len(others), len(others), len(sure))

    def _should_say(self, metric: Metric, at: Position, before: Position) -> bool:
        """Whether the log would say what a file says, if it were of this training.

        A loss may be of a batch or of an epoch, and a name is rounded. What is best was reached
        since the file before. Against a log that tells of several epochs one file is no witness: it
        may be left from another training.

        Args:
            metric: a value of a file, which the log does not say.
            at: the epoch of the file, as the log counts.
            before: the last one of a file that says another value; 0 where there is none.
        """
        if is_loss(metric.name) or metric.source is not Source.CONTENTS:
            return False
        is_best = metric.kind is MetricKind.RUNNING_BEST
        first = int(before) + 1 if is_best else int(at)
        columns = self._columns_of(best_of(metric.name) if is_best else metric.name)
        if max((len(column.values) for column in columns), default=0) >= _FEWEST_SHARED:
            return False
        return all(
            any(math.isfinite(column.values.get(epoch, math.nan)) for column in columns)
            for epoch in range(first, int(at) + 1)
        )

    def _says(self, metric: Metric, epoch: Position, since: Position) -> bool | None:
        """Whether the log says what a file says; None where it says nothing of it.

        Args:
            metric: what a file says.
            epoch: of that file, as the log counts.
            since: the first epoch of a file that says the same.
        """
        value = metric.value
        if metric.source is Source.LOG or not math.isfinite(value) or not value:
            return None
        if metric.kind is MetricKind.RUNNING_BEST:
            name = best_of(metric.name)
            if epoch not in self._values or not self._columns_of(name):
                return None
            if self._first(name, value) <= epoch:
                return True
            # A log that begins later, after a resume, never saw it: so does NaN after a collapse.
            return False if self._begun(name) <= since else None
        told = [c for c in self._columns_of(metric.name) if epoch in c.values]
        if not told:
            return None
        if any(column.is_same(value, column.values[epoch]) for column in told):
            return True
        return False if any(column.is_named for column in told) else None

    def _first(self, name: str, value: float) -> float:
        """The first epoch that reached what a file calls best."""
        key = name, value
        if key not in self._reached:
            self._reached[key] = min(column.reached(value) for column in self._columns_of(name))
        return self._reached[key]

    def _begun(self, name: str) -> Position:
        """The first epoch that the log tells of that metric."""
        return min(min(column.values, default=math.inf) for column in self._columns_of(name))

    def _columns_of(self, name: str) -> list[_Column]:
        """The columns of that metric: by the same name, or by one that may mean the same data."""
        if name not in self._columns:
            wanted, split = _plain(name), split_of(name)
            smoothed = is_smoothed(name)
            close = [
                key for key in self._keys if _plain(key) == wanted and is_smoothed(key) is smoothed
            ]
            said = (split, Split.VALIDATION) if split is Split.UNSAID else (split,)
            same = [key for key in close if split_of(key) in said]  # `iou` beside `val_iou`: either
            same = same if any(split_of(key) is split for key in same) else []
            others = [
                key
                for key in close
                if Split.TRAINING not in (split, split_of(key)) and key not in same
            ]
            self._columns[name] = [
                *(self._column(key, is_named=True) for key in same),
                *(self._column(key, is_named=False) for key in others if not same),
            ]
        return self._columns[name]

    def _column(self, key: str, *, is_named: bool) -> _Column:
        values = {e: values[key] for e, values in self._values.items() if key in values}
        decimals = max(map(_decimals, values.values()), default=1)
        return _Column(values, decimals, is_named)


def _key(metric: Metric) -> tuple[str, MetricKind, float]:
    return metric.name, metric.kind, metric.value


def _held_since(
    held: Sequence[tuple[Metric, Position]],
) -> dict[tuple[str, MetricKind, float], Position]:
    """The first epoch at which each value is held."""
    since: dict[tuple[str, MetricKind, float], Position] = {}
    for metric, at in held:
        since[_key(metric)] = min(at, since.get(_key(metric), at))
    return since


def _last_other(metric: Metric, at: Position, held: Sequence[tuple[Metric, Position]]) -> Position:
    """The last epoch before one at which another value of that name is held; 0 if there is none."""
    name, kind, value = _key(metric)
    return max(
        (
            known_at
            for known, known_at in held
            if known_at < at and (known.name, known.kind) == (name, kind) and known.value != value
        ),
        default=0,
    )


def _plain(name: str) -> str:
    metric = Metric(name=name, value=0.0, mode=None, kind=MetricKind.SCORE, source=Source.LOG)
    return plain_name(metric)


def _decimals(value: float) -> int:
    text = repr(value)
    return min(len(text.partition(".")[2]), _MOST_DECIMALS) if "e" not in text else _MOST_DECIMALS


def _is_score(key: str) -> bool:
    """Whether a value is a score of a validation; a loss may be of either part of the data."""
    if named_metric(key, 0.0, Source.LOG) is None:
        return False
    return split_of(key) is Split.VALIDATION or (split_of(key) is Split.UNSAID and not is_loss(key))


def contradict(a: LogReading, b: LogReading, *, of_two_sets: bool = False) -> bool:
    """Whether two logs tell of two trainings: both from the beginning, with other values.

    Args:
        a: one log.
        b: the other one.
        of_two_sets: whether they are called after two sets of data, such as ``train.log`` beside
            ``val.log``: what a metric is of is then known only where its own name says it.
    """
    clock = Clock.EPOCH if a.epochs and b.epochs else Clock.STEP
    first, second = a.by(clock).values, b.by(clock).values
    if not first or not second:
        return False
    begin, *more = sorted(first)
    apart = 1 if clock is Clock.EPOCH or not more else more[0] - begin
    if abs(begin - min(second)) > apart:
        return False
    shared = sorted(set(first) & set(second))[:_MOST_SHARED]
    pairs = [
        (first[at][key], second[at][key])
        for at in shared
        for key in first[at]
        if key in second[at]
        and _is_score(key)
        and not (of_two_sets and split_of(key) is Split.UNSAID)
    ]
    if len(shared) < _FEWEST_SHARED or len(pairs) < _FEWEST_SHARED:
        return False
    differ = sum(one != two for one, two in pairs)
    return differ > len(pairs) / 2
