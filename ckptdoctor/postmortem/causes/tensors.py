"""What the tensor that it began with says of the cause: left behind, flipped, grown, driven.

:mod:`ckptdoctor.recovery.causes` judges by rates, losses and settings; this by the figures of one
tensor. Each says what speaks for it; what speaks against it comes from the witnesses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from ckptdoctor.postmortem.causes.seen import Seen
from ckptdoctor.postmortem.causes.suspicion import Kind, Suspicion
from ckptdoctor.postmortem.order import gradient_over_squares
from ckptdoctor.runs.departure.course import Trait
from ckptdoctor.runs.departure.departures import Departure
from ckptdoctor.runs.departure.words import figure_at, in_words, many, told_of

__all__ = ["GREW", "of_first_tensor", "single_element"]

_ALIKE = 0.25
GREW = 3
"""Checkpoints in a row, from where on it is a growth."""
_RATE_ROSE = 1.3
_LEAPT = 3.0
_SAMPLED = 32


def of_first_tensor(seen: Seen) -> Iterator[Suspicion]:
    """What it speaks for; nothing where nearly all tensors turned to NaN at once."""
    first = seen.first
    if first is None or not seen.onset.stands_out:
        return
    for judge in _JUDGES:
        yield from judge(seen, first)


def _left_behind(seen: Seen, first: Departure) -> Iterator[Suspicion]:
    if first.stands_still:
        yield Suspicion(
            kind=Kind.FROZEN,
            title=f"{first.module} was left in eval mode, or its statistics were frozen",
            score=3.0,
            reasons=(
                f"from {seen.where} on {first.name} is to the bit what it was before",
                "its own weights and the statistics of other norms went on changing",
            ),
            todo=(
                (
                    "call model.train() behind every evaluation, and see who calls .eval() on this "
                    "module or sets its momentum to 0; if it was meant, freeze all norms at once"
                ),
            ),
        )


def _own_rate(seen: Seen, first: Departure) -> Iterator[Suspicion]:
    told = _rate_factors(seen, first.name)
    if told is None or told[0] < _RATE_ROSE * told[1]:
        return
    rates = seen.course.series[Trait.RATE][first.name]
    before, now = rates[seen.place - 1], rates[seen.place]
    yield Suspicion(
        kind=Kind.OWN_RATE,
        title=f"the learning rate of {first.name} left that of the others",
        score=3.0,
        reasons=(
            (
                f"its stored rate went from {before:.4g} to {now:.4g} at {seen.where}, times "
                f"{told[0]:.3g}; that of the others times {told[1]:.3g} at the median"
            ),
        ),
        todo=("look at the group of this parameter: its lr, and the schedule that sets it",),
    )


def _rate_factors(seen: Seen, name: str) -> tuple[float, float] | None:
    """By what the rate of a tensor changed, and that of the others at the median."""
    place = seen.place
    factors = {
        other: own[place] / own[place - 1]
        for other, own in seen.course.series.get(Trait.RATE, {}).items()
        if place and own[place - 1] > 0.0 and own[place] > 0.0
    }
    own = factors.pop(name, None)
    if own is None or not factors:
        return None
    ordered = sorted(factors.values())
    return own, ordered[len(ordered) // 2]


def single_element(seen: Seen) -> str:
    """Says that one element is all that changed of the first tensor; "" where it is not so."""
    first, largest = seen.first, seen.trait(Trait.LARGEST)
    if first is None or largest is None or seen.place == 0:
        return ""
    told, numel = told_of(seen.course, largest), seen.course.numel.get(first.name, 0)
    if numel < 2:
        return ""
    grew = (
        f"the largest element of {first.name} went from {told.usual:.4g} to {told.value:.4g} at "
        f"{seen.where}"
    )
    norm = figure_at(seen.course, first.name, Trait.NORM, seen.place)
    before = figure_at(seen.course, first.name, Trait.NORM, seen.place - 1)
    if not seen.course.exact and norm <= before * (1.0 + _ALIKE):  # few samples hold the one
        return f"{grew}; the few others that were looked at, of {numel}, hardly moved"
    alone = math.sqrt(max(0.0, norm * norm - before * before)) if norm < math.inf else norm
    # A sample that holds the one element counts it for all those that it stands for.
    most = 1.0 if seen.course.exact else math.sqrt(max(1.0, numel / _SAMPLED))
    if not 1.0 - _ALIKE <= alone / told.value <= most * (1.0 + _ALIKE):
        return ""
    return (
        f"{grew}, and its norm from {before:.4g} to {norm:.4g}: as much as one such element adds "
        f"among {numel}"
    )


def _flipped(seen: Seen, first: Departure) -> Iterator[Suspicion]:
    told = single_element(seen)
    if told:
        yield Suspicion(
            kind=Kind.ELEMENT,
            title=f"one element of {first.name} was overwritten, as by a flipped bit",
            score=2.0,
            reasons=(told,),
            todo=(
                (
                    "take the tensor from the checkpoint before; test the memory of the machine "
                    "where it happens again"
                ),
            ),
        )


def _batch(seen: Seen, first: Departure) -> Iterator[Suspicion]:
    state = seen.trait(Trait.SQUARES, Trait.MOMENTUM)
    if state is None or len(seen.grows()) >= GREW:
        return
    told = told_of(seen.course, state)
    if told.times < _LEAPT:
        return
    reasons = [
        (
            f"the {state.trait.word} of {state.name} went from {told.usual:.3g} to "
            f"{told.value:.3g} within one interval, at {seen.where}: gradients far beyond all "
            "before"
        )
    ]
    times = gradient_over_squares(seen.course, seen.optimizers, state.name, state.place)
    if times is not None:
        reasons.append(f"the squared gradients since then were {many(times)} times exp_avg_sq")
    reached = first.module
    if len(seen.at_once) > 1:
        reached = f"{len(seen.at_once)} of {seen.modules} modules, {first.module} most"
    yield Suspicion(
        kind=Kind.BATCH,
        title=f"a bad batch, or a target far out, reached {reached}",
        score=2.0,
        reasons=tuple(reasons),
        todo=(
            (
                "look at the batches of that interval, at the loss of this head above all; clip "
                "the gradients, or let guard.step(loss) of ckptdoctor.guard drop such a step"
            ),
        ),
    )


def _growth(seen: Seen, first: Departure) -> Iterator[Suspicion]:
    factors = seen.grows()
    if len(factors) < GREW or first.is_buffer:  # statistics follow the weights before them
        return
    low, high = min(factors), max(factors)
    by = f"{low:.3g}" if high < 1.05 * low else f"{low:.3g} to {many(high)}"
    yield Suspicion(
        kind=Kind.GROWTH,
        title=f"{first.name} grows without a bound",
        score=2.0,
        reasons=(
            (
                f"its norm grew by a factor of {by} a checkpoint, {len(factors)} times in a row, "
                f"around {seen.where}"
            ),
        ),
        todo=(
            (
                "look at the weight decay of this parameter (its sign), at a loss without a bound, "
                "and at the rate of its group; in float16 what it gives overflows at 65504"
            ),
        ),
    )


def _alone(seen: Seen, first: Departure) -> Iterator[Suspicion]:
    """What is seen at least."""
    if first.trait is Trait.NON_FINITE and not first.is_buffer:
        others = f"{len(seen.at_once)} of {seen.modules} modules" if seen.modules else first.module
        yield Suspicion(
            kind=Kind.OTHER,
            title=f"{first.module} turned to NaN or Inf while others stayed finite",
            score=1.0,
            reasons=(
                (
                    f"at {seen.where} {first.name} {in_words(seen.course, first)}; {others} are "
                    "not finite there"
                ),
            ),
            against=("what made it so lies between two checkpoints, and is not known",),
        )


_JUDGES: tuple[Callable[[Seen, Departure], Iterator[Suspicion]], ...] = (
    _left_behind,
    _own_rate,
    _growth,
    _flipped,
    _batch,
    _alone,
)
