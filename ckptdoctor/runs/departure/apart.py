"""Weights that move apart from all others by and by, as under a rate of their own.

A schedule moves all tensors alike, so what is left once the median of all is taken away is a
tensor's own. It counts where it lasts for two checkpoints, lies outside what the tensor did
before, and outside what the others do now. Where the stored rate of a tensor left those of the
others, less of it is enough: then two witnesses say the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from ckptdoctor.runs.departure.course import Course, Trait
from ckptdoctor.runs.departure.past import lead_of, usual_distance
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

    def look(self, name: str, logs: Sequence[float | None], place: int) -> float | None:
        """By how much a tensor is apart from the others, as a log; None where it is not enough."""
        peers = self._crowd.at(place)
        if peers.count < _FEWEST_PEERS:
            return None
        history = self._history(logs, place)
        if not history or history[-1][0] != place:
            return None
        apart = history[-1][1]
        if apart >= LEAST_APART and self._has_risen_rate(name, place):
            return apart
        if apart < max(_APART, _OVER_PEERS * peers.around):
            return None
        values = [value for _, value in history]
        now, before = self._deviations(name, values), self._deviations(name, values[:-1])
        lasts = len(values) > 1 and values[-2] >= _APART_BEFORE
        return apart if lasts and now >= _OVER_OWN and before >= _OVER_OWN_BEFORE else None

    def _history(self, logs: Sequence[float | None], place: int) -> list[tuple[int, float]]:
        """How far it was apart at each checkpoint up to this one."""
        return [
            (at, lead.middle - self._crowd.at(at).middle)
            for at in range(place + 1)
            if (lead := lead_of(logs, at)) is not None
        ]

    def _deviations(self, name: str, apart: Sequence[float]) -> float:
        """The last of them in standard deviations of those before."""
        if len(apart) <= _FEWEST_BEFORE:
            return 0.0
        return apart[-1] / usual_distance(apart[:-1], self._numel[name])

    def _has_risen_rate(self, name: str, place: int) -> bool:
        """Whether the stored rate of a tensor rose above its past while those of others did not."""
        logs = self._rates.get(name)
        lead = None if logs is None else lead_of(logs, place)
        peers = self._rate_crowd.at(place)
        if lead is None or peers.count < _FEWEST_PEERS:
            return False
        return min(lead.middle - peers.middle, lead.sudden - peers.sudden) >= _RATE
