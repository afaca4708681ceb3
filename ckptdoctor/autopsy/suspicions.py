"""What the tensors say of the cause: a norm left behind, a flipped bit, a rate, a bad batch.

:mod:`ckptdoctor.recovery.causes` judges by rates, losses and settings; this judges by the figures
of the tensor that it began with. Each says what speaks for it and what speaks against it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ckptdoctor.autopsy.figures import Figures
from ckptdoctor.autopsy.order import Onset, gradient_over_squares
from ckptdoctor.recovery.causes.cause import Sure
from ckptdoctor.runs.departure.course import Trait
from ckptdoctor.runs.departure.departures import Departure
from ckptdoctor.runs.departure.words import figure_at, in_words, told_of

__all__ = ["Suspicion", "suspicions_of"]

_ALIKE = 0.25
_GREW = 3
_GROWTH = 0.2
_RATE_ROSE = 1.3
_FEW_MODULES = 2
_LEAPT = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """A cause that is thinkable.

    Attributes:
        title: in a few words.
        sure: how far the evidence goes.
        reasons: what speaks for it, with figures.
        against: what speaks against it.
        todo: what to do about it.
    """

    title: str
    sure: Sure
    reasons: tuple[str, ...]
    against: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()


def suspicions_of(figures: Figures, onset: Onset, left: tuple[Departure, ...]) -> list[Suspicion]:
    """What the tensors speak for, the surest first."""
    if onset.first is None or not onset.stands_out:
        return []
    seen = _Seen(figures, onset, onset.first, left)
    found = [one for judge in _JUDGES for one in judge(seen)]
    return sorted(found, key=lambda one: -one.sure)


class _Seen:
    """The first departure, and what was beside it."""

    def __init__(
        self, figures: Figures, onset: Onset, first: Departure, left: tuple[Departure, ...]
    ) -> None:
        self.course = figures.course
        self.optimizers = figures.optimizers
        self.onset = onset
        self.first = first
        self.own = [one for one in left if one.name == first.name]
        self.at_once = sorted({one.module for one in left if one.place == first.place})

    @property
    def where(self) -> str:
        """The checkpoint, in words."""
        return self.course.say(self.first.place)

    def trait(self, *traits: Trait) -> Departure | None:
        """The departure of the first tensor that such a figure tells, at the same checkpoint."""
        same = (one for one in self.own if one.place == self.first.place)
        return next((one for one in same if one.trait in traits), None)

    def grows(self) -> list[float]:
        """Factors of the norm, from checkpoint to checkpoint, of a growth through the onset."""
        norms = self.course.series.get(Trait.NORM, {}).get(self.first.name, ())
        factors: list[float] = []
        for place in range(max(1, self.first.place - 1), len(norms)):
            old, new = norms[place - 1], norms[place]
            if not (0.0 < old < math.inf and math.isfinite(new)) or new / old < 1.0 + _GROWTH:
                if place > self.first.place:
                    break
                factors = []
                continue
            factors.append(new / old)
        return factors


def _left_behind(seen: _Seen) -> Iterator[Suspicion]:
    first = seen.first
    if not first.stands_still:
        return
    yield Suspicion(
        title=f"{first.module} was left in eval mode, or its statistics were frozen",
        sure=Sure.CLEAR,
        reasons=(
            f"from {seen.where} on {first.name} is to the bit what it was before",
            "its own weights and the statistics of other norms went on changing",
        ),
        todo=(
            (
                "call model.train() behind every evaluation, and see who calls .eval() "
                "on this module "
                "or sets its momentum to 0; if it was meant, freeze all norms at once"
            ),
        ),
    )


def _rate(seen: _Seen) -> Iterator[Suspicion]:
    rates = seen.course.series.get(Trait.RATE, {}).get(seen.first.name)
    place = seen.first.place
    if rates is None or place == 0:
        return
    told = _rate_factors(seen, place)
    if told is None:
        return
    own, others = told
    if own < _RATE_ROSE * others:
        return
    before, now = rates[place - 1], rates[place]
    yield Suspicion(
        title=f"the learning rate of {seen.first.name} left that of the others",
        sure=Sure.CLEAR,
        reasons=(
            (
                f"its stored rate went from {before:.4g} to {now:.4g} at {seen.where}, times "
                f"{own:.3g}; that of the others times {others:.3g} at the median"
            ),
        ),
        todo=("look at the group of this parameter: its lr, and the schedule that sets it",),
    )


def _rate_factors(seen: _Seen, place: int) -> tuple[float, float] | None:
    """By what the rate of the first tensor changed, and that of the others at the median."""
    factors = {
        name: own[place] / own[place - 1]
        for name, own in seen.course.series.get(Trait.RATE, {}).items()
        if own[place - 1] > 0.0 and own[place] > 0.0
    }
    own = factors.pop(seen.first.name, None)
    if own is None or not factors:
        return None
    ordered = sorted(factors.values())
    return own, ordered[len(ordered) // 2]


def _flipped(seen: _Seen) -> Iterator[Suspicion]:
    largest = seen.trait(Trait.LARGEST)
    if largest is None or seen.trait(Trait.SQUARES, Trait.MOMENTUM) is not None:
        return
    told = told_of(seen.course, largest)
    numel = seen.course.numel.get(seen.first.name, 0)
    norm = figure_at(seen.course, seen.first.name, Trait.NORM, seen.first.place)
    before = figure_at(seen.course, seen.first.name, Trait.NORM, seen.first.place - 1)
    alone = math.sqrt(max(0.0, norm * norm - before * before)) if norm < math.inf else norm
    if numel < 2:
        return
    whole = seen.course.exact  # a sample seldom holds the one element
    if whole and (not math.isfinite(alone) or abs(alone / told.value - 1.0) > _ALIKE):
        return
    added = (
        f", and the norm grew from {before:.4g} to {norm:.4g}: as much as one such element adds "
        f"among {numel}"
        if whole
        else f"; the few others that were looked at, of {numel}, hardly moved"
    )
    against = []
    if len(seen.at_once) > _FEW_MODULES:
        against.append(f"{len(seen.at_once)} modules left their past at the same checkpoint")
    yield Suspicion(
        title=f"one element of {seen.first.name} was overwritten, as by a flipped bit",
        sure=Sure.POSSIBLE if against else Sure.LIKELY,
        reasons=(
            (
                f"its largest element went from {told.usual:.4g} to {told.value:.4g} at "
                f"{seen.where}{added}"
            ),
        ),
        against=tuple(against),
        todo=(
            (
                "take the tensor from the checkpoint before; test the memory of the "
                "machine where it "
                "happens again"
            ),
        ),
    )


def _batch(seen: _Seen) -> Iterator[Suspicion]:
    state = next((one for one in seen.own if one.trait in (Trait.SQUARES, Trait.MOMENTUM)), None)
    if state is None or state.place > seen.first.place or len(seen.grows()) >= _GREW:
        return
    told = told_of(seen.course, state)
    if told.times < _LEAPT:
        return
    reasons = [
        (
            f"the {state.trait.word} of {state.name} went from {told.usual:.3g} to "
            f"{told.value:.3g} "
            f"within one interval, at {seen.course.say(state.place)}: gradients far "
            f"beyond all before"
        )
    ]
    times = gradient_over_squares(seen.course, seen.optimizers, state.name, state.place)
    if times is not None:
        reasons.append(f"the squared gradients since then were {times:.3g} times exp_avg_sq")
    against = []
    rates = _rate_factors(seen, seen.first.place)
    if rates is not None and rates[0] >= _RATE_ROSE:
        against.append(f"its learning rate rose by a factor of {rates[0]:.3g} at once")
    yield Suspicion(
        title=f"a bad batch, or a target far out, reached {seen.first.module}",
        sure=Sure.LIKELY,
        reasons=tuple(reasons),
        against=tuple(against),
        todo=(
            (
                "look at the batches of that interval, at the loss of this head above "
                "all; clip the "
                "gradients, or let guard.step(loss) of ckptdoctor.guard drop such a step"
            ),
        ),
    )


def _growth(seen: _Seen) -> Iterator[Suspicion]:
    factors = seen.grows()
    if len(factors) < _GREW:
        return
    low, high = min(factors), max(factors)
    yield Suspicion(
        title=f"{seen.first.name} grows without a bound",
        sure=Sure.LIKELY,
        reasons=(
            (
                f"its norm grew by a factor of {low:.3g} to {high:.3g} a checkpoint, "
                f"{len(factors)} "
                f"times in a row, around {seen.where}"
            ),
        ),
        todo=(
            (
                "look at the weight decay of this parameter (its sign), at a loss "
                "without a bound, and "
                "at the rate of its group; in float16 what it gives overflows at 65504"
            ),
        ),
    )


def _unexplained(seen: _Seen) -> Iterator[Suspicion]:
    """What is seen at least."""
    if seen.first.trait is Trait.NON_FINITE:
        yield Suspicion(
            title=f"{seen.first.module} turned to NaN or Inf before the others",
            sure=Sure.POSSIBLE,
            reasons=(f"at {seen.where} {seen.first.name} {in_words(seen.course, seen.first)}",),
            against=("what made it so lies between two checkpoints, and is not known",),
        )


_JUDGES: tuple[Callable[[_Seen], Iterator[Suspicion]], ...] = (
    _left_behind,
    _rate,
    _growth,
    _flipped,
    _batch,
    _unexplained,
)
