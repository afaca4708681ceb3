"""Weights that move apart from all others by and by, as under a rate of their own.

A schedule moves all tensors alike, so what is left once the median of all is taken away is a
tensor's own. It counts where it lasts for two checkpoints, lies outside what the tensor did
before, and outside what the others do now. Where the stored rate of a tensor left those of the
others, less of it is enough: then two witnesses say the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ckptdoctor.runs.departure.course import Course, Trait
from ckptdoctor.runs.departure.past import Past, RunningMedian, lead_of, usual_distance
from ckptdoctor.runs.departure.peers import Crowd
from ckptdoctor.runs.departure.signals import logs_of

__all__ = ["LEAST_APART", "Apart"]

LEAST_APART = 0.4
"""Log of a ratio; what is less apart is not looked at."""
_FEWEST_PEERS = 4
_FEWEST_BEFORE = 2
_APART, _APART_BEFORE = 1.2, 0.9
_OVER_PEERS = 3.5
_OVER_OWN, _OVER_OWN_BEFORE = 3.0, 2.0
_RATE = 0.35


class _Ways:
    """How far a tensor was apart at each checkpoint, as far as it was gone through."""

    def __init__(self, logs: Sequence[float | None], crowd: Crowd) -> None:
        self._past = Past(logs)
        self._crowd = crowd
        self._next = 0
        self._values: list[float] = []
        self._sizes = RunningMedian()
        self._medians: list[float] = []  # of the sizes before each value
        self.last_place = -1

    def go_to(self, place: int) -> None:
        """Take what comes up to a checkpoint."""
        for at in range(self._next, place + 1):
            lead = self._past.lead(at)
            if lead is None:
                continue
            apart = lead.middle - self._crowd.at(at).middle
            self._medians.append(self._sizes.value if self._values else 0.0)
            self._values.append(apart)
            self._sizes.add(abs(apart))
            self.last_place = at
        self._next = max(self._next, place + 1)

    @property
    def now(self) -> float:
        """The last of them."""
        return self._values[-1]

    @property
    def before(self) -> float:
        """The one before."""
        return self._values[-2] if len(self._values) > 1 else -math.inf

    def deviations(self, numel: int) -> tuple[float, float]:
        """Both in standard deviations of those before them; 0.0 where these are too few."""
        return self._deviations(-1, numel), self._deviations(-2, numel)

    def _deviations(self, at: int, numel: int) -> float:
        if len(self._values) + at < _FEWEST_BEFORE:
            return 0.0
        return self._values[at] / usual_distance(self._medians[at], numel)


class Apart:
    """Looks at one tensor at one checkpoint.

    Args:
        course: what was measured.
        crowd: the ways of all weights.
    """

    def __init__(self, course: Course, crowd: Crowd) -> None:
        self._numel = course.numel
        self._crowd = crowd
        self._rates = {
            name: logs_of(values) for name, values in course.series.get(Trait.RATE, {}).items()
        }
        self._rate_crowd = Crowd(self._rates)
        self._ways: tuple[str, _Ways] | None = None

    def look(self, name: str, logs: Sequence[float | None], place: int) -> float | None:
        """By how much a tensor is apart from the others, as a log; None where it is not enough."""
        peers = self._crowd.at(place)
        if peers.count < _FEWEST_PEERS:
            return None
        ways = self._ways_of(name, logs, place)
        ways.go_to(place)
        if ways.last_place != place:
            return None
        apart = ways.now
        if apart >= LEAST_APART and self._has_risen_rate(name, place):
            return apart
        if apart < max(_APART, _OVER_PEERS * peers.around):
            return None
        now, before = ways.deviations(self._numel[name])
        lasts = ways.before >= _APART_BEFORE
        return apart if lasts and now >= _OVER_OWN and before >= _OVER_OWN_BEFORE else None

    def _ways_of(self, name: str, logs: Sequence[float | None], place: int) -> _Ways:
        """Those of a tensor, gone through once where it is looked at in order."""
        if self._ways is None or self._ways[0] != name or self._ways[1].last_place >= place:
            self._ways = name, _Ways(logs, self._crowd)
        return self._ways[1]

    def _has_risen_rate(self, name: str, place: int) -> bool:
        """Whether the stored rate of a tensor rose above its past while those of others did not."""
        logs = self._rates.get(name)
        lead = None if logs is None else lead_of(logs, place)
        peers = self._rate_crowd.at(place)
        if lead is None or peers.count < _FEWEST_PEERS:
            return False
        return min(lead.middle - peers.middle, lead.sudden - peers.sudden) >= _RATE
