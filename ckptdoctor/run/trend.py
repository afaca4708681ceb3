"""What a metric does over the epochs: where it declines, and where it collapses.

The rules of thumb are the usual ones: a metric that gets worse three epochs in a row after its best
is declining, and one that loses half of its best from one epoch to the next has collapsed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from ckptdoctor.metadata import Mode

__all__ = ["Trend", "trend_of"]

_DECLINING_EPOCHS = 3
_COLLAPSED_TO = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """What a metric did.

    Attributes:
        best: the epoch of the best value; None without one.
        decline: the first and the last epoch of a decline after the best; None if there is none.
        collapse: the first epoch whose value collapsed or is not finite; None if there is none.
    """

    best: int | None = None
    decline: tuple[int, int] | None = None
    collapse: int | None = None

    def speaks_against(self, epoch: int) -> str:
        """Why the score of an epoch cannot be relied on; "" where nothing speaks against it."""
        if self.collapse is not None and epoch >= self.collapse:
            return f"since the collapse at {self.collapse}"
        if self.decline is not None and self.decline[0] <= epoch <= self.decline[1]:
            return f"in the decline {self.decline[0]}–{self.decline[1]}"
        return ""


def trend_of(points: Mapping[int, float], mode: Mode) -> Trend:
    """The trend of a metric.

    Args:
        points: epoch -> value.
        mode: which direction is better.
    """
    sign = 1.0 if mode is Mode.MAX else -1.0
    ordered = sorted(points.items())
    collapse = _collapse(ordered, mode)
    sound = [
        (epoch, sign * value)
        for epoch, value in ordered
        if math.isfinite(value) and (collapse is None or epoch < collapse)
    ]
    if not sound:
        return Trend(collapse=collapse)
    best = max(sound, key=lambda point: (point[1], -point[0]))[0]
    return Trend(best=best, decline=_decline(sound, best), collapse=collapse)


def _collapse(ordered: list[tuple[int, float]], mode: Mode) -> int | None:
    """The first epoch whose value is not finite, or lost half of the best before it."""
    best: float | None = None
    for epoch, value in ordered:
        if not math.isfinite(value):
            if best is not None:
                return epoch
            continue
        if best is not None and best > 0.0:
            lost = value < _COLLAPSED_TO * best if mode is Mode.MAX else value > best / 0.1
            if lost:
                return epoch
        better = best is None or (value > best if mode is Mode.MAX else value < best)
        best = value if better else best
    return None


def _decline(sound: list[tuple[int, float]], best: int) -> tuple[int, int] | None:
    """The first run of three epochs or more after the best, each worse than the one before."""
    run: list[int] = []
    for (_, before), (epoch, value) in itertools.pairwise(sound):
        if epoch > best and value < before:
            run.append(epoch)
            continue
        if len(run) >= _DECLINING_EPOCHS:
            break
        run = []
    return (run[0], run[-1]) if len(run) >= _DECLINING_EPOCHS else None
