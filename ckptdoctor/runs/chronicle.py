"""The history of a run, put together from its checkpoints and its logs."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ckptdoctor.history import Alarm, AlarmKind, History, Point, Position, Span
from ckptdoctor.metadata import Metadata, Metric, MetricKind, Mode, Source, plain_name
from ckptdoctor.runs.logs import LogReading
from ckptdoctor.runs.monitor import Monitor, is_loss, is_norm
from ckptdoctor.runs.trend import trend_of

__all__ = ["Entry", "chronicle"]

_BACK_WITHIN = 3.0
"""An exploded loss has come back below this many times what was usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A checkpoint, as far as its place in the run goes."""

    path: Path
    metadata: Metadata


def chronicle(
    folder: Path,
    entries: Sequence[Entry],
    scores: Mapping[int, Metric],
    reading: LogReading,
    logs: tuple[Path, ...],
) -> History:
    """The history of a run.

    Args:
        folder: where the checkpoints lie.
        entries: what they hold, with their own scores where these are known.
        scores: the metric by epoch, as the logs have it.
        reading: all that the logs say.
        logs: what was read.
    """
    name, mode = _metric(entries, scores)
    every = _points(entries, scores, reading, plain_name_of(name))
    points = tuple(p for p in every if p.at not in reading.superseded)
    own = {p.at: p.value for p in points if p.kind is MetricKind.SCORE}
    trend = trend_of(own, mode) if mode is not None else None
    best = next((p for p in points if trend is not None and p.at == trend.best), None)
    return History(
        folder=folder,
        metric=name,
        mode=mode,
        points=points,
        superseded=tuple(p for p in every if p.at in reading.superseded),
        best=best if best is not None else _best_carried(points, mode),
        decline=None
        if trend is None or trend.decline is None
        else Span(first=trend.decline[0], last=trend.decline[1]),
        collapse=None if trend is None else trend.collapse,
        alarms=tuple(_alarms(name, mode, own, reading)),
        values=dict(reading.epochs.items()),
        restarts=reading.restarts,
        epoch_s=_epoch_s(reading.times_s),
        logs=logs,
        commands=reading.commands,
        unread=reading.unread,
        examples=reading.examples,
    )


def plain_name_of(name: str) -> str:
    """``val_iou`` and ``IoU`` are one metric."""
    metric = Metric(name=name, value=0.0, mode=None, kind=MetricKind.SCORE, source=Source.CONTENTS)
    return plain_name(metric) if name else ""


def _metric(entries: Sequence[Entry], scores: Mapping[int, Metric]) -> tuple[str, Mode | None]:
    """The name of the metric that most epochs have, and its direction."""
    metrics = list(scores.values()) or [
        entry.metadata.metric for entry in entries if entry.metadata.metric is not None
    ]
    if not metrics:
        return "", None
    name = Counter(metric.name for metric in metrics).most_common(1)[0][0]
    modes = Counter(metric.mode for metric in metrics if metric.mode is not None)
    return name, modes.most_common(1)[0][0] if modes else None


def _points(
    entries: Sequence[Entry], scores: Mapping[int, Metric], reading: LogReading, name: str
) -> list[Point]:
    """One point an epoch: the log's value, else a file's own score, else the best it carries."""
    found: dict[Position, Point] = {}
    for entry in entries:
        data, metric = entry.metadata, entry.metadata.metric
        if metric is None or data.epoch is None or plain_name(metric) != name:
            continue
        point = Point(
            at=data.epoch,
            epoch=data.epoch,
            step=data.global_step,
            value=metric.value,
            source=metric.source,
            kind=metric.kind,
            path=entry.path,
        )
        known = found.get(data.epoch)
        if known is None or (known.kind, metric.kind) == (
            MetricKind.RUNNING_BEST,
            MetricKind.SCORE,
        ):
            found[data.epoch] = point
    for epoch, metric in scores.items():
        found[epoch] = Point(
            at=epoch,
            epoch=epoch,
            step=None if epoch not in found else found[epoch].step,
            value=metric.value,
            source=Source.LOG,
            path=reading.sources.get(epoch),
        )
    return [found[epoch] for epoch in sorted(found)]


def _best_carried(points: Sequence[Point], mode: Mode | None) -> Point | None:
    """The first to hold the best, where files only carry along what was best so far."""
    finite = [point for point in points if math.isfinite(point.value)]
    if not finite or mode is None:
        return None
    sign = 1.0 if mode is Mode.MAX else -1.0
    return max(finite, key=lambda point: (sign * point.value, -point.at))


def _alarms(
    name: str, mode: Mode | None, own: Mapping[Position, float], reading: LogReading
) -> Iterator[Alarm]:
    """What was wrong in the last attempt and what led there, and whether it still is."""
    monitor = Monitor(name, mode or Mode.MAX)
    current: dict[Position, Mapping[str, float]] = dict(reading.current().items())
    for epoch in sorted({*current, *own}):
        values = {n: v for n, v in current.get(epoch, {}).items() if is_loss(n) or is_norm(n)}
        score = own.get(epoch)
        if mode is not None and score is not None and (math.isfinite(score) or epoch in current):
            values[name] = score
        for alarm in monitor.update(epoch, values):
            later = _later(alarm, own if alarm.name == name else None, current)
            yield replace(alarm, lasting=not _came_back(alarm, later, mode or Mode.MAX))


def _later(
    alarm: Alarm,
    own: Mapping[Position, float] | None,
    current: Mapping[Position, Mapping[str, float]],
) -> list[float]:
    """The values behind an alarm."""
    if own is not None:
        return [value for epoch, value in sorted(own.items()) if epoch > alarm.at]
    return [
        values[alarm.name]
        for epoch, values in sorted(current.items())
        if epoch > alarm.at and alarm.name in values
    ]


def _came_back(alarm: Alarm, later: Sequence[float], mode: Mode) -> bool:
    """Whether the run recovered; the last value known decides."""
    finite = [value for value in later if math.isfinite(value)]
    if not later or not finite or not math.isfinite(later[-1]):
        return False
    match alarm.kind:
        case AlarmKind.NON_FINITE:
            return later[-1] != 0.0 or not is_loss(alarm.name)
        case AlarmKind.EXPLOSION:
            usual = abs(alarm.before or 0.0)
            return later[-1] <= max(_BACK_WITHIN * usual, usual + 1e-12)
        case AlarmKind.FROZEN:
            return later[-1] != alarm.value
        case AlarmKind.DECLINE | AlarmKind.COLLAPSE:
            before = alarm.before if alarm.before is not None else math.inf
            best = max(finite) if mode is Mode.MAX else min(finite)
            return best >= before if mode is Mode.MAX else best <= before


def _epoch_s(times_s: Mapping[int, float]) -> float | None:
    """The usual time an epoch takes, in seconds."""
    ordered = sorted(times_s.items())
    took = [
        (time - before) / (epoch - last)
        for (last, before), (epoch, time) in itertools.pairwise(ordered)
        if time > before
    ]
    return statistics.median(took) if len(took) >= 2 else None
