"""What a departure looks like in figures, and in words."""

from __future__ import annotations

import math
import statistics

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.runs.departure.course import Course, Trait
from ckptdoctor.runs.departure.departures import Departure
from ckptdoctor.runs.departure.sampled import gap_of

__all__ = ["Told", "figure_at", "in_words", "many", "told_of", "usual_times"]

_WINDOW = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The figures of a departure.

    Attributes:
        value: there.
        usual: the median of those before; NaN where none is known.
        others: how many times what was usual for them the other tensors had, at the median.
    """

    value: float
    usual: float
    others: float

    @property
    def times(self) -> float:
        """How many times what was usual."""
        return self.value / self.usual if self.usual > 0.0 else math.inf


def figure_at(course: Course, name: str, trait: Trait, place: int) -> float:
    """The figure that a person is told: of what moved, the share of the norm that it had before.

    That is what ``ckptdoctor diff`` shows of the two files.
    """
    values = course.series.get(trait, {}).get(name)
    if values is None:
        return math.nan
    if trait is not Trait.MOVED:
        return values[place]
    norms = course.series.get(Trait.NORM, {}).get(name)
    if place == 0 or norms is None or not norms[place - 1] > 0.0:
        return math.nan
    gap = gap_of(course.moments[place - 1], course.moments[place])
    return values[place] * gap / norms[place - 1]


def told_of(course: Course, one: Departure) -> Told:
    """The figures of a departure, in relation to what was usual."""
    others = [
        usual_times(course, name, one.trait, one.place)
        for name in sorted(course.series.get(one.trait, {}))[:: max(1, len(course.numel) // 200)]
        if name != one.name and (name in course.buffers) == one.is_buffer
    ]
    known = [times for times in others if math.isfinite(times)]
    return Told(
        value=figure_at(course, one.name, one.trait, one.place),
        usual=_usual(course, one.name, one.trait, one.place),
        others=statistics.median(known) if known else math.nan,
    )


def _usual(course: Course, name: str, trait: Trait, place: int) -> float:
    before = [
        value
        for at in range(max(0, place - _WINDOW), place)
        if math.isfinite(value := figure_at(course, name, trait, at))
    ]
    return statistics.median(before) if before else math.nan


def usual_times(course: Course, name: str, trait: Trait, place: int) -> float:
    """How many times what was usual for it a tensor has; NaN where that is not known."""
    usual = _usual(course, name, trait, place)
    return figure_at(course, name, trait, place) / usual if usual > 0.0 else math.nan


_DIGITS, _THOUSAND, _TEN_MILLION = 3, 1e3, 1e7


def many(value: float) -> str:
    """A factor as a person reads it: ``12.5``, ``203,000``, ``8.3e+08``."""
    if not _THOUSAND <= value < _TEN_MILLION:
        return f"{value:.{_DIGITS}g}"
    return f"{float(f'{value:.{_DIGITS}g}'):,.0f}"


_SUBJECTS = {
    Trait.NORM: "a norm",
    Trait.LARGEST: "a largest element",
    Trait.SQUARES: "an exp_avg_sq with a norm",
    Trait.MOMENTUM: "a momentum with a norm",
    Trait.EMA: "a distance to its average",
    Trait.RATE: "a learning rate",
}


def in_words(course: Course, one: Departure) -> str:
    """What the tensor did, in words that go on from its name: ``moved by 0.3 of its norm``."""
    if one.stands_still:
        return "did not change at all, while the weights beside it and other norms went on"
    if one.trait is Trait.NON_FINITE:
        share = course.series[Trait.NON_FINITE][one.name][one.place]
        return f"holds NaN or Inf in {100 * share:.3g} % of its elements"
    if one.trait is Trait.BAD_STATE:
        return "has NaN or Inf in what the optimizer keeps of it"
    if one.trait is Trait.BAD_AVERAGE:
        return "has NaN or Inf in its average (EMA)"
    told = told_of(course, one)
    if not told.usual > 0.0:
        times = "which was nothing before" if told.usual == 0.0 else "what was usual is not known"
    else:
        times = f"{many(told.times)} times what was usual for it"
        if math.isfinite(told.others):
            times += f", the others {many(told.others)} times what is usual for them"
    if one.trait is Trait.MOVED:
        return f"moved by {many(told.value)} of its norm, {times}"
    return f"had {_SUBJECTS[one.trait]} of {told.value:.4g}, {times}"
