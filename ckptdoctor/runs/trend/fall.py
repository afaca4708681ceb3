"""What a metric lost, held against what the run had gained: whether it fell, and came back."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.noise import noise_of
from ckptdoctor.runs.trend.resolution import resolution_of
from ckptdoctor.runs.trend.scale import Scale

__all__ = ["Gained", "is_back", "is_fall", "is_risen"]

_FALLEN_TO = 0.5
_RISEN_TO = 10.0
_RISEN_TWICE_TO = 2.0
_LOST = 0.5
_LOST_WHEN_YOUNG = 1.0
_SIGMAS = 5.0
_FARTHER = 1.5
_BLOWN = 1.5
_BLOWN_SIGMAS = 16.0
_WINDOW = 25
_FIRST_VALUES = 3
_BACK_SIGMAS = 3.0
_BACK_SHARE = 0.1


def is_fall(value: float, best: float, mode: Mode) -> bool:
    """Whether a metric lost half of the best before it; one to minimise: rose to ten times it.

    Shares say nothing of what is below zero: see :class:`Gained`.
    """
    if best <= 0.0:
        return False
    return value < _FALLEN_TO * best if mode is Mode.MAX else value > _RISEN_TO * best


def is_risen(value: float, usual: float, mode: Mode) -> bool:
    """Whether a metric to minimise lies above twice what is usual: a collapse, where it stays."""
    return mode is Mode.MIN and 0.0 < usual * _RISEN_TWICE_TO < value


def is_back(
    value: float, *, best: float, lowest: float, before: Sequence[float], mode: Mode
) -> bool:
    """Whether a metric that fell is as good as back where it was.

    Args:
        value: now.
        best: what was lost.
        lowest: the worst since then.
        before: what the metric was before it fell, in order, for its noise.
        mode: which direction is better.
    """
    recent = before[-_WINDOW:]
    scale = Scale([value, lowest, best, *recent], mode)
    finest = resolution_of([*recent, value])
    finest = finest / abs(best) if scale.by_factor else finest
    noise = noise_of([scale.of(one) for one in recent], finest) or 0.0
    top, now = scale.of(best), scale.of(value)
    lost = top - min(now, scale.of(lowest))
    return now >= top - max(_BACK_SIGMAS * noise, _BACK_SHARE * lost, finest)


class Gained:
    """What a run has gained since it began, for metrics that may be negative.

    A loss that goes from -5 to -17, or a reward from -200 to 30, has no half and no tenfold. What
    is lost is measured by the way from the level of the first values to the best one, and by how
    the values scatter.

    Args:
        mode: which direction is better.
    """

    def __init__(self, mode: Mode) -> None:
        self._sign = 1.0 if mode is Mode.MAX else -1.0
        self._values: list[float] = []
        self._best = 0.0
        self._dip = self._deepest = 0.0
        self.signed = False

    def update(self, value: float) -> None:
        """Learn from a value that is no fall."""
        self.signed = self.signed or value < 0.0
        oriented = self._sign * value
        if not self._values or oriented >= self._best:
            self._best, self._deepest, self._dip = oriented, max(self._deepest, self._dip), 0.0
        self._dip = max(self._dip, self._best - oriented)
        self._values.append(oriented)

    def is_lost(self, value: float, *, young: bool) -> bool:
        """Whether half of what was gained is lost; in a young run, all of it.

        Args:
            value: finite.
            young: whether the run is in its first epochs still.
        """
        if not self._values:
            return False
        lost = self._best - self._sign * value
        noise = self._noise()
        if lost <= max(_SIGMAS * noise, _FARTHER * self._deepest, 0.0):
            return False
        gained = self._best - statistics.median(self._values[:_FIRST_VALUES])
        if gained > _SIGMAS * noise and len(self._values) >= _FIRST_VALUES:
            return lost > (_LOST_WHEN_YOUNG if young else _LOST) * gained
        return not young and self._is_far(value)

    def is_blown(self, value: float) -> bool:
        """Whether more than all that was gained is lost at once: no untrained net was as bad."""
        if len(self._values) < _FIRST_VALUES:
            return False
        lost, noise = self._best - self._sign * value, self._noise()
        gained = self._best - statistics.median(self._values[:_FIRST_VALUES])
        known = gained > _SIGMAS * noise
        return known and lost > max(_BLOWN * gained, _BLOWN_SIGMAS * noise)

    def _noise(self) -> float:
        """What a value may be off by; as much as it usually moves, where too few are known."""
        recent = self._values[-_WINDOW:]
        known = noise_of(recent, resolution_of(recent))
        moves = [abs(after - before) for before, after in itertools.pairwise(recent)]
        return statistics.median(moves or [0.0]) if known is None else known

    def _is_far(self, value: float) -> bool:
        """The same by shares, where nothing was gained yet and all values have one sign."""
        if max(self._sign * self._best, *(self._sign * known for known in self._values)) >= 0.0:
            return False
        best = self._sign * self._best
        return value > _FALLEN_TO * best if self._sign < 0 else value < _RISEN_TO * best
