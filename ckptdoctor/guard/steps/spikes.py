"""When a gradient norm stands out: far above the median of the last ones, in their own scatter.

The logarithm is judged, since norms scatter by factors. A spike must be both: beyond ten times the
median, and beyond eight robust standard deviations (1.4826 times the median absolute deviation is
one, for normal scatter; Rousseeuw and Croux, 1993). Healthy trainings stay below the first alone.
"""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["SpikeDetector"]

_SIGMA = 1.4826
_NEW_LEVEL = 10  # spikes in a row are no spikes: training has moved to another level
_LEAST = math.log(1e-30)  # a norm of zero has no logarithm


class SpikeDetector:
    """Remembers the last gradient norms.

    Args:
        window: how many.
        warmup: how many there must be before any of them is called a spike.
        factor: times the median; below that nothing is a spike.
        deviations: robust standard deviations above the median; below that nothing is.
    """

    def __init__(
        self,
        *,
        window: int = 200,
        warmup: int = 50,
        factor: float = 10.0,
        deviations: float = 8.0,
    ) -> None:
        self._warmup = warmup
        self._least_rise = math.log(factor)
        self._deviations = deviations
        self._recent: deque[float] = deque(maxlen=window)
        self._sorted: list[float] = []
        self._in_a_row = 0

    @property
    def limit(self) -> float:
        """The norm above which the next one is a spike; infinite while there are too few."""
        if len(self._recent) < self._warmup:
            return math.inf
        median = _middle(self._sorted)
        deviation = _middle(sorted(abs(value - median) for value in self._sorted))
        rise = max(self._least_rise, self._deviations * _SIGMA * deviation)
        return math.exp(min(median + rise, 700.0))  # exp overflows at 709

    def add(self, norm: float) -> bool:
        """Remember a finite norm; whether it is a spike."""
        value = max(math.log(norm), _LEAST) if norm > 0 else _LEAST
        quiet = len(self._recent) < self._warmup or (
            value <= _middle(self._sorted) + self._least_rise  # spares the deviations
        )
        spike = not quiet and norm > self.limit
        self._in_a_row = self._in_a_row + 1 if spike else 0
        if self._in_a_row >= _NEW_LEVEL:
            self._forget()
        if not spike:
            self._remember(value)
        return spike

    def _remember(self, value: float) -> None:
        if len(self._recent) == self._recent.maxlen:
            del self._sorted[bisect.bisect_left(self._sorted, self._recent[0])]
        self._recent.append(value)
        bisect.insort(self._sorted, value)

    def _forget(self) -> None:
        self._recent.clear()
        self._sorted.clear()
        self._in_a_row = 0

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` goes on from: plain numbers."""
        return {"recent": list(self._recent), "in_a_row": self._in_a_row}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another detector was."""
        self._forget()
        for value in state["recent"]:
            self._remember(float(value))
        self._in_a_row = int(state["in_a_row"])


def _middle(ordered: Sequence[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
