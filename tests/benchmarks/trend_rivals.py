"""What else could watch a training curve: detectors to hold ours against.

They see the metric and, where there is one, the training loss, an epoch at a time, and say at
which epochs they would raise an alarm. What is not finite is passed over by all but `NonFinite`:
so that nobody is given the easy part twice, it stands in a row of its own.
"""

from __future__ import annotations

import enum
import importlib
import itertools
import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ckptdoctor.metadata import Mode
from tests.runs.curves import Curve

__all__ = [
    "ChangePoints",
    "Detector",
    "Kernel",
    "NonFinite",
    "Signal",
    "ThreeInARow",
    "ZScore",
    "alarm_epochs",
    "change_point_alarms",
]


class Detector(Protocol):
    """What is told an epoch after another, and answers with the alarms of that epoch."""

    def update(self, epoch: int, values: Mapping[str, float], /) -> object:
        """The alarms of an epoch; empty or false where there are none.

        Args:
            epoch: greater than the one before.
            values: name -> value of the metric and of what is logged beside it.
        """


def alarm_epochs(detector: Detector, curve: Curve) -> tuple[int, ...]:
    """The epochs of a run at which a detector raised an alarm."""
    return tuple(epoch for epoch, values in curve.values.items() if detector.update(epoch, values))


def _signs(metric: str, mode: Mode) -> dict[str, float]:
    """The series that are watched -> 1 where more is better, -1 where less is."""
    return {"loss": -1.0, metric: 1.0 if mode is Mode.MAX else -1.0}


class NonFinite:
    """The usual line in a training loop: an alarm where something turns NaN or Inf."""

    def __init__(self) -> None:
        self._bad = False

    def update(self, epoch: int, values: Mapping[str, float], /) -> bool:
        """True at the first epoch of a stretch with a value that is not finite."""
        before, self._bad = self._bad, not all(map(math.isfinite, values.values()))
        return self._bad and not before


class ThreeInARow:
    """The rule of thumb: three epochs in a row worse than the one before, or half lost at once."""

    def __init__(self, metric: str, mode: Mode) -> None:
        self._metric, self._mode = metric, mode
        self._last: float | None = None
        self._worse = 0

    def update(self, epoch: int, values: Mapping[str, float], /) -> bool:
        """True at the third epoch of a decline and at a fall."""
        value = values[self._metric]
        if not math.isfinite(value):
            return False
        before, self._last = self._last, value
        if before is None:
            return False
        better, worse = (before, value) if self._mode is Mode.MAX else (value, before)
        self._worse = self._worse + 1 if worse < better else 0
        return self._worse == 3 or (worse < better and worse < 0.5 * better)


class ZScore:
    """Alarms where a value is far on the bad side of an exponential mean of the levels.

    One alarm an excursion: the next comes only after a value that was not far out.

    Args:
        metric: the name of the metric.
        mode: which direction of it is better.
        alpha: weight of the newest value.
        threshold: in standard deviations.
    """

    def __init__(self, metric: str, mode: Mode, alpha: float, threshold: float) -> None:
        self._series = {
            name: _Smoothed(sign=sign, alpha=alpha, threshold=threshold)
            for name, sign in _signs(metric, mode).items()
        }

    def update(self, epoch: int, values: Mapping[str, float], /) -> bool:
        """True where the metric or the loss leaves its band."""
        alarms = [
            series.leaves_band(values[name])
            for name, series in self._series.items()
            if math.isfinite(values.get(name, math.nan))
        ]
        return any(alarms)


@dataclass(slots=True, kw_only=True)
class _Smoothed:
    sign: float
    alpha: float
    threshold: float
    seen: int = 0
    mean: float = 0.0
    variance: float = 0.0
    out: bool = False

    def leaves_band(self, value: float) -> bool:
        off = value - self.mean if self.seen else 0.0
        limit = self.threshold * math.sqrt(self.variance)
        was_out, self.out = self.out, self.seen >= 8 and self.sign * off < -limit
        self.mean = self.mean + self.alpha * off if self.seen else value
        if self.seen:
            self.variance = (1 - self.alpha) * (self.variance + self.alpha * off * off)
        self.seen += 1
        return self.out and not was_out


class Kernel(enum.Enum):
    """The cost of a segment; the linear kernel is the l2 cost."""

    L2 = "linear"
    RBF = "rbf"


class Signal(enum.Enum):
    """What is looked at: the values, or their first differences."""

    LEVELS = "levels"
    DIFFERENCES = "differences"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoints:
    """How `ruptures` is asked: PELT with a kernel cost, started anew at each epoch.

    Attributes:
        kernel: the cost.
        signal: what it is given.
        penalty: of a change point, for a signal scaled to unit noise.
    """

    kernel: Kernel
    signal: Signal
    penalty: float

    def __str__(self) -> str:
        return f"{self.kernel.name.lower()} on {self.signal.value}, penalty {self.penalty:g}"


def change_point_alarms(setting: ChangePoints, curve: Curve) -> tuple[int, ...]:
    """The epochs at which a change for the worse is seen that was not seen before.

    Args:
        setting: how it is asked.
        curve: the run.

    Raises:
        ModuleNotFoundError: ruptures is not installed.
    """
    alarms: set[int] = set()
    for name, sign in _signs(curve.metric, curve.mode).items():
        points = [
            (epoch, sign * row[name])
            for epoch, row in curve.values.items()
            if math.isfinite(row.get(name, math.nan))
        ]
        alarms.update(_Online(setting).run(points))
    return tuple(sorted(alarms))


@dataclass(slots=True)
class _Online:
    setting: ChangePoints
    reported: list[int] = field(default_factory=list)

    def run(self, points: list[tuple[int, float]]) -> Iterator[int]:
        """The epochs with an alarm; of the values, more is better."""
        import numpy as np

        ruptures: Any = importlib.import_module("ruptures")  # it brings no types along
        values = [value for _, value in points]
        steps = [after - before for before, after in itertools.pairwise(values)]
        levels = self.setting.signal is Signal.LEVELS
        detector = ruptures.KernelCPD(kernel=self.setting.kernel.value, min_size=2)
        for end in range(8, len(values) + 1):
            # 0.954: from the median of |difference of two| to the deviation of one, if normal
            noise = 1.05 * statistics.median(map(abs, steps[: end - 1])) or 1e-12
            signal = values[:end] if levels else steps[: end - 1]
            scaled = np.array(signal, dtype=float).reshape(-1, 1) / noise
            found = detector.fit(scaled).predict(pen=self.setting.penalty)
            if len(found) > 1 and self._is_new_and_worse(signal, found):
                yield points[end - 1][0]

    def _is_new_and_worse(self, signal: list[float], found: list[int]) -> bool:
        """Whether the last segment is new, and worse than the one before.

        Differences have to be for the worse by themselves as well: that learning slows down is
        no alarm.
        """
        change, start = found[-2], found[-3] if len(found) > 2 else 0
        if any(abs(change - known) <= 3 for known in self.reported):
            return False
        after = statistics.fmean(signal[change:])
        worse = after < statistics.fmean(signal[start:change])
        if not worse or (self.setting.signal is Signal.DIFFERENCES and after >= 0):
            return False
        self.reported.append(change)
        return True
