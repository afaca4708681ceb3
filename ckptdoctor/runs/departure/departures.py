"""Which tensors left their own past, and when; judged at each checkpoint by what was before it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.runs.departure.apart import LEAST_APART, Apart
from ckptdoctor.runs.departure.course import Course, Trait, module_of
from ckptdoctor.runs.departure.past import FEWEST, WINDOW, Lead, Past, Peers, leaps
from ckptdoctor.runs.departure.peers import Crowd
from ckptdoctor.runs.departure.signals import Logs, signals_of
from ckptdoctor.runs.departure.stopped import stopped

__all__ = ["Departure", "departures"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """From where on a figure is outside its past.

    Attributes:
        sudden: log of the ratio to the largest of the values before.
        grown: the same to the largest of those that are some checkpoints old.
        noise: both in standard deviations of its own steps.
        peers: and in those of what its peers do.
        alone: the same as ``sudden``, from where on it does not matter what the peers do: no
            schedule moves this figure so far.
        weight: by which the excess is multiplied, so that those of figures can be compared.
    """

    sudden: float
    grown: float
    noise: float = 4.0
    peers: float = 4.0
    alone: float = math.inf
    weight: float = 1.0


_SIZE = _Limits(sudden=0.8, grown=1.3, noise=5.0, alone=1.6)
_LIMITS = {
    Trait.MOVED: _Limits(sudden=1.0, grown=1.9),
    Trait.NORM: _SIZE,
    Trait.LARGEST: _SIZE,
    Trait.SQUARES: _Limits(sudden=3.0, grown=5.0, alone=4.0, weight=0.5),
    Trait.MOMENTUM: _Limits(sudden=2.5, grown=4.0, alone=3.5),
    Trait.EMA: _Limits(sudden=1.4, grown=2.2),
}
"""In healthy trainings with restarts, thawed stages and raised rates nothing came near both the
ratio and the deviations: the norm of a tensor lay 0.74 above its past at most, that of
``exp_avg_sq`` 1.3 (``python -m tests.benchmarks.first_bad``)."""
_SIZES = (Trait.NORM, Trait.LARGEST)
_BAD = (Trait.NON_FINITE, Trait.BAD_STATE, Trait.BAD_AVERAGE)
_RISING = 0.1
_HUGE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """A tensor that left its own past.

    Attributes:
        name: of the tensor.
        trait: the figure that tells so.
        place: the first checkpoint, as a number in the course.
        excess: log of how far it is outside, in relation to its peers; infinite for NaN and Inf.
        deviations: the same in standard deviations of its own past.
        is_buffer: whether no optimizer moves it.
        stands_still: whether it is outside because it does not move any more.
    """

    name: str
    trait: Trait
    place: int
    excess: float
    deviations: float
    is_buffer: bool = False
    stands_still: bool = False

    @property
    def module(self) -> str:
        """That it is of."""
        return module_of(self.name)


def departures(course: Course) -> tuple[Departure, ...]:
    """Each tensor that left its past, once for each figure that tells so, the first ones first.

    Of one checkpoint the ones that stand still come first, since nothing else makes them; then
    what is finite and many thousand times what it was, since NaN comes of that; then NaN; then
    weights, module by module, the farthest out first; then statistics, which follow the weights
    before them. A bias gets the gradient of its weight: of the two the larger tensor comes first.
    """
    found = [*_not_finite(course), *_stopped(course)]
    for trait, logs in signals_of(course).items():
        if trait in _LIMITS:
            weights = {name: own for name, own in logs.items() if name not in course.buffers}
            buffers = {name: own for name, own in logs.items() if name in course.buffers}
            found += [*_of_trait(course, trait, weights), *_of_trait(course, trait, buffers)]
    return tuple(_in_order(found, course))


def _in_order(found: Sequence[Departure], course: Course) -> list[Departure]:
    most: dict[tuple[int, str], float] = {}
    for one in found:
        if not one.is_buffer:
            key = one.place, one.module
            most[key] = max(most.get(key, 0.0), _finite(one.excess))

    def order(one: Departure) -> tuple[int, int, bool, float, str, int, float, str]:
        excess, module = _finite(one.excess), most.get((one.place, one.module), 0.0)
        kind = 3
        if one.stands_still:
            kind = 0
        elif not one.is_buffer and module >= _HUGE and one.trait not in _BAD:
            kind = 1
        elif one.trait in _BAD:
            kind = 2
        near = excess >= min(module - 1.0, _NEAR * module)
        size = course.numel.get(one.name, 0) if near else 0
        return one.place, kind, one.is_buffer, -module, one.module, -size, -excess, one.name

    return sorted(found, key=order)


_NEAR = 0.7


def _finite(excess: float) -> float:
    return excess if math.isfinite(excess) else 0.0


def _of_trait(course: Course, trait: Trait, logs: Logs) -> Iterator[Departure]:
    limits, crowd = _LIMITS[trait], Crowd(logs)
    apart = Apart(course, crowd) if trait is Trait.MOVED else None
    for name, own in logs.items():
        is_buffer, past = name in course.buffers, Past(own)
        for place, middle in _risen(own, crowd, apart=apart is not None and not is_buffer):
            lead = past.lead(place)
            if lead is None:
                continue
            excess = _outside(lead, crowd.at(place), limits)
            if excess is None and apart is not None and middle:
                excess = apart.look(name, own, place)
            if excess is None:
                continue
            if trait not in _SIZES or leaps(course.series[trait][name], place):
                yield Departure(
                    name=name,
                    trait=trait,
                    place=place,
                    excess=excess * limits.weight,
                    deviations=excess / lead.noise,
                    is_buffer=is_buffer,
                )
                break


def _risen(
    logs: Sequence[float | None], crowd: Crowd, *, apart: bool
) -> Iterator[tuple[int, bool]]:
    """The checkpoints that are worth a look, and whether the tensor is apart from others there."""
    past: list[float] = []
    for place, now in enumerate(logs):
        if now is None:
            continue
        if len(past) >= FEWEST:
            recent = past[-WINDOW:]
            middle = sorted(recent)[(len(recent) - 1) // 2] if apart else math.inf
            is_apart = now - middle - crowd.at(place).middle >= LEAST_APART if apart else False
            if is_apart or now - max(recent) >= _RISING:
                yield place, is_apart
        past.append(now)


def _outside(lead: Lead, peers: Peers, limits: _Limits) -> float | None:
    """By how much a figure is outside; None where it is not."""
    if lead.sudden >= max(limits.alone, limits.noise * lead.noise):
        return lead.sudden
    sudden = lead.sudden - max(0.0, peers.sudden)
    grown = lead.grown - max(0.0, peers.grown)
    far = max(limits.noise * lead.noise, limits.peers * peers.spread)
    if sudden >= max(limits.sudden, far):
        return sudden
    return grown if sudden >= _RISING and grown >= max(limits.grown, far) else None


def _not_finite(course: Course) -> Iterator[Departure]:
    for trait in _BAD:
        for name, own in course.series.get(trait, {}).items():
            place = next((at for at, share in enumerate(own) if share > 0.0), 0)
            if place == 0:
                continue
            yield Departure(
                name=name,
                trait=trait,
                place=place,
                excess=math.inf,
                deviations=math.inf,
                is_buffer=name in course.buffers,
            )


def _stopped(course: Course) -> Iterator[Departure]:
    for name, place in stopped(course):
        yield Departure(
            name=name,
            trait=Trait.MOVED,
            place=place,
            excess=0.0,
            deviations=math.inf,
            is_buffer=True,
            stands_still=True,
        )
