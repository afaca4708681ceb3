"""The scores that the files and the logs of a run hold, each with the data that it is of."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import (
    Metric,
    MetricKind,
    Source,
    Split,
    is_loss,
    named_metric,
    plain_name,
    split_of,
    unknown_metrics,
)
from ckptdoctor.runs.logs import LogReading
from ckptdoctor.runs.member import Member

__all__ = [
    "SAME",
    "TRAINING",
    "Series",
    "bests_of",
    "class_of",
    "falls",
    "series_of",
    "unknown_in",
    "values_of",
]

SAME = 0.0015
"""Values that differ by no more, as a share, are one value, printed and stored."""


@dataclass(frozen=True, slots=True)
class Series:
    """One score under one name, in files or in logs.

    Attributes:
        metric: an example; its value says nothing.
        split: of which data it is, as far as names tell.
        in_log: whether it stands in logs.
        count: how many epochs or files have it.
    """

    metric: Metric
    split: Split
    in_log: bool
    count: int

    @property
    def name(self) -> str:
        """As files or logs have it."""
        return self.metric.name

    @property
    def plain(self) -> str:
        """What it measures, whatever data it is of."""
        return plain_name(self.metric)


def series_of(members: Sequence[Member], reading: LogReading) -> list[Series]:
    """Every score, in files and in logs."""
    held = _in_files(members)
    return [*held, *_beside(held, _in_logs(reading), members, reading)]


def unknown_in(members: Sequence[Member], reading: LogReading) -> tuple[str, ...]:
    """Names in files and logs that look like scores."""
    told: dict[str, float] = {}
    for values in reading.told.values():
        told |= values
    held = [metric.name for member in members for metric in member.metadata.not_understood]
    return tuple(dict.fromkeys([*held, *unknown_metrics(told)]))


def falls(name: str, members: Sequence[Member], reading: LogReading) -> bool:
    """Whether what nobody knows is lower in the second third of a run than in the first.

    What should rise may have collapsed by the last.
    """
    values = [told[name] for told in reading.told.values() if name in told] or [
        metric.value
        for member in members
        for metric in member.metadata.not_understood
        if metric.name == name
    ]
    finite = [value for value in values if math.isfinite(value)]
    third = len(finite) // 3 or 1
    first, second = finite[:third], finite[third : 2 * third]
    return bool(second) and statistics.median(second) < statistics.median(first)


def _in_files(members: Sequence[Member]) -> list[Series]:
    found: dict[str, tuple[Metric, int]] = {}
    for member in members:
        for metric in member.metadata.metrics:
            if metric.kind is MetricKind.SCORE:
                known, count = found.get(metric.name, (metric, 0))
                found[metric.name] = known, count + 1
    return _with_splits(found.values(), in_log=False)


def _in_logs(reading: LogReading) -> list[Series]:
    counts = Counter(key for values in reading.told.values() for key in values)
    found = []
    for key, count in counts.items():
        metric = named_metric(key, 0.0, Source.LOG)
        if metric is not None and metric.kind is MetricKind.SCORE:
            found.append((metric, count))
    return _with_splits(found, in_log=True)


def _beside(
    held: Sequence[Series],
    told: Sequence[Series],
    members: Sequence[Member],
    reading: LogReading,
) -> list[Series]:
    """A log's values that are not those of the files' validation score: of training."""
    validated = {one.plain: one for one in held if one.split is Split.VALIDATION}
    found = []
    for one in told:
        twin = validated.get(one.plain)
        if one.split is Split.UNSAID and twin is not None:
            own = {at: v for at, v in values_of(twin, members, reading) if at is not None}
            pairs = [(own[at], v) for at, v in values_of(one, members, reading) if at in own]
            other = sum(abs(a - b) > SAME * max(abs(a), abs(b)) for a, b in pairs)
            if other > 1 and other * 2 > len(pairs):
                one = replace(one, split=Split.TRAINING)  # noqa: PLW2901
        found.append(one)
    return found


def _with_splits(found: Iterable[tuple[Metric, int]], *, in_log: bool) -> list[Series]:
    """A name without a split that has a twin of the validation is a training value."""
    every = list(found)
    twins = {plain_name(m) for m, _ in every if split_of(m.name) is Split.VALIDATION}
    series = []
    for metric, count in every:
        split = split_of(metric.name)
        if split is Split.UNSAID and plain_name(metric) in twins:
            split = Split.TRAINING
        series.append(Series(metric, split, in_log, count))
    return series


def bests_of(members: Sequence[Member]) -> dict[str, Metric]:
    """By name, what files call best; the most frequent first."""
    counts: Counter[str] = Counter()
    examples: dict[str, Metric] = {}
    for member in members:
        for metric in member.metadata.metrics:
            if metric.kind is MetricKind.RUNNING_BEST:
                counts[metric.name] += 1
                examples.setdefault(metric.name, metric)
    return {name: examples[name] for name, _ in counts.most_common()}


TRAINING = 2


def class_of(one: Series) -> int:
    """0 a score of a validation, 1 its loss, 2 a training value."""
    if one.split is Split.TRAINING or (one.split is Split.UNSAID and _is_error(one)):
        return TRAINING
    return 1 if is_loss(one.name) else 0


def _is_error(one: Series) -> bool:
    """Whether a name without a split is what training minimises."""
    return is_loss(one.name)


def values_of(
    one: Series, members: Sequence[Member], reading: LogReading
) -> Iterator[tuple[float | None, float]]:
    """Its values, each with its epoch."""
    if one.in_log:
        for at, values in reading.told.items():
            if one.name in values:
                yield reading.epoch_at(at), values[one.name]
        return
    for member in members:
        for metric in member.metadata.metrics:
            if metric.name == one.name:
                yield member.metadata.epoch, metric.value
