"""Whether what an alarm told of lasts, or the run came back from it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ckptdoctor.histories import Alarm, AlarmKind
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.fall import is_back
from ckptdoctor.runs.trend.named import is_loss
from ckptdoctor.runs.trend.rates import RISE
from ckptdoctor.runs.trend.shift import is_regained

__all__ = ["came_back"]

_BACK_WITHIN = 3.0
"""An exploded loss has come back below this many times what was usual."""


def came_back(alarm: Alarm, before: Sequence[float], later: Sequence[float], mode: Mode) -> bool:
    """Whether the run recovered.

    Args:
        alarm: what was wrong.
        before: the values of its name before that, in order.
        later: those behind it.
        mode: which direction of the metric is better.
    """
    if not later or not math.isfinite(later[-1]):
        return False
    match alarm.kind:
        case AlarmKind.NON_FINITE:
            return later[-1] != 0.0 or not is_loss(alarm.name)
        case AlarmKind.EXPLOSION:
            usual = alarm.before or 0.0
            most = _BACK_WITHIN * usual if usual > 0 else usual + (_way(alarm) / _BACK_WITHIN)
            return later[-1] <= max(most, usual + 1e-12)
        case AlarmKind.SCALE:
            return later[-1] > alarm.value
        case AlarmKind.RATE:
            return alarm.before is not None and later[-1] < RISE * alarm.before
        case AlarmKind.FROZEN:
            return later[-1] != alarm.value
        case AlarmKind.DECLINE | AlarmKind.COLLAPSE:
            return _is_made_up(alarm, before, later, mode)
        case AlarmKind.SHIFT:
            finite = [value for value in later if math.isfinite(value)]
            return alarm.before is not None and any(
                is_regained(value, before=alarm.before, after=alarm.value, mode=mode)
                for value in finite
            )


def _way(alarm: Alarm) -> float:
    """How far a loss below zero rose."""
    return abs(alarm.value - (alarm.before or 0.0))


def _is_made_up(alarm: Alarm, before: Sequence[float], later: Sequence[float], mode: Mode) -> bool:
    """Whether the metric was as good as back once."""
    if alarm.before is None:
        return False
    worse = min if mode is Mode.MAX else max
    known, lowest = [value for value in before if math.isfinite(value)], alarm.value
    for value in later:
        if not math.isfinite(value):
            continue
        lowest = worse(lowest, value)
        if is_back(value, best=alarm.before, lowest=lowest, before=known, mode=mode):
            return True
    return False
