"""How far a figure lies outside its own past, and outside what its peers do; all in log space."""

from __future__ import annotations

import bisect
import itertools
import math
import statistics
from collections import deque
from collections.abc import Sequence

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.runs.trend.noise import deviation

__all__ = [
    "FEWEST",
    "WINDOW",
    "Lead",
    "Past",
    "Peers",
    "RunningMedian",
    "lead_of",
    "leaps",
    "peers_of",
    "usual_distance",
]

FEWEST = 5
"""Known values before a figure is judged: what is young moves far."""
WINDOW = 8
LAG = 3
"""Checkpoints: what grows by and by is held against what was so long ago."""
_FLOOR = 0.05
_PEER_FLOOR = 0.1
_TO_SIGMA = 1.4826
_LEAP = 3.0
_GROWN, _FAR = 3.0, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """How far a figure lies above what it was lately.

    Attributes:
        sudden: log of the ratio to the largest of the values before.
        grown: the same to the largest of those that are some checkpoints old.
        middle: the same to their median.
        noise: standard deviation of the steps from one log to the next, until then.
    """

    sudden: float
    grown: float
    middle: float
    noise: float


def lead_of(logs: Sequence[float | None], place: int) -> Lead | None:
    """How far ahead of its own past a figure is; None where it, or its past, is not known.

    Args:
        logs: of a tensor's trait, by checkpoint.
        place: the checkpoint. Nothing behind it is looked at.
    """
    now = logs[place]
    if now is None:
        return None
    past = [value for value in logs[:place] if value is not None]
    if len(past) < FEWEST:
        return None
    recent = past[-WINDOW:]
    steps = [abs(new - old) for old, new in itertools.pairwise(past)]
    return Lead(
        sudden=now - max(recent),
        grown=now - max(past[-WINDOW - LAG : 1 - LAG]),
        middle=now - statistics.median(recent),
        noise=max(_FLOOR, _TO_SIGMA * statistics.median(steps)),
    )


class RunningMedian:
    """The median of values that come one by one."""

    def __init__(self) -> None:
        self._sorted: list[float] = []

    def add(self, value: float) -> None:
        """One more."""
        bisect.insort(self._sorted, value)

    @property
    def value(self) -> float:
        """As ``statistics.median`` has it, of one value at least."""
        half, is_odd = divmod(len(self._sorted), 2)
        upper = self._sorted[half]
        return upper if is_odd else (self._sorted[half - 1] + upper) / 2


class Past:
    """:func:`lead_of` at one checkpoint after the other, at a cost that does not grow.

    Args:
        logs: of a tensor's trait, by checkpoint, all finite that are known.
    """

    def __init__(self, logs: Sequence[float | None]) -> None:
        self._logs = logs
        self._start()

    def _start(self) -> None:
        self._place = 0
        self._known = 0
        self._recent = deque[float](maxlen=WINDOW + LAG)
        self._steps = RunningMedian()

    def lead(self, place: int) -> Lead | None:
        """How far ahead of its past the figure is; quick where no later one was asked for."""
        now = self._logs[place]
        if now is None:
            return None
        if place < self._place:
            self._start()
        while self._place < place:
            self._take(self._logs[self._place])
            self._place += 1
        if self._known < FEWEST:
            return None
        recent = list(self._recent)
        last = recent[-WINDOW:]
        return Lead(
            sudden=now - max(last),
            grown=now - max(recent[: 1 - LAG]),
            middle=now - statistics.median(last),
            noise=max(_FLOOR, _TO_SIGMA * self._steps.value),
        )

    def _take(self, value: float | None) -> None:
        if value is None:
            return
        if self._recent:
            self._steps.add(abs(value - self._recent[-1]))
        self._recent.append(value)
        self._known += 1


def leaps(values: Sequence[float], place: int) -> bool:
    """Whether a size grew by a multiple of all that it ever changed by, and not from zero as usual.

    What starts at zero grows by large factors while it is young, and by the same every time or a
    little more: where it was many times larger already than it once was, it has to be many times
    what it was.

    Args:
        values: by checkpoint, not logs; NaN where none is known.
        place: the checkpoint.
    """
    known = [value for value in values[: place + 1] if math.isfinite(value)]
    before = known[:-1]
    if before and max(before) > _GROWN * min(before) and known[-1] < _FAR * max(before):
        return False
    for lag in (1, LAG):
        changes = [abs(new - old) for old, new in zip(known, known[lag:], strict=False)]
        if len(changes) > lag and known[-1] - known[-1 - lag] > _LEAP * max(changes[:-lag]):
            return True
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """What the other tensors do at the same checkpoint.

    Attributes:
        sudden, grown, middle: the medians of their leads.
        spread: how far their sudden leads lie apart, as a standard deviation.
        around: and how far those to their medians.
        count: how many they are.
    """

    sudden: float = 0.0
    grown: float = 0.0
    middle: float = 0.0
    spread: float = _PEER_FLOOR
    around: float = _PEER_FLOOR
    count: int = 0


def peers_of(leads: Sequence[Lead]) -> Peers:
    """Those of all tensors that were measured alike."""
    if not leads:
        return Peers()
    sudden = [lead.sudden for lead in leads]
    middle = [lead.middle for lead in leads]
    return Peers(
        sudden=statistics.median(sudden),
        grown=statistics.median(lead.grown for lead in leads),
        middle=statistics.median(middle),
        spread=max(_PEER_FLOOR, deviation(sudden)),
        around=max(_PEER_FLOOR, deviation(middle)),
        count=len(leads),
    )


def usual_distance(median: float, numel: int) -> float:
    """How far a tensor usually lies from what its peers do, as a standard deviation.

    Args:
        median: of how far it lay from them, checkpoint by checkpoint.
        numel: of the tensor. The way of a few elements is a matter of chance.
    """
    return max(0.15 + 0.5 / math.sqrt(numel), _TO_SIGMA * median)
