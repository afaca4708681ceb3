"""Whether a log speaks of a run: whether it says what the run's own files say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ckptdoctor.metadata import Metric, MetricKind, Source, Split, best_of, plain_name, split_of
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
    """How many values of a log and of the files are the same, and how many are not."""

    same: int
    other: int

    @property
    def contradicts(self) -> bool:
        """Whether the log speaks of something else."""
        return self.other >= _FEWEST and self.other > 2 * self.same

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
    told = _Told(reading)
    plain = told.compared(members, 0)
    if plain.contradicts:
        for shift in _SHIFTS[1:]:
            found = told.compared(members, shift)
            if found.holds:
                return found, shift
    return plain, 0


def shifted(reading: LogReading, by: int) -> LogReading:
    """A log that counts as the files do."""
    if not by:
        return reading
    return replace(
        reading,
        epochs={epoch - by: values for epoch, values in reading.epochs.items()},
        sources={epoch - by: path for epoch, path in reading.sources.items()},
        superseded=frozenset(epoch - by for epoch in reading.superseded),
        last_steps={epoch - by: step for epoch, step in reading.last_steps.items()},
        times_s={epoch - by: time for epoch, time in reading.times_s.items()},
    )


@dataclass(frozen=True, slots=True)
class _Column:
    """One value of a log over its epochs, and how many decimals the log prints of it."""

    values: dict[int, float]
    decimals: int

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

    def __init__(self, reading: LogReading) -> None:
        self._reading = reading
        self._keys = {key for values in reading.epochs.values() for key in values}
        self._columns: dict[str, list[_Column]] = {}
        self._reached: dict[tuple[str, float], float] = {}

    def compared(self, members: Sequence[Member], shift: int) -> Agreement:
        """The values of files against those of the log, which may count differently."""
        found = [
            same
            for member in members
            if (epoch := member.metadata.epoch) is not None and epoch == int(epoch)
            for metric in member.metadata.metrics
            if (same := self._says(metric, int(epoch) + shift)) is not None
        ]
        return Agreement(sum(found), len(found) - sum(found))

    def _says(self, metric: Metric, epoch: int) -> bool | None:
        """Whether the log says what a file says; None where it says nothing of it."""
        value = metric.value
        if metric.source is Source.LOG or not math.isfinite(value) or not value:
            return None
        if metric.kind is MetricKind.RUNNING_BEST:
            name = best_of(metric.name)
            if epoch not in self._reading.epochs or not self._columns_of(name):
                return None
            return self._first(name, value) <= epoch
        told = [c for c in self._columns_of(metric.name) if epoch in c.values]
        return any(column.is_same(value, column.values[epoch]) for column in told) if told else None

    def _first(self, name: str, value: float) -> float:
        """The first epoch that reached what a file calls best."""
        key = name, value
        if key not in self._reached:
            self._reached[key] = min(column.reached(value) for column in self._columns_of(name))
        return self._reached[key]

    def _columns_of(self, name: str) -> list[_Column]:
        """The columns of that name to the letter, else of that metric on the same kind of data."""
        if name not in self._columns:
            exact = [key for key in self._keys if key.lower() == name.lower()]
            wanted, is_training = _plain(name), split_of(name) is Split.TRAINING
            close = exact or [
                key
                for key in self._keys
                if _plain(key) == wanted and (split_of(key) is Split.TRAINING) == is_training
            ]
            self._columns[name] = [self._column(key) for key in close]
        return self._columns[name]

    def _column(self, key: str) -> _Column:
        values = {e: values[key] for e, values in self._reading.epochs.items() if key in values}
        return _Column(values, max(map(_decimals, values.values()), default=1))


def _plain(name: str) -> str:
    metric = Metric(name=name, value=0.0, mode=None, kind=MetricKind.SCORE, source=Source.LOG)
    return plain_name(metric)


def _decimals(value: float) -> int:
    text = repr(value)
    return min(len(text.partition(".")[2]), _MOST_DECIMALS) if "e" not in text else _MOST_DECIMALS


def contradict(a: LogReading, b: LogReading) -> bool:
    """Whether two logs tell of two trainings: both from the beginning, with other values."""
    if not a.epochs or not b.epochs or abs(min(a.epochs) - min(b.epochs)) > 1:
        return False
    shared = sorted(set(a.epochs) & set(b.epochs))[:_MOST_SHARED]
    pairs = [
        (a.epochs[epoch][key], b.epochs[epoch][key])
        for epoch in shared
        for key in a.epochs[epoch]
        if key in b.epochs[epoch] and split_of(key) is Split.VALIDATION
    ]
    if len(shared) < _FEWEST_SHARED or len(pairs) < _FEWEST_SHARED:
        return False
    differ = sum(first != second for first, second in pairs)
    return differ > len(pairs) / 2
