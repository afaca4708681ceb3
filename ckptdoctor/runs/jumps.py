"""Weights that moved much farther than before, from one checkpoint of a run to the next."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ckptdoctor.figures import sample_of, samples_of
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.member import Member, is_trained
from ckptdoctor.runs.samples import Distance, Move, SampledTensor, Samples, moves, sum_of

__all__ = ["Jump", "Mover", "Seen", "jumps_of"]

# How far weights may move between two neighbours. They move fast at first and slower later, so
# that a jump shows against what came before; from a single interval little can be said.
_LEAST_JUMP = 0.5  # of the norm of all weights
_JUMP_OVER_MEDIAN, _JUMP_OVER_MOST = 6.0, 3.0
_LEAST_JUMP_AFTER_ONE, _JUMP_OVER_ONE = 1.0, 10.0
_LEAST_JUMP_AFTER_NONE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """Weights that moved much farther than they did before.

    Attributes:
        since: the checkpoint before the jump.
        distance: from there to here.
        usual: how far the weights moved from one checkpoint to the next until then.
        first: whether the jump happened just before this checkpoint, or at an earlier one.
    """

    since: Member
    distance: Distance
    usual: float
    first: bool


Seen = Callable[[Member, Member, Sequence[Move]], None]
"""Is told how far each tensor moved from one checkpoint to another."""


def jumps_of(course: Sequence[Member], seen: Seen | None = None) -> Iterator[tuple[Path, Jump]]:
    """Each checkpoint against the last one that lay where it was expected.

    Args:
        course: the checkpoints of a run, in order.
        seen: is told of what was looked at on the way.
    """
    anchor: Member | None = None
    rates: list[float] = []  # how far an epoch moved the weights, so far; sorted
    limit, jumped = math.inf, False
    mover = Mover()
    for member in course:
        if not member.is_finite or not member.weights_id:
            continue
        if anchor is None:
            anchor = member
            continue
        moved = _between(anchor, member, mover, seen)
        if moved is None:  # all zeros before: every distance from there is infinite
            anchor = member
            continue
        if not moved.relative:  # a copy, which says nothing about how fast training moves
            continue
        gap = _gap(anchor, member)
        if not jumped:
            limit = _limit(rates, gap)
        # What follows a jump stays marked until it is back where the weights were.
        if moved.relative > (limit / 2 if jumped else limit) and not _is_better(member, anchor):
            usual = _median(rates) if rates else 0.0
            yield (
                member.path,
                Jump(since=anchor, distance=moved, usual=usual, first=not jumped),
            )
            jumped = True
            continue
        jumped = False
        bisect.insort(rates, moved.relative / gap)
        anchor = member


def _limit(rates: Sequence[float], gap: float) -> float:
    """How far the weights may move in this many epochs, by sorted rates."""
    if not rates:
        return _LEAST_JUMP_AFTER_NONE
    if len(rates) == 1:
        return max(_LEAST_JUMP_AFTER_ONE, _JUMP_OVER_ONE * rates[0] * gap)
    usual = max(_JUMP_OVER_MEDIAN * _median(rates), _JUMP_OVER_MOST * rates[-1])
    return max(_LEAST_JUMP, usual * gap)


def _median(rates: Sequence[float]) -> float:
    """The upper median of sorted rates."""
    return rates[len(rates) // 2]


def _gap(before: Member, after: Member) -> float:
    """Epochs between two checkpoints, at least one."""
    first, last = before.metadata.epoch, after.metadata.epoch
    return max(1, last - first) if first is not None and last is not None else 1


def _is_better(after: Member, before: Member) -> bool:
    """Whether the score says that the weights moved to a better place."""
    new, old = after.metadata.metric, before.metadata.metric
    if new is None or old is None or new.name != old.name or new.mode is None:
        return False
    return new.value > old.value if new.mode is Mode.MAX else new.value < old.value


def _between(before: Member, after: Member, mover: Mover, seen: Seen | None) -> Distance | None:
    found = mover.between(before, after)
    if seen is not None:
        seen(before, after, found)
    return sum_of([move for move in found if is_trained(move[0])])


class Mover:
    """Says how far tensors moved; remembers the numbers of the checkpoints that it saw last."""

    def __init__(self) -> None:
        self._last: list[tuple[Member, Samples]] = []

    def between(self, before: Member, after: Member) -> list[Move]:
        """How far each tensor of the model moved that both have samples of."""
        if before.layout is not None and before.layout is after.layout:
            here, there = self._samples(before), self._samples(after)
            if here.can_be_held_against(there):
                return here.moved_to(there)
        dtypes = {fqn: dtype for fqn, dtype, _ in after.layout or ()}
        return list(
            moves(
                SampledTensor(fqn, dtype, old[0], old[1], new[1])
                for fqn, dtype, _ in before.layout or ()
                if dtypes.get(fqn) == dtype  # the bytes of another type say something else
                and (old := sample_of(before.stats, fqn)) is not None
                and (new := sample_of(after.stats, fqn)) is not None
                and (old[0] == new[0] or len(old[1]) == len(new[1]))
            )
        )

    def _samples(self, member: Member) -> Samples:
        found = next((samples for known, samples in self._last if known is member), None)
        if found is None:
            layout = member.layout or ()
            known = samples_of(member.stats, [fqn for fqn, _, _ in layout])
            found = Samples.of(layout, known, self._last[-1][1] if self._last else None)
        others = [one for one in self._last if one[0] is not member]
        self._last = [*others[-1:], (member, found)]
        return found
