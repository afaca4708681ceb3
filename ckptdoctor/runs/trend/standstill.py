"""Whether values stand still to the last digit: nothing is learned, or nothing is computed."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import deque
from collections.abc import Mapping

from ckptdoctor.histories import Clock
from ckptdoctor.metadata import Split, split_of
from ckptdoctor.runs.trend.named import is_loss
from ckptdoctor.runs.trend.resolution import repeats, resolution_of

__all__ = ["Standstill"]

_SAME, _SAME_OF_FEW_DIGITS, _SAME_STEPS = 6, 15, 100
_DIGITS = 4
"""So many of a value that does not change are no chance."""
_CHANCE = 1e-6
"""Of so many same values, below which it is none."""
_SEEN = 1.5
"""Resolutions that a usual move is, at least: what moves by one at times may stand just as well."""
_MOVES, _FEWEST_MOVES, _LAST = 10, 5, 3
"""What converges moves less and less: the last moves count for themselves, too."""
_WINDOW = 25
_TO_SIGMA = 1.4826
_ENDS = frozenset({0.0, 1.0, 100.0})


class Standstill:
    """Takes the values of one position after the other.

    How often the same digits may come by chance depends on how many the log prints: a score that
    moves by 0.003 is 0.55 for fifteen epochs where it has two. So the moves just before are held
    against the resolution of the print; where that hides them, nothing is told. What stands still
    since the run began did not move before: there the number of its digits has to do.

    Args:
        metric: the name of the metric that the run is judged by.
        clock: what the positions count.
    """

    def __init__(self, metric: str, clock: Clock) -> None:
        self._metric = metric
        self._clock = clock
        self._same = 0
        self._held: dict[str, float] = {}
        self._known: dict[str, deque[float]] = {}
        self._needed = math.inf

    def update(self, values: Mapping[str, float]) -> int | None:
        """For how many values the metric and all losses have stood still, as soon as it is sure.

        Args:
            values: of this position, by name.
        """
        watched = {n: v for n, v in values.items() if n == self._metric or is_loss(n)}
        same = bool(watched) and watched == self._held and not set(watched.values()) & _ENDS
        same = same and not any(map(math.isnan, watched.values()))  # told already, as NaN
        if not same:
            self._learn(self._held)
            self._same, self._held, self._needed = 1, watched, math.inf
            return None
        self._same += 1
        if self._metric not in watched:
            return None
        if self._same == _SAME:
            self._needed = self._most_by_chance()
        return self._same if self._same == self._needed else None

    def _learn(self, values: Mapping[str, float]) -> None:
        """What did not stand still, as often as it came."""
        for name, value in values.items():
            if math.isfinite(value):
                known = self._known.setdefault(name, deque(maxlen=_WINDOW))
                known.extend([value] * min(self._same, _WINDOW))

    def _most_by_chance(self) -> float:
        """How often the same values may come; infinitely often where the print hides all moves."""
        by_step = self._clock is Clock.STEP and is_loss(self._metric)
        is_steps = by_step and split_of(self._metric) is not Split.VALIDATION
        least = _SAME_STEPS if is_steps else _SAME
        chances = [self._repeats(name, value) for name, value in self._held.items()]
        known = [chance for chance in chances if chance is not None]
        if not known:
            few = len(f"{self._held[self._metric]:.6g}".replace(".", "").strip("-0")) < _DIGITS
            return max(least, _SAME_OF_FEW_DIGITS if few else _SAME)
        chance = min(known)
        if chance >= 1.0:
            return math.inf
        return max(least, 1 + math.ceil(math.log(_CHANCE) / math.log(chance))) if chance else least

    def _repeats(self, name: str, value: float) -> float | None:
        """The chance that a value comes again; None where too little is known of its moves."""
        known = [*self._known.get(name, ()), value]
        moves = [abs(b - a) for a, b in itertools.pairwise(known[-_MOVES - 1 :])]
        if len(moves) < _FEWEST_MOVES:
            return None
        resolution = resolution_of(known)
        usual = min(statistics.median(moves), statistics.median(moves[-_LAST:]))
        if usual < _SEEN * resolution:
            return 1.0
        return repeats(_TO_SIGMA * usual / math.sqrt(2), resolution)
