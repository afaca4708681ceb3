"""What it began with, in which order the others followed, and whether the optimizer knew before."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.postmortem.figures import Optimizers
from ckptdoctor.runs.departure.course import Course, Trait
from ckptdoctor.runs.departure.departures import Departure
from ckptdoctor.runs.departure.past import FEWEST
from ckptdoctor.runs.departure.words import in_words

__all__ = [
    "Decay",
    "Onset",
    "decays_of",
    "gradient_over_squares",
    "onset_of",
    "sentence",
    "share_of_all",
    "who_knew",
]

_MOST_AT_ONCE = 0.6
_PURE = (0.9, 1.05)
_FEWEST_DECAYED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Onset:
    """What it began with.

    Attributes:
        first: the tensor; None where nothing left its past.
        stands_out: whether it is one among many, and not one of nearly all that went at once.
        modules: by module, in the order in which they left their past, its first departure.
        weights, optimizer: the first that weights tell, and that the optimizer's state tells.
        at_once: how many parameters left their past at the same checkpoint as the first.
        total: how many parameters there are.
    """

    first: Departure | None
    stands_out: bool
    modules: tuple[Departure, ...]
    weights: Departure | None
    optimizer: Departure | None
    at_once: int = 0
    total: int = 0


def _parameters(course: Course) -> set[str]:
    return {name for name in course.numel if name not in course.buffers}


def share_of_all(course: Course, left: Sequence[Departure]) -> float:
    """The share of the parameters that are among so many departures."""
    names = _parameters(course)
    return len({one.name for one in left} & names) / max(1, len(names))


def onset_of(course: Course, left: Sequence[Departure]) -> Onset:
    """What it began with.

    Args:
        course: the figures.
        left: what left its past, the first ones first.
    """
    first = left[0] if left else None
    modules: dict[str, Departure] = {}
    for one in left:
        modules.setdefault(one.module, one)
    here = [one for one in left if first is not None and one.place == first.place]
    all_at_once = share_of_all(course, here) >= _MOST_AT_ONCE
    same = first is not None and first.trait is Trait.NON_FINITE and all_at_once
    return Onset(
        first=first,
        stands_out=first is not None and not same,
        at_once=len({one.name for one in here if one.name in _parameters(course)}),
        total=len(_parameters(course)),
        modules=tuple(modules.values()),
        weights=next((one for one in left if not one.trait.is_of_optimizer), None),
        optimizer=next((one for one in left if one.trait.is_of_optimizer), None),
    )


def sentence(course: Course, onset: Onset) -> str:
    """What it began with, in a sentence."""
    first = onset.first
    if first is None:
        return _without_first(course)
    at = course.say(first.place)
    if not onset.stands_out:
        when = f"by {at}" if not first.place else f"between {course.say(first.place - 1)} and {at}"
        return (
            f"{onset.at_once} of {onset.total} parameters turned to NaN or Inf {when}: which was "
            "the first is not known. More frequent checkpoints would tell."
        )
    words = in_words(course, first)
    if onset.at_once >= max(2.0, _MOST_AT_ONCE * onset.total):
        return (
            f"At {at} {onset.at_once} of {onset.total} parameters left their past at once; "
            f"farthest out, {first.name} {words}."
        )
    return f"At {at} {first.name} {words}."


def _without_first(course: Course) -> str:
    """Why nothing is said to be first: all was well, or too little is known."""
    count = len(course.moments)
    bad = course.series.get(Trait.NON_FINITE, {})
    if count and (held := sum(own[0] > 0.0 for own in bad.values())):
        hold = "1 tensor holds" if held == 1 else f"{held} tensors hold"
        return (
            f"{hold} NaN or Inf in {course.say(0)}, the first checkpoint that is here, already: "
            "what went bad first lies before it, and is not known."
        )
    if not course.series:
        return "No tensor could be read: what they did is not known."
    if count < 2:
        return "One checkpoint has no past: at least six are needed to judge by."
    if count <= FEWEST:
        return (
            f"No tensor turned to NaN or Inf; whether one left its own past cannot be told from "
            f"{count} checkpoints: at least six are needed to judge by."
        )
    return "No tensor left its own past."


def who_knew(course: Course, onset: Onset) -> str:
    """Whether the optimizer knew before the weights, in a sentence."""
    state, weights = onset.optimizer, onset.weights
    if not {Trait.SQUARES, Trait.MOMENTUM} & set(course.series):
        return (
            "Whether the optimizer knew before is not known: the checkpoints hold no state of it "
            "that could be assigned"
            + (", or only samples were looked at (--quick)." if not course.exact else ".")
        )
    known = state is not None and (weights is None or state.place >= weights.place)
    if onset.first is not None and not onset.stands_out and known:
        return "The optimizer did not know before: its state was within its past until then."
    if state is None:
        return "The optimizer's state stayed within its past: it did not know before the weights."
    word, at = state.trait.word, course.say(state.place)
    if weights is None:
        return f"The optimizer alone tells of it: the {word} of {state.name} at {at}."
    if state.place < weights.place:
        early = weights.place - state.place
        return (
            f"The optimizer knew before the weights, by {early} checkpoint{'s' * (early > 1)}: the "
            f"{word} of {state.name} left its past at {at}, the weights at "
            f"{course.say(weights.place)}."
        )
    when = "at the same checkpoint as" if state.place == weights.place else "after"
    return f"The optimizer's state left its past {when} the weights, at {at} ({state.name})."


@dataclass(frozen=True, slots=True, kw_only=True)
class Decay:
    """An ``exp_avg_sq`` that only decayed: its gradient had vanished.

    Attributes:
        name: of the parameter.
        first, last: the checkpoints between which it did.
        share: how much of the pure decay it was; 1 where no gradient came at all.
    """

    name: str
    first: int
    last: int
    share: float


def decays_of(course: Course, optimizers: Optimizers) -> list[Decay]:
    """The states that decayed as beta2 to the number of steps, the longest ones first.

    Source: arXiv 2506.04805: a second moment decays purely while the gradient vanishes, and a spike
    of the loss follows.
    """
    found = []
    beta2 = optimizers.beta2
    if beta2 is None or not 0.0 < beta2 < 1.0:
        return []
    for name, values in course.series.get(Trait.SQUARES, {}).items():
        run: list[tuple[int, float]] = []
        for place in range(1, len(values)):
            share = _share(values, optimizers, place, beta2)
            if share is not None and _PURE[0] <= share <= _PURE[1]:
                run.append((place, share))
                continue
            if len(run) >= _FEWEST_DECAYED:
                break
            run = []
        if len(run) >= _FEWEST_DECAYED:
            share = sum(one for _, one in run) / len(run)
            found.append(Decay(name=name, first=run[0][0] - 1, last=run[-1][0], share=share))
    return sorted(found, key=lambda one: (one.first - one.last, one.name))


def _share(
    values: Sequence[float], optimizers: Optimizers, place: int, beta2: float
) -> float | None:
    """How much of the pure decay the way from the checkpoint before is."""
    steps = optimizers.steps_to(place)
    old, new = values[place - 1], values[place]
    if steps is None or not (0.0 < old < math.inf and 0.0 < new < math.inf):
        return None
    return math.log(new / old) / (steps * math.log(beta2))


def gradient_over_squares(
    course: Course, optimizers: Optimizers, name: str, place: int
) -> float | None:
    """How many times ``exp_avg_sq`` the squared gradients since the checkpoint before were.

    The state is a weighted mean of all squares, so what is new in it tells their mean. None where
    steps, beta2 or the state are not known.
    """
    values, beta2 = course.series.get(Trait.SQUARES, {}).get(name), optimizers.beta2
    steps = optimizers.steps_to(place)
    if values is None or beta2 is None or steps is None or place == 0:
        return None
    old, new, kept = values[place - 1], values[place], math.pow(beta2, steps)
    if not (0.0 < old < math.inf and math.isfinite(new)) or kept >= 1.0:
        return None
    return max(0.0, (new - kept * old) / (1.0 - kept)) / old
