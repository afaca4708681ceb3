"""What the files of a run tell without a log: a best that froze, buffers that jumped."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence

from ckptdoctor.histories import Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Mode

__all__ = ["FrozenBest", "JumpedBuffer", "frozen_best", "jumped_buffers"]

_FEWEST_RISES = 6
_FEWEST_FROZEN = 5  # checkpoints
_OVER_LONGEST = 4.0
_STILL_RISING = 0.5
_LATEST_RISES = 3
_FEWEST_MOVES = 3
_LEAST_FACTOR = 10.0
_OVER_MOST = 4.0
_MOST_LOG = 700.0  # of a factor that is a float still


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenBest:
    """A running best that stopped rising from one checkpoint to the next.

    Attributes:
        since: the position of the last improvement.
        last: the newest position.
        value: of the best.
        longest: the longest way between two improvements before.
    """

    since: Position
    last: Position
    value: float
    longest: Position


def frozen_best(bests: Sequence[tuple[Position, float]], mode: Mode) -> FrozenBest | None:
    """A best that stands still far longer than it ever did, and stopped while it still rose fast.

    A run that converges improves by less and less before it stops; one that broke does not.

    Args:
        bests: the stored running best by position, in order; what is not finite is left out.
        mode: which direction is better.
    """
    sign = 1.0 if mode is Mode.MAX else -1.0
    known = [(at, sign * value) for at, value in bests if math.isfinite(value)]
    rises = [
        (at, value - before)
        for (_, before), (at, value) in itertools.pairwise(known)
        if value > before
    ]
    if len(rises) < _FEWEST_RISES:
        return None
    since, last = rises[-1][0], known[-1][0]
    frozen = sum(at > since for at, _ in known)
    improved = [known[0][0], *(at for at, _ in rises)]
    longest = max(after - before for before, after in itertools.pairwise(improved))
    steps = [step for _, step in rises]
    latest = sum(steps[-_LATEST_RISES:]) / _LATEST_RISES  # fmean raises where sums are infinite
    is_fast = latest >= _STILL_RISING * statistics.median(steps)
    if frozen < _FEWEST_FROZEN or last - since < _OVER_LONGEST * longest or not is_fast:
        return None
    return FrozenBest(since=since, last=last, value=sign * known[-1][1], longest=longest)


@dataclass(frozen=True, slots=True, kw_only=True)
class JumpedBuffer:
    """A buffer or norm that is suddenly of another size.

    Attributes:
        at: the position.
        name: of the tensor.
        before, after: its size.
        usual: the largest factor between two checkpoints before.
    """

    at: Position
    name: str
    before: float
    after: float
    usual: float


def jumped_buffers(
    run: Sequence[tuple[Position, Mapping[str, float]]],
) -> Iterator[JumpedBuffer]:
    """Positions at which tensors grow or shrink by a factor far beyond all before, the worst each.

    Args:
        run: by position, in order, the size of each tensor: the largest ``running_var``, a norm.
    """
    series: dict[str, list[float]] = {}
    for at, sizes in run:
        found: list[tuple[float, JumpedBuffer]] = []
        for name, size in sizes.items():
            known = series.setdefault(name, [])
            if not 0.0 < size < math.inf:
                continue
            jump = _jump(at, name, known, size)
            if jump is not None:
                found.append((abs(math.log(jump.after) - math.log(jump.before)), jump))
            known.append(size)
        if found:
            yield max(found, key=lambda pair: pair[0])[1]


def _jump(at: Position, name: str, known: Sequence[float], size: float) -> JumpedBuffer | None:
    if len(known) <= _FEWEST_MOVES:
        return None
    logs = [math.log(value) for value in known]
    moves = [abs(after - before) for before, after in itertools.pairwise(logs)]
    moved, most = abs(math.log(size) - logs[-1]), max(moves)
    # of all the way so far, too: what is young moves far
    if moved < max(math.log(_LEAST_FACTOR), _OVER_MOST * most, max(logs) - min(logs)):
        return None
    usual = math.exp(min(most, _MOST_LOG))
    return JumpedBuffer(at=at, name=name, before=known[-1], after=size, usual=usual)
