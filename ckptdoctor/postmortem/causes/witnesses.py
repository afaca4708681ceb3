"""The figures of the tensors that speak for one cause and against another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from ckptdoctor.postmortem.causes.seen import Seen
from ckptdoctor.postmortem.causes.suspicion import Kind, Witness
from ckptdoctor.postmortem.causes.tensors import GREW, single_element
from ckptdoctor.recovery.causes.trouble import TroubleKind
from ckptdoctor.runs.departure.course import Trait
from ckptdoctor.runs.departure.words import many

__all__ = ["witnesses"]

_SAME = 1.1
_MOVED_FAR = 1.5
_FAR = 2.0
_QUIET_STATE = 3.0
_HALF_MAX = 65504.0
_FEWEST_BEFORE = 4


def witnesses(seen: Seen) -> list[Witness]:
    """All that say something of this run."""
    return [one for ask in _ASKED for one in ask(seen)]


def _calm(seen: Seen) -> Iterator[Witness]:
    """How far all was from its past at the last checkpoint before it went wrong at once."""
    if not seen.is_sudden or seen.place < _FEWEST_BEFORE:
        return
    before, kept = seen.place - 1, seen.states
    moved, most = seen.middle(Trait.MOVED, before), seen.farthest(Trait.MOVED, before)
    if moved is None or most is None:
        return
    told = (
        f"at {seen.before}, the last checkpoint before, the median weight had moved {many(moved)} "
        f"times what was usual and the farthest, {most[0]}, {many(most[1])} times"
    )
    state = None if kept is None else seen.middle(kept, before)
    if state is not None and kept is not None:
        told += f"; the median {kept.word} was {many(state)} times what was usual"
    if moved < _MOVED_FAR and (state is None or state < _QUIET_STATE):
        yield Witness(
            words=f"{told}: nothing grew ahead of it",
            says={Kind.RATE: -1.0, Kind.GROWTH: -1.0, Kind.BAD_STEP: 0.5, Kind.BATCH: 0.5},
        )
    else:
        yield Witness(
            words=f"{told}: it grew ahead of it",
            says={Kind.RATE: 0.5, Kind.BAD_STEP: -0.5, Kind.BATCH: -0.5},
        )


def _rate(seen: Seen) -> Iterator[Witness]:
    """Whether the rate of all rose, and the ways of all with it."""
    rose, now = seen.rate_rose, seen.rate(seen.place)
    moved = seen.middle(Trait.MOVED, seen.place)
    if rose is None or now is None:
        return
    times = "as before" if 0.95 <= rose <= 1.05 else f"{rose:.3g} times what was usual before"
    told = f"the learning rate at {seen.where} was {now:.4g}, {times}"
    if moved is not None:
        told += f"; the median weight moved {many(moved)} times what was usual"
    if seen.all_follow_the_rate:
        yield Witness(
            words=told,
            says={
                Kind.RATE: 1.0,
                Kind.GROWTH: -1.5,
                Kind.BATCH: -1.0,
                Kind.INPUTS: -1.5,
                Kind.REPLACED: -1.0,
            },
        )
    elif rose <= _SAME:
        yield Witness(words=told, says={Kind.RATE: -0.5, Kind.BATCH: 0.25, Kind.REPLACED: 0.25})


def _few(seen: Seen) -> Iterator[Witness]:
    """How many modules left their past at the same checkpoint."""
    if seen.first is None or not seen.onset.stands_out or seen.modules < 3:
        return
    own = {one.module for one in seen.here if not one.is_buffer}
    told = f"{len(own)} of {seen.modules} modules left their past at {seen.where}"
    moved = seen.middle(Trait.MOVED, seen.place)
    if 0 < len(own) < seen.modules / 2 and (moved is None or moved < _FAR):
        yield Witness(
            words=f"{told}; a rate that is too high for all moves all", says={Kind.RATE: -1.0}
        )
    elif len(own) >= seen.modules / 2:
        yield Witness(
            words=f"{told}, not one alone",
            says={Kind.GROWTH: -1.0, Kind.ELEMENT: -0.5, Kind.OWN_RATE: -0.5},
        )


def _reach(seen: Seen) -> Iterator[Witness]:
    """Whether steps of the optimizer can have moved the first tensor so far."""
    first = seen.first
    if first is None or first.is_buffer or seen.place == 0:
        return
    reach = seen.reach(first.name)
    if reach is None:
        return
    told = (
        f"{reach.steps:g} steps of Adam at a rate of {reach.rate:.4g} move an element by "
        f"{reach.most:.3g} at most; in {first.name} it was {many(reach.moved)}"
    )
    if reach.is_beyond:
        yield Witness(
            words=f"{told}: something else wrote it",
            says={
                Kind.REPLACED: 1.0,
                Kind.ELEMENT: 1.0,
                Kind.GROWTH: 0.5,
                Kind.BATCH: -1.5,
                Kind.RATE: -1.5,
                Kind.OWN_RATE: -1.5,
            },
        )


def _states(seen: Seen) -> Iterator[Witness]:
    """Whether the optimizer met large gradients, before the weights or at all."""
    first, state, weights = seen.first, seen.onset.optimizer, seen.onset.weights
    if first is None or seen.states is None or not seen.onset.stands_out:
        return
    if state is not None and weights is not None and state.place < weights.place:
        if state.trait is not Trait.BAD_STATE:
            yield Witness(
                words=f"the {state.trait.word} of {state.name} left its past at "
                f"{seen.course.say(state.place)}, before any weight did",
                says={Kind.RATE: 0.5, Kind.BATCH: 0.5, Kind.REPLACED: -1.0, Kind.ELEMENT: -1.0},
            )
        return
    times = seen.state_times(first.name)
    if math.isfinite(times) and times < _QUIET_STATE:
        yield Witness(
            words=f"the {seen.states.word} of {first.name} was {many(times)} times what was usual "
            f"at {seen.where}: no gradient far beyond others reached it",
            says={Kind.ELEMENT: 0.5, Kind.REPLACED: 0.5, Kind.BATCH: -1.0},
        )


def _element(seen: Seen) -> Iterator[Witness]:
    """One element is all that changed."""
    told = single_element(seen)
    if told:
        says = {Kind.BATCH: -1.0, Kind.RATE: -1.0, Kind.GROWTH: -1.0, Kind.REPLACED: -2.0}
        yield Witness(words=told, says=says)


def _growing(seen: Seen) -> Iterator[Witness]:
    """The first tensor goes on growing: what writes it does so at every step."""
    factors = seen.grows()
    if len(factors) >= GREW and seen.first is not None:
        yield Witness(
            words=f"{seen.first.name} grew {len(factors)} checkpoints in a row, not once",
            says={Kind.REPLACED: -1.5},
        )


def _half(seen: Seen) -> Iterator[Witness]:
    """How near weights came to what float16 holds."""
    finite = [
        value
        for own in seen.course.series.get(Trait.LARGEST, {}).values()
        for value in own
        if value < math.inf
    ]
    if not finite:
        return
    told = f"the largest weight of any checkpoint is {max(finite):.4g}"
    if max(finite) < _HALF_MAX / 100:
        yield Witness(
            words=f"{told}, far from the {_HALF_MAX:g} that float16 holds; activations are not in "
            "the files",
            says={Kind.OVERFLOW: -0.5},
        )
    else:
        yield Witness(words=f"{told}; float16 holds {_HALF_MAX:g}", says={Kind.OVERFLOW: 1.0})


def _course(seen: Seen) -> Iterator[Witness]:
    """Whether the metric fell by and by, or the tensors told before it."""
    evidence, first = seen.evidence, seen.first
    if evidence is None:
        return
    history, trouble = evidence.history, evidence.trouble
    span = history.decline
    by_and_by = {Kind.BATCH: -0.5, Kind.BAD_STEP: -0.5, Kind.ELEMENT: -0.5}
    if span is not None and trouble.kind is TroubleKind.COLLAPSE and trouble.gradual:
        yield Witness(
            words=f"{history.metric} declined from {history.clock.say(span.first)} on, which one "
            "event does not explain",
            says=by_and_by,
        )
    elif trouble.gradual:
        yield Witness(
            words="the metric was uneasy before it fell, which one event does not explain",
            says=by_and_by,
        )
    at = None if first is None else seen.course.moments[first.place].at
    if first is not None and at is not None and trouble.began is not None and at < trouble.began:
        yield Witness(
            words=f"{first.module} left its past at {seen.where} already, before "
            f"{history.clock.say(trouble.began)}",
            says={Kind.BAD_STEP: -0.5, Kind.RATE: 0.25},
        )


_ASKED: tuple[Callable[[Seen], Iterator[Witness]], ...] = (
    _calm,
    _rate,
    _few,
    _reach,
    _states,
    _element,
    _growing,
    _half,
    _course,
)
