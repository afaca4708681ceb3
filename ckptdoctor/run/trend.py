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
_FALLEN_TO = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """What a metric did.

    Attributes:
        best: the epoch of the best value; None without one.
        decline: the first and the last epoch of a decline after the best; None if there is none.
        collapse: the first epoch of a fall that the metric did not come back from: half of the best
            lost at once, or NaN; None if there is none.
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
    """The epoch from which on the best was never reached again, after a fall."""
    best: float | None = None
    fallen: int | None = None
    for epoch, value in ordered:
        better = math.isfinite(value) and (
            best is None or (value > best if mode is Mode.MAX else value < best)
        )
        if better:
            best, fallen = value, None  # it came back: what lay between was no collapse
        elif best is not None and fallen is None and _is_fall(value, best, mode):
            fallen = epoch
    return fallen


def _is_fall(value: float, best: float, mode: Mode) -> bool:
    """Whether a value is not finite, or lost half of the best before it (a loss: ten times it)."""
    if not math.isfinite(value):
        return True
    return best > 0.0 and (value < _FALLEN_TO * best if mode is Mode.MAX else value > 10 * best)


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
