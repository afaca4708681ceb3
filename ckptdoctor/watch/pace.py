"""How often something is written in a run, and when silence is too long."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable

__all__ = ["Pace"]

_FEWEST = 3
_REMEMBERED = 100
_LONGER = 1.5  # than the longest gap there was: a validation, a checkpoint on a slow disk


class Pace:
    """The gaps between two signs of life.

    Args:
        factor: silence is too long from so many usual gaps on.
        least_s: and never before so many seconds.
    """

    def __init__(self, factor: float, least_s: float) -> None:
        self._factor = factor
        self._least_s = least_s
        self._gaps: deque[float] = deque(maxlen=_REMEMBERED)
        self._longest: list[float] = []
        self._last_s: float | None = None

    def learn(self, gaps_s: Iterable[float]) -> None:
        """Gaps that are known from before."""
        self._gaps.extend(gap for gap in gaps_s if gap > 0)

    def beat(self, now_s: float) -> None:
        """A sign of life."""
        if self._last_s is not None and now_s > self._last_s:
            gap = now_s - self._last_s
            self._gaps.append(gap)
            self._longest = sorted([*self._longest, gap])[-2:]
        self._last_s = now_s

    def since(self, now_s: float) -> float:
        """Seconds since the last sign of life; 0 before the first."""
        return 0.0 if self._last_s is None else now_s - self._last_s

    @property
    def usual_s(self) -> float | None:
        """The usual gap in seconds; None while too few are known."""
        return statistics.median(self._gaps) if len(self._gaps) >= _FEWEST else None

    @property
    def limit_s(self) -> float | None:
        """How long a silence may be; None while too little is known."""
        usual = self.usual_s
        if usual is None:
            return None
        return max(self._least_s, self._factor * usual, _LONGER * max(*self._gaps, self._twice_s))

    @property
    def _twice_s(self) -> float:
        """The longest silence that was there twice, such as a validation at the end of an epoch."""
        return self._longest[0] if len(self._longest) == 2 else 0.0
