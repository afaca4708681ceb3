"""The history of a run, put together from its checkpoints and its logs."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.histories import Alarm, AlarmKind, Clock, History, Point, Position, Span
from ckptdoctor.metadata import MetricKind, Mode, Source, named_metric
from ckptdoctor.runs.clock import Course, standing
from ckptdoctor.runs.logs import ByClock, LogReading
from ckptdoctor.runs.logs.watched import is_scale
from ckptdoctor.runs.member import Member
from ckptdoctor.runs.metric import Choice
from ckptdoctor.runs.trend.lasting import came_back
from ckptdoctor.runs.trend.monitor import Monitor
from ckptdoctor.runs.trend.named import is_loss, is_norm, is_rate, is_telling, rate_of
from ckptdoctor.runs.trend.repeated import printed_again
from ckptdoctor.runs.trend.trend import Beside, trend_of
from ckptdoctor.runs.trend.witness import training_loss

__all__ = ["chronicle", "clock_of"]


def chronicle(
    folder: Path,
    course: Course,
    choice: Choice,
    reading: LogReading,
    logs: tuple[Path, ...],
) -> History:
    """The history of a run.

    Args:
        folder: where the checkpoints lie.
        course: they in order, with their own scores where these are known.
        choice: the metric that the run is judged by.
        reading: all that the logs say.
        logs: what was read.
    """
    mode = choice.mode
    clock = clock_of(course, reading)
    told = reading.by(clock)
    every = _points(course.members, choice, told, clock)
    points = tuple(p for p in every if p.at not in told.superseded)
    own = {p.at: p.value for p in points if p.kind is MetricKind.SCORE}
    current = _each_once(told.current())
    own = _without_nothing(own, choice, current)
    again = printed_again(own)
    own = {at: value for at, value in own.items() if at not in again}
    beside = _beside(choice.name, current)
    trend = trend_of(own, mode, clock, beside) if mode is not None else None
    best = next((p for p in points if trend is not None and p.at == trend.best), None)
    return History(
        folder=folder,
        metric=choice.name,
        mode=mode,
        clock=clock,
        points=points,
        superseded=tuple(p for p in every if p.at in told.superseded),
        best=best if best is not None else _best_carried(points, mode),
        decline=None
        if trend is None or trend.decline is None
        else Span(first=trend.decline[0], last=trend.decline[1]),
        collapse=None if trend is None else trend.collapse,
        shift=None if trend is None else trend.shift,
        alarms=tuple(_alarms(choice.name, mode, own, current, clock)),
        values=told.values,
        restarts=reading.restarts,
        epoch_s=_epoch_s(reading.by_epoch.times_s),
        logs=logs,
        commands=reading.commands,
        unread=reading.unread,
        examples=reading.examples,
        readings=reading.logs,
    )


def _without_nothing(
    own: Mapping[Position, float],
    choice: Choice,
    current: Mapping[Position, Mapping[str, float]],
) -> dict[Position, float]:
    """A loss that is suddenly exactly 0 is none: trainers leave NaN out of the mean they print."""
    if choice.mode is not Mode.MIN or not is_loss(choice.name):
        return dict(own)
    kept: dict[Position, float] = {}
    least = 0.0
    for at in sorted(own):
        if _is_bad_step(current.get(at, {})):
            continue
        is_nothing = own[at] == 0.0 and least > _NOTHING
        kept[at] = math.nan if is_nothing else own[at]
        least = own[at] if own[at] > 0 else least
    return kept


def _is_bad_step(values: Mapping[str, float]) -> bool:
    """Whether the gradients were NaN: then the loss beside them is that of the steps before."""
    return any(is_norm(name) and math.isnan(value) for name, value in values.items())


_NOTHING = 1e-3
"""A loss of four digits that fell below it may be 0 for good."""


def _beside(name: str, current: Mapping[Position, Mapping[str, float]]) -> Beside:
    """What the logs tell beside the metric."""
    rates = {at: rate_of(values) for at, values in current.items()}
    losses = {at: training_loss(values, name) for at, values in current.items()}
    return Beside(
        metric=name,
        rates={at: rate for at, rate in rates.items() if rate is not None},
        losses={at: loss for at, loss in losses.items() if loss is not None},
    )


def clock_of(course: Course, reading: LogReading) -> Clock:
    """What the run counts: epochs, unless they do not tell its checkpoints apart and steps do.

    Fractions of epochs are steps that somebody divided. Where only the logs know more than one
    moment, as they count. Logs that know nothing of the steps of the checkpoints are joined by
    epoch, and the other way round.
    """
    members = [member.metadata for member in course.members]
    steps = {data.global_step for data in members} - {None}
    epochs = {data.epoch for data in members} - {None}
    by_step, by_epoch = reading.by_step.values, reading.by_epoch.values
    if not steps and not epochs:
        return reading.clock
    if steps and by_step and (not by_epoch or not epochs):
        return Clock.STEP
    if by_step and len(steps) >= len(epochs) and any(epoch % 1 for epoch in epochs if epoch):
        return Clock.STEP
    if course.by_step and len(steps) > len(epochs) and (by_step or not by_epoch or not epochs):
        return Clock.STEP
    return Clock.EPOCH


def _points(members: Sequence[Member], choice: Choice, told: ByClock, clock: Clock) -> list[Point]:
    """One point a position: the log's value, else a file's own score, else the best it carries."""
    found: dict[Position, Point] = {}
    for member in members:
        data = member.metadata
        at = standing(data, clock)
        metric = choice.of_file(member) or choice.carried(member)
        if metric is None or at is None:
            continue
        point = Point(
            at=at,
            epoch=data.epoch,
            step=data.global_step,
            value=metric.value,
            source=metric.source,
            kind=metric.kind,
            path=member.path,
        )
        known = found.get(at)
        if known is None or (known.kind, metric.kind) == (
            MetricKind.RUNNING_BEST,
            MetricKind.SCORE,
        ):
            found[at] = point
    held = {member.path for member in members}
    for at, values in told.values.items():
        score = choice.of_log(values)
        if score is None:
            continue
        known, other = found.get(at), told.other.get(at)
        step = int(at) if clock is Clock.STEP else None if other is None else int(other)
        found[at] = Point(
            at=at,
            epoch=(other if clock is Clock.STEP else at) if known is None else known.epoch,
            step=step if known is None else known.step,
            value=score.value,
            source=Source.CONTENTS if told.sources.get(at) in held else Source.LOG,
            path=told.sources.get(at),
        )
    return [found[at] for at in sorted(found)]


def _best_carried(points: Sequence[Point], mode: Mode | None) -> Point | None:
    """The first to hold the best, where files only carry along what was best so far."""
    finite = [point for point in points if math.isfinite(point.value)]
    if not finite or mode is None:
        return None
    sign = 1.0 if mode is Mode.MAX else -1.0
    return max(finite, key=lambda point: (sign * point.value, -point.at))


def _alarms(
    name: str,
    mode: Mode | None,
    own: Mapping[Position, float],
    current: Mapping[Position, Mapping[str, float]],
    clock: Clock,
) -> Iterator[Alarm]:
    """What was wrong in the last attempt and what led there, and whether it still is."""
    monitor = Monitor(name, mode or Mode.MAX, clock, also=_turned(current))
    for epoch in sorted({*current, *own}):
        values = {
            n: v for n, v in current.get(epoch, {}).items() if is_telling(n) or n in monitor.also
        }
        score = own.get(epoch)
        if mode is not None and score is not None and (math.isfinite(score) or epoch in current):
            values[name] = score
        for alarm in monitor.update(epoch, values):
            if _is_passing(alarm, current):
                continue
            before, later = _series(alarm, own if alarm.name == name else None, current)
            lasting = not came_back(alarm, before, later, mode or Mode.MAX)
            yield replace(alarm, lasting=lasting)
    if mode is not None and not is_loss(name):
        yield from _begun_with_nan(name, own, current, clock)


def _begun_with_nan(
    name: str,
    own: Mapping[Position, float],
    current: Mapping[Position, Mapping[str, float]],
    clock: Clock,
) -> Iterator[Alarm]:
    """A metric whose first value is not finite already: one that is not computed, or a bad one.

    It was computed where the log did not print it before; where it came back after a single value,
    later than in the first epochs; and where nothing beside it is finite either.
    """
    ordered = sorted(at for at in own if at in current or math.isfinite(own[at]))
    bad = list(itertools.takewhile(lambda at: not math.isfinite(own[at]), ordered))
    comes_back = len(bad) < len(ordered)
    if not bad or (comes_back and (len(bad) > 1 or not _is_grown(bad[0], clock))):
        return
    first = bad[0]
    losses = (v for at in current if at >= first for n, v in current[at].items() if is_loss(n))
    if not comes_back and first == min(current) and any(map(math.isfinite, losses)):
        return
    value = own[first]
    alarm = Alarm(
        kind=AlarmKind.NON_FINITE,
        name=name,
        at=first,
        since=first,
        value=value,
        before=None,
        message=f"{name} is {'NaN' if math.isnan(value) else value} at {clock.say(first)}",
        lasting=not math.isfinite(own[ordered[-1]]),
    )
    if not _is_passing(alarm, current):
        yield alarm


def _is_grown(at: Position, clock: Clock) -> bool:
    """Whether a run is past its first epochs, in which a metric may not be computed yet."""
    return clock is Clock.EPOCH and at > _FIRST_EPOCHS


_FIRST_EPOCHS = 5


def _each_once(
    current: Mapping[Position, Mapping[str, float]],
) -> Mapping[Position, Mapping[str, float]]:
    """The values of a log without what it only prints once more; what is set stays as it is."""
    series: dict[str, dict[Position, float]] = {}
    for at, values in current.items():
        for name, value in values.items():
            if not (is_rate(name) or is_scale(name)):
                series.setdefault(name, {})[at] = value
    again = {name: places for name, one in series.items() if (places := printed_again(one))}
    if not again:
        return current
    return {
        at: {name: value for name, value in values.items() if at not in again.get(name, ())}
        for at, values in current.items()
    }


def _is_passing(alarm: Alarm, current: Mapping[Position, Mapping[str, float]]) -> bool:
    """Whether a value is not finite and nothing is wrong.

    A scaler's first steps overflow, which leaves a norm of Inf; a value that is NaN again and again
    and finite between is one that is not measured each time.
    """
    if alarm.kind is not AlarmKind.NON_FINITE:
        return False
    ordered = [current[at][alarm.name] for at in sorted(current) if alarm.name in current[at]]
    finite = [math.isfinite(value) for value in ordered]
    if is_norm(alarm.name) and math.isinf(alarm.value) and all(finite[1:]):
        return True
    gaps = sum(before and not after for before, after in itertools.pairwise(finite))
    return gaps >= _GAPS and sum(finite) * 3 >= len(finite) and True in finite[-2:]


_GAPS = 3


def _turned(current: Mapping[Position, Mapping[str, float]]) -> frozenset[str]:
    """Values of names that say nothing, finite for long and then never again: ``G_GAN``."""
    series: dict[str, list[bool]] = {}
    for at in sorted(current):
        for name, value in current[at].items():
            if not is_telling(name):
                series.setdefault(name, []).append(math.isfinite(value))
    return frozenset(
        name
        for name, finite in series.items()
        if not finite[-1]
        and named_metric(name, 0.0, Source.LOG) is None
        and sum(finite) >= _FINITE_FOR
        and finite == sorted(finite, reverse=True)
    )


_FINITE_FOR = 3


def _series(
    alarm: Alarm,
    own: Mapping[Position, float] | None,
    current: Mapping[Position, Mapping[str, float]],
) -> tuple[list[float], list[float]]:
    """The values before an alarm, and those behind it."""
    if own is None:
        own = {at: values[alarm.name] for at, values in current.items() if alarm.name in values}
    ordered = sorted(own.items())
    return [v for at, v in ordered if at < alarm.since], [v for at, v in ordered if at > alarm.at]


def _epoch_s(times_s: Mapping[Position, float]) -> float | None:
    """The usual time an epoch takes, in seconds."""
    ordered = sorted(times_s.items())
    took = [
        (time - before) / (epoch - last)
        for (last, before), (epoch, time) in itertools.pairwise(ordered)
        if time > before
    ]
    return statistics.median(took) if len(took) >= 2 else None
