"""Whether a log speaks of a run: whether it says what the run's own files say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ckptdoctor.metadata import Metric, MetricKind, Source, Split, best_of, plain_name, split_of
from ckptdoctor.runs.logs import LogReading
from ckptdoctor.runs.member import Member

__all__ = ["Agreement", "agreement", "contradict", "shifted"]

_FEWEST = 2
_SHIFTS = (0, 1, -1)  # a file may count from 0 where the log counts from 1
_PERCENT = 100.0
_FEWEST_SHARED = 3


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
    every = [(_compared(reading, members, shift), shift) for shift in _SHIFTS]
    plain = every[0][0]
    if plain.contradicts:
        for found, shift in every[1:]:
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


def _compared(reading: LogReading, members: Sequence[Member], shift: int) -> Agreement:
    same = other = 0
    digits = _digits(reading)
    for member in members:
        epoch = member.metadata.epoch
        if epoch is None or epoch != int(epoch):
            continue
        for metric in member.metadata.metrics:
            if metric.source is Source.LOG or not math.isfinite(metric.value) or not metric.value:
                continue
            found = list(_told(reading, metric, int(epoch) + shift))
            if not found:
                continue
            if any(_are_same(metric.value, value, digits[key]) for key, value in found):
                same += 1
            else:
                other += 1
    return Agreement(same, other)


def _told(reading: LogReading, metric: Metric, epoch: int) -> Iterator[tuple[str, float]]:
    """What the log says of a metric of an epoch; of a running best, in any epoch until then."""
    if metric.kind is MetricKind.SCORE:
        yield from _same_name(reading.epochs.get(epoch, {}), metric.name)
        return
    if epoch not in reading.epochs:
        return
    for at, values in reading.epochs.items():
        if at <= epoch:
            yield from _same_name(values, best_of(metric.name))


def _same_name(values: Mapping[str, float], name: str) -> Iterator[tuple[str, float]]:
    """The values of that name to the letter, else of that metric on the same kind of data."""
    exact = [key for key in values if key.lower() == name.lower()]
    wanted = _plain(name)
    close = exact or [
        key
        for key in values
        if _plain(key) == wanted
        and (split_of(key) is Split.TRAINING) == (split_of(name) is Split.TRAINING)
    ]
    yield from ((key, values[key]) for key in close)


def _plain(name: str) -> str:
    metric = Metric(name=name, value=0.0, mode=None, kind=MetricKind.SCORE, source=Source.LOG)
    return plain_name(metric)


def _digits(reading: LogReading) -> dict[str, int]:
    """How many decimals a log prints of each value."""
    digits: dict[str, int] = {}
    for values in reading.epochs.values():
        for key, value in values.items():
            text = repr(value)
            places = len(text.partition(".")[2]) if "e" not in text else 6
            digits[key] = max(digits.get(key, 1), min(places, 6))
    return digits


def _are_same(held: float, told: float, digits: int) -> bool:
    """Whether a log rounds, or cuts, the value that a file holds; in percent too."""
    unit = 1.01 * 10.0**-digits
    near = max(unit, 1e-4 * abs(held))
    return abs(held - told) <= near or abs(held * _PERCENT - told) <= max(
        unit, 1e-4 * abs(held * _PERCENT)
    )


def contradict(a: LogReading, b: LogReading) -> bool:
    """Whether two logs tell of two trainings: both from the beginning, with other values."""
    if not a.epochs or not b.epochs or abs(min(a.epochs) - min(b.epochs)) > 1:
        return False
    shared = sorted(set(a.epochs) & set(b.epochs))
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
