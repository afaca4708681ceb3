"""A loss that is at once as high as before anything was learned, and stays there."""

from __future__ import annotations

import math
import statistics
from collections import deque

from ckptdoctor.histories import Position
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.noise import noise_of

__all__ = ["Unlearned"]

_IN_A_ROW = 2
"""A single one may be a bad batch."""
_FEWEST_KNOWN = 4
_FIRST_VALUES = 3
_WINDOW = 25
_LEAST_RISE = math.log(1.5)
_SIGMAS, _FARTHER = 5.0, 1.5
_LEARNED = math.log(1.5)
_ALL_LOST, _AT_ONCE = 0.9, 0.5
_WORSE_THAN_EVER = 1.5
_STAYS = 0.5


class Unlearned:
    """Takes one value of a metric to minimise after the other, of those above zero.

    A validation loss that overfits rises to where it began, too, but by and by.

    Args:
        mode: which direction is better; nothing is ever told of a metric to maximise.
    """

    def __init__(self, mode: Mode) -> None:
        self._minimises = mode is Mode.MIN
        self._first: list[float] = []
        self._recent: deque[float] = deque(maxlen=_WINDOW)  # logarithms
        self._count = 0
        self._best, self._worst, self._steepest = math.inf, 0.0, 0.0
        self._since: Position | None = None
        self._row = 0
        self._rose = 0.0

    def update(self, at: Position, value: float) -> Position | None:
        """From where on all that was learned is lost; None while it is not.

        Args:
            at: of the clock.
            value: finite.
        """
        if not self._minimises or not (self._stays(value) or self._is_lost(value)):
            self._since, self._row = None, 0
            if value > 0.0:
                self._learn(value)
            return None
        self._since = at if self._since is None else self._since
        self._row += 1
        return self._since if self._row >= _IN_A_ROW else None

    def _learn(self, value: float) -> None:
        now = math.log(value)
        if self._recent:
            self._steepest = max(self._steepest, now - self._recent[-1])
        self._recent.append(now)
        self._best, self._worst = min(self._best, value), max(self._worst, value)
        self._count += 1
        if self._count <= _FIRST_VALUES:
            self._first.append(value)

    def _stays(self, value: float) -> bool:
        """Whether most of a rise that was seen is still there."""
        if self._since is None or value <= 0.0:
            return False
        return math.log(value) - self._recent[-1] > _STAYS * self._rose

    def _is_lost(self, value: float) -> bool:
        if self._count < _FEWEST_KNOWN or value <= 0.0:
            return False
        risen = math.log(value) - self._recent[-1]
        if risen <= max(_LEAST_RISE, _FARTHER * self._steepest):
            return False
        if risen <= _SIGMAS * (noise_of([*self._recent]) or 0.0):
            return False
        start = statistics.median(self._first)
        learned = math.log(start) - math.log(self._best)
        self._rose = risen
        is_back = value >= _ALL_LOST * start and learned >= _LEARNED and risen > _AT_ONCE * learned
        return is_back or value > _WORSE_THAN_EVER * self._worst
