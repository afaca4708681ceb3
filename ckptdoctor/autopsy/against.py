"""What speaks against a cause that rates, losses and settings speak for."""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.autopsy.order import Onset
from ckptdoctor.recovery.causes.cause import Cause, CauseKind
from ckptdoctor.recovery.causes.evidence import Evidence
from ckptdoctor.runs.departure.course import Course, Trait

__all__ = ["against"]

_HALF_MAX = 65504.0
_RATES = (CauseKind.RATE_JUMPED, CauseKind.RATE_TOO_HIGH, CauseKind.SCHEDULE_RESTARTED)


def against(cause: Cause, evidence: Evidence, course: Course, onset: Onset) -> list[str]:
    """Sentences with figures; none where nothing does."""
    found: list[str] = []
    if cause.kind in _RATES:
        found += _rate(evidence, course, onset)
    if cause.kind is CauseKind.OVERFLOW:
        found += _overflow(course)
    if cause.kind in (CauseKind.BAD_BATCH, CauseKind.DATA_CHANGED):
        found += _event(evidence, course, onset)
    if cause.kind is CauseKind.OPTIMIZER_LOST:
        found += _lost(course, onset)
    return found


def _rate(evidence: Evidence, course: Course, onset: Onset) -> Iterator[str]:
    rates, first = evidence.rates, onset.first
    if rates.bad is not None and rates.top_before is not None and rates.bad < rates.top_before:
        harmless = f"{rates.top_before:.4g} had done no harm before"
        yield f"the rate was {rates.bad:.4g} then, and {harmless}"
    if first is None:
        if course.series:
            yield "no tensor moved farther than it ever did"
        return
    modules = {one.module for one in onset.modules if one.place == first.place}
    total = len({name.rpartition(".")[0] for name in course.numel if name not in course.buffers})
    if onset.stands_out and total and len(modules) < total / 2:
        yield (
            f"{len(modules)} of {total} modules left their past at {course.say(first.place)}; a "
            "rate that is too high for all moves all"
        )


def _overflow(course: Course) -> Iterator[str]:
    largest = [
        value
        for own in course.series.get(Trait.LARGEST, {}).values()
        for value in own
        if value < float("inf")
    ]
    if largest and max(largest) < _HALF_MAX / 100:
        yield (
            f"the largest weight of any checkpoint is {max(largest):.4g}, far from the "
            f"{_HALF_MAX:g} that float16 holds; activations are not in the files"
        )


def _event(evidence: Evidence, course: Course, onset: Onset) -> Iterator[str]:
    if evidence.trouble.gradual:
        yield "the metric was uneasy before it fell, which one event does not explain"
    first, at = onset.first, evidence.trouble.at
    place = None if first is None else course.moments[first.place].at
    if first is not None and place is not None and at is not None and place < at:
        yield (
            f"{first.module} left its past at {course.say(first.place)} already, before "
            f"{evidence.history.clock.say(at)}"
        )


def _lost(course: Course, onset: Onset) -> Iterator[str]:
    if course.series.get(Trait.SQUARES) and onset.optimizer is None:
        yield "the states of the optimizer go on in the files without a break"
