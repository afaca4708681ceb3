"""Whether a metric was uneasy before it fell: what a rate past the edge does at first.

A fall may begin with steps that look like noise. They are more than noise where the metric got
worse several times in a row, or fell farther than ever before and made no headway since.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence

from ckptdoctor.histories import Position

__all__ = ["Score", "first_good", "last_good", "last_headway", "unrest_of"]

Score = tuple[Position, float]
"""A position, and the metric there, its sign turned so that more is better."""

_NEAR = 0.2
_IN_A_ROW = 2
_OVER_NOISE = 1.5
_FARTHER, _PLAIN = 2.0, 0.1
_NO_HEADWAY = 0.5
_ANOTHER = 2.0


def last_good(scores: Sequence[Score]) -> Position | None:
    """The last position with a score near the best up to then; None where there is no score.

    Args:
        scores: in order, before the fall was plain.
    """
    good: Position | None = None
    best = None
    for place, score in scores:
        best = score if best is None else max(best, score)
        if score >= best - _NEAR * abs(best):
            good = place
    return good


def first_good(scores: Sequence[Score]) -> Position | None:
    """The first position with a score near the best of all; None where there is no score.

    Args:
        scores: in order, up to where all was well.
    """
    best = max((score for _, score in scores), default=0.0)
    return next((at for at, score in scores if score >= best - _NEAR * abs(best)), None)


def last_headway(losses: Sequence[Score]) -> Position | None:
    """The position of the lowest loss, behind which nothing was gained; None where none is known.

    The training loss is a mean over a whole epoch and falls from epoch to epoch while a run learns.
    It stops doing so before a metric on few examples shows that the rate is past the edge. A loss
    that doubled at once and fell on from there is another one: further heads, another weight.

    Args:
        losses: in order, lower is better; those that are not finite do not count.
    """
    known = [(at, loss) for at, loss in losses if math.isfinite(loss)]
    for at in range(len(known) - 1, 0, -1):
        later = [loss for _, loss in known[at:]]
        rose = later[0] > _ANOTHER * known[at - 1][1]
        if rose and len(later) > _IN_A_ROW and min(later) < later[0]:
            known = known[at:]
            break
    return min(known, key=lambda one: one[1])[0] if known else None


def unrest_of(scores: Sequence[Score]) -> Position | None:
    """The last position before the metric became uneasy; None where it fell out of calm.

    Args:
        scores: in order, up to where the fall began.
    """
    found = [at for at in (_worsening(scores), _first_large_fall(scores)) if at is not None]
    return min(found, default=None)


def _worsening(scores: Sequence[Score]) -> Position | None:
    """Where the metric began to get worse every time up to the end, if that is more than noise."""
    start = len(scores) - 1
    while start > 0 and scores[start - 1][1] > scores[start][1]:
        start -= 1
    if len(scores) - 1 - start < _IN_A_ROW:
        return None
    falls = _falls([score for _, score in scores[: start + 1]])
    usual = statistics.median(falls) if falls else 0.0
    is_more = scores[start][1] - scores[-1][1] > _OVER_NOISE * usual
    return scores[start][0] if is_more else None


def _first_large_fall(scores: Sequence[Score]) -> Position | None:
    """The position before the first fall that was larger than all before and ended the headway."""
    values = [score for _, score in scores]
    later = list(itertools.accumulate(reversed(values), max))[::-1]  # the best from each on
    best, before = -math.inf, 0.0
    for at in range(1, len(values)):
        best, fall = max(best, values[at - 1]), values[at - 1] - values[at]
        is_large = fall > _PLAIN * abs(best) and fall > _FARTHER * before
        if is_large and later[at] < best + _NO_HEADWAY * fall:
            return scores[at - 1][0]
        before = max(before, fall)
    return None


def _falls(values: Sequence[float]) -> list[float]:
    return [old - new for old, new in itertools.pairwise(values) if new < old]
