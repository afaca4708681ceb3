"""Whether a metric fell to another level from one value to the next, and stays there.

A collapse loses half of everything; a level shift loses less, but far more than the noise, at once
and for good: .93 for thirty epochs, then .84. What has to be told from it falls as suddenly and
comes back: one bad value; a learning rate that starts again; layers that are unfrozen; other data
for a while. So two values have to agree on the new level, where one that is on its way back climbs
already. A dip that is no deeper than one that the run came back from has to last longer than that
one did, and one that begins with a higher rate has to outlast it.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.noise import FEWEST_FOR_NOISE, noise_of
from ckptdoctor.runs.trend.resolution import ROUNDED, resolution_of
from ckptdoctor.runs.trend.scale import Scale

__all__ = ["FoundShift", "ShiftDetector", "is_regained"]

_SIGMAS = 8.0
_SHARE = 0.03  # of what the run had gained
_LEAST_FACTOR = 0.18  # of a loss, as a logarithm: a fifth more
_SMALLEST = 0.0005  # of the level: what the last digit of a log may do
_AGREE_SIGMAS = 4.5
_AGREE_SHARE = 0.15
_AT_LEVEL = 0.25  # of the fall: how much may have been lost before it
_LARGE = 0.3  # of what the run had gained: no restart of a schedule costs as much
_LARGE_SHARE, _LARGE_FACTOR, _LARGE_SIGMAS = 0.2, 0.4, 15.0  # of the level; of a loss; of the noise
_AGREE_LARGE = 0.5
_LEVEL = 5  # values
_USUAL_MOVES = 10.0
_WINDOW = 25
_FIRST_VALUES = 3
_REGAINED = 0.5
_DEEPER, _LONGER = 1.3, 1.5
_RATE_ROSE = 1.2
_SETTLED = 8  # values after which a new level is one to fall from


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundShift:
    """A fall that was noticed.

    Attributes:
        at: how many values came before the first one at the new level.
        before, after: the levels.
    """

    at: int
    before: float
    after: float


@dataclass(slots=True, kw_only=True)
class _Dip:
    """A fall that the metric has not come back from yet.

    Attributes:
        depth: on the scale.
        rate: the learning rate before it, where it rose with the fall; it may take as long as
            the rate takes to come down again.
        told: whether it was told.
    """

    found: FoundShift
    depth: float
    rate: float | None
    told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """What was usual before a fall, on the scale."""

    level: float
    last: float
    noise: float
    gained: float
    known: int
    by_factor: bool
    resolution: float

    @property
    def least(self) -> float:
        """What has to be lost at least."""
        if self.known < FEWEST_FOR_NOISE:
            return max(_USUAL_MOVES * self.noise, self.large)
        floor = _LEAST_FACTOR if self.by_factor else 0.0
        return max(_SIGMAS * self.noise, _SHARE * self.gained, floor)

    @property
    def large(self) -> float:
        """More than any restart of a schedule costs."""
        least = _LARGE_FACTOR if self.by_factor else _LARGE_SHARE * abs(self.level)
        return max(_LARGE * self.gained, _LARGE_SIGMAS * self.noise, least)


def is_regained(value: float, *, before: float, after: float, mode: Mode) -> bool:
    """Whether half of what was lost is made up for: then it was a dip, and no new level.

    Args:
        value: now.
        before: the level that was lost.
        after: the one that it fell to.
        mode: which direction is better.
    """
    scale = Scale([value, before, after], mode)
    top, floor = scale.of(before), scale.of(after)
    return scale.of(value) >= top - _REGAINED * (top - floor)


class ShiftDetector:
    """Takes one value after the other; tells of a fall with the second value at the new level.

    Args:
        mode: which direction is better.
    """

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._first: list[float] = []
        self._values: list[float] = []  # the last of them
        self._rates: list[float | None] = []
        self._count = 0
        self._best: float | None = None
        self._dips: list[_Dip] = []
        self._deepest = 0.0
        self._longest = 0

    @property
    def standing(self) -> FoundShift | None:
        """The last fall that was told and that the metric has not come back from."""
        return next((dip.found for dip in reversed(self._dips) if dip.told), None)

    def update(self, value: float, rate: float | None = None) -> FoundShift | None:
        """The fall that this value makes sure, once each.

        Args:
            value: finite.
            rate: the learning rate of that time, as far as it is known.
        """
        self._take(value, rate)
        late = self._outlasting(rate)
        if late is not None:
            return late
        newest = self._dips[-1].found.at if self._dips else None
        if newest is not None and self._count - newest < _SETTLED:
            return None
        for fallen in (2, 3):
            dip = self._fall(fallen)
            if dip is not None:
                self._dips = [*self._dips[-3:], dip]
                return dip.found if dip.told else None
        return None

    def _take(self, value: float, rate: float | None) -> None:
        self._count += 1
        if len(self._first) < _FIRST_VALUES:
            self._first.append(value)
        better = max if self._mode is Mode.MAX else min
        self._best = value if self._best is None else better(value, self._best)
        self._values = [*self._values[-_WINDOW - _FIRST_VALUES :], value]
        self._rates = [*self._rates[-_WINDOW - _FIRST_VALUES :], rate]
        for dip in [dip for dip in self._dips if self._is_over(dip, value)]:
            self._dips.remove(dip)
            self._deepest = max(self._deepest, dip.depth)
            self._longest = max(self._longest, self._count - dip.found.at)

    def _is_over(self, dip: _Dip, value: float) -> bool:
        found = dip.found
        return is_regained(value, before=found.before, after=found.after, mode=self._mode)

    def _outlasting(self, rate: float | None) -> FoundShift | None:
        """A fall that was held back, and lasts longer than those that the run came back from."""
        for dip in self._dips:
            if dip.told or (dip.rate is not None and rate is not None and rate > dip.rate):
                continue
            if dip.rate is not None or self._count - dip.found.at > _LONGER * self._longest + 1:
                dip.told = True
                return dip.found
        return None

    def _fall(self, fallen: int) -> _Dip | None:
        """The fall that the last values are, if they are one.

        Args:
            fallen: how many of them lie below; of three the first may be on the way down.
        """
        level = sorted(self._values[-fallen - _LEVEL : -fallen])
        if len(level) < _LEVEL:
            return None
        one, two = self._values[-2:]
        better = max if self._mode is Mode.MAX else min
        if better(one, two, level[_LEVEL // 2]) in (one, two):
            return None  # as most values are, which asks for no more
        earlier = self._values[:-fallen]
        scale = Scale([*self._values, *self._first], self._mode)
        before = self._before(earlier, scale)
        high, low = sorted((scale.of(one), scale.of(two)), reverse=True)
        lost = before.level - high - before.resolution / 2
        if lost < before.least or before.last < before.level - _AT_LEVEL * lost:
            return None
        is_large = lost >= before.large and high - low <= _AGREE_LARGE * lost
        if not is_large and (fallen > 2 or not _agree(high, low, lost, before.noise)):
            return None
        at = self._count - fallen
        middle = one / 2 + two / 2  # their sum may overflow
        found = FoundShift(at=at, before=_middle(earlier), after=middle)
        rate = None if is_large else self._risen_rate(fallen)
        held = rate is not None or lost <= _DEEPER * self._deepest
        return _Dip(found=found, depth=lost, rate=rate, told=not held)

    def _before(self, earlier: Sequence[float], scale: Scale) -> _Before:
        known = [scale.of(value) for value in earlier]
        finest = resolution_of(self._values[-_WINDOW:])
        finest = finest / abs(_middle(earlier)) if scale.by_factor else finest
        noise = noise_of(known[-_WINDOW:], finest)
        if noise is None or len(known) < FEWEST_FOR_NOISE:
            moves = [abs(after - before) for before, after in itertools.pairwise(known)]
            noise = statistics.median(moves)
        level = statistics.median(known[-_LEVEL:])
        smallest = _SMALLEST * (1.0 if scale.by_factor else abs(level))
        best = level if self._best is None else scale.of(self._best)
        first = statistics.median(scale.of(value) for value in self._first)
        return _Before(
            level=level,
            last=known[-1],
            noise=max(noise, smallest, ROUNDED * finest),
            gained=max(0.0, best - first),
            known=len(known),
            by_factor=scale.by_factor,
            resolution=finest,
        )

    def _risen_rate(self, fallen: int) -> float | None:
        """The learning rate before the fall, if it rose with it."""
        rates = self._rates[-fallen - 2 :]
        before = rates[0] if rates else None
        later = [rate for rate in rates[1:] if rate is not None]
        if before is None or not later or max(later) <= _RATE_ROSE * before:
            return None
        return before


def _agree(high: float, low: float, lost: float, noise: float) -> bool:
    """Whether two values lie on one level."""
    return high - low <= max(_AGREE_SIGMAS * noise, _AGREE_SHARE * lost)


def _middle(earlier: Sequence[float]) -> float:
    return statistics.median(earlier[-_LEVEL:])
