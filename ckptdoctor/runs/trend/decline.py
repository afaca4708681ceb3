"""Whether a metric is declining: the rule of thumb, and what chance has to do with it.

The rule: worse three epochs in a row after the best. On a plateau that happens by chance every 24
epochs, so where enough epochs are known the fall has to be more than noise explains. A slow decline
in noise is no three in a row; there the last epochs together have to lie below the level before
them. And it has to be deeper than what the metric came back from before: a restarted schedule makes
it dip every time. Where the learning rate is known, a schedule that started again is: up to a rate
at which the run had done well before, the metric may get worse until it has come down again. Right
after a change (a resume) the rule stands alone. What rounding adds to a fall is none of it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.runs.trend.noise import FEWEST_FOR_NOISE, noise_of
from ckptdoctor.runs.trend.resolution import resolution_of

__all__ = ["Decline", "DeclineDetector"]

_IN_A_ROW = 3
_WINDOW = 25
_FAR = 300  # values that are looked back at: the time taken grows with the run, not with its square
_RUN_SIGMAS = 5.0
_LEVEL_SCORE = 4.5
_LENGTHS = (3, 4, 5, 8, 12)
_LEVELS = (5, 9, 15)
_LEVEL_VARIANCE = 0.17  # of a median of nine values, in squared standard deviations of one
_FARTHEST = 5.0
_BIG_STEP = 3.0
_STILL_FALLING = 3.0
_ABOVE_ZERO = 1e-300
"""What a run of zeros has for noise, that it can be divided by."""
_SMALLEST = 0.0005  # of the best: what the last digit of a log may do
_AFTER_CHANGE = 10
_AFTER_SHIFT = 10
_YOUNG_VALUES = 3
_DEEPER = 1.3
_DEEPER_UNKNOWN = 3.0
_RETURN_SIGMAS = 4.0
_RATE_ROSE, _SAME_PEAK = 1.2, 1.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """A decline that was noticed.

    Attributes:
        best: the position of the best value before it.
        at: the position at which it was noticed.
        in_a_row: how many values were worse than the one before.
    """

    best: int
    at: int
    in_a_row: int


class DeclineDetector:
    """Takes one value an epoch, larger being better; tells when a decline is sure.

    Positions count the values that were taken.

    Args:
        young: the run begins with the first value; what a net scores in its first epochs is noise.
        after_shift: the metric just fell to another level; nothing is told until the noise there
            is known.
    """

    def __init__(self, *, young: bool = False, after_shift: bool = False) -> None:
        self._young = young
        self._settling = _AFTER_SHIFT if after_shift else 0
        self._values: list[float] = []
        self._best = 0
        self._declining = False
        self._deepest_return = 0.0
        self._fallen = 0.0
        self._changed_at: int | None = None
        self._in_a_row = 0
        self._lowest = math.inf  # since the best
        self._rate_at_best: float | None = None
        self._top_rate = self._top_at_best = 0.0

    def changed(self) -> None:
        """The run goes on from here with other settings."""
        self._changed_at = len(self._values)

    def update(self, value: float, rate: float | None = None) -> Decline | None:
        """The decline that this value makes sure, once each.

        Args:
            value: finite.
            rate: the learning rate of that time; None where it is not known.
        """
        values = self._values
        self._top_rate = max(self._top_rate, rate or 0.0)
        values.append(value)
        at = len(values) - 1
        self._in_a_row = self._in_a_row + 1 if at and value < values[at - 1] else 0
        self._lowest = min(self._lowest, value)
        if value >= values[self._best]:
            if self._fallen and self._fallen > _RETURN_SIGMAS * (self._noise(at) or 0.0):
                self._deepest_return = max(self._deepest_return, self._fallen)
            self._best, self._declining, self._fallen = at, False, 0.0
            self._lowest = value
            self._rate_at_best, self._top_at_best = rate, self._top_rate
            return None
        self._fallen = max(self._fallen, values[self._best] - value)
        if self._declining:
            noise = self._noise(at)
            if noise is not None and value > values[self._best] - noise:
                self._declining = False  # as good as back
            return None
        if (
            not self._has_restarted(rate)
            and self._may_be(at)
            and self._is_sure(at, self._noise(at))
        ):
            self._declining = True
            return Decline(best=self._best, at=at, in_a_row=self._in_a_row)
        return None

    def _has_restarted(self, rate: float | None) -> bool:
        """Whether the rate is higher than at the best, and no higher than before that."""
        then = self._rate_at_best
        if rate is None or then is None:
            return False
        return _RATE_ROSE * then < rate <= _SAME_PEAK * self._top_at_best

    def _may_be(self, at: int) -> bool:
        """Whether the noise has to be known: most values are not the lowest since the best."""
        values = self._values
        if self._changed_at is not None and at - self._changed_at < _AFTER_CHANGE:
            return True
        if values[self._best] - values[at] < _DEEPER * self._deepest_return:
            return False
        is_lowest = values[at] <= self._lowest
        return is_lowest or at - 2 - self._known_from(at) < FEWEST_FOR_NOISE

    def _is_sure(self, at: int, noise: float | None) -> bool:
        values, in_a_row = self._values, self._in_a_row
        if at < self._settling:
            return False
        fresh = self._changed_at is not None and at - self._changed_at < _AFTER_CHANGE
        deeper = _DEEPER if noise is not None else _DEEPER_UNKNOWN
        if not fresh and values[self._best] - values[at] < deeper * self._deepest_return:
            return False
        if noise is None or fresh:
            young = self._young and self._best < _YOUNG_VALUES and not fresh
            return in_a_row >= _IN_A_ROW and not young
        rounded = self._resolution(at)
        if values[at] > self._lowest or self._is_step(at, noise, rounded):
            return False
        fallen = values[at - in_a_row] - values[at] - rounded
        if in_a_row >= _IN_A_ROW and fallen >= _RUN_SIGMAS * noise:
            return True
        scores = (_score(values, length, noise, rounded) for length in _LENGTHS)
        return max(scores) >= _LEVEL_SCORE

    def _is_step(self, at: int, noise: float, rounded: float) -> bool:
        """Whether most was lost at once and little since: what a restarted schedule does."""
        values = self._values
        big = [
            position
            for position in range(max(self._best, at - _FAR) + 1, at + 1)
            if values[position - 1] - values[position] >= _BIG_STEP * noise
        ]
        if not 0 < len(big) < _IN_A_ROW:
            return False
        return values[big[-1]] - values[at] - rounded < _STILL_FALLING * noise

    def _noise(self, at: int) -> float | None:
        """What chance does, as the epochs before tell; not those of the fall itself."""
        known = self._values[self._known_from(at) : at - 2]
        noise = noise_of(known, self._resolution(at))
        least = max(_SMALLEST * abs(self._values[self._best]), _ABOVE_ZERO)
        return None if noise is None else max(noise, least)

    def _known_from(self, at: int) -> int:
        return max(0, self._best - _WINDOW, at - 2 - _FAR)

    def _resolution(self, at: int) -> float:
        return resolution_of(self._values[max(0, at - _WINDOW) : at + 1])


def _score(values: Sequence[float], length: int, noise: float, rounded: float) -> float:
    """How far the last values lie below the level before them, in standard deviations."""
    before = values[max(0, len(values) - length - _LEVELS[-1]) : -length]
    if len(before) < _LEVELS[0]:
        return 0.0
    level = max(statistics.median(before[-count:]) for count in _LEVELS) - rounded / 2
    below = [max(-_FARTHEST, min(_FARTHEST, (level - v) / noise)) for v in values[-length:]]
    return float(sum(below) / (length + length**2 * _LEVEL_VARIANCE) ** 0.5)
