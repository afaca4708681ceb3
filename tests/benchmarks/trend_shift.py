"""How large a level shift has to be, over which noise, to be told with its second value."""

from __future__ import annotations

import random

from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.monitor import Monitor
from tests.benchmarks.trend_rivals import alarm_epochs
from tests.benchmarks.trend_score import Outcome
from tests.runs.courses import CurveKind, Plan, shifted
from tests.runs.curves import drawn

__all__ = ["NOISES", "SIZES", "shift_lines", "told_in_time"]

SIZES = (0.02, 0.05, 0.1, 0.2, 0.4)
NOISES = (0.002, 0.006, 0.015)
_WITHIN = 1  # epochs after the first at the new level


def told_in_time(mode: Mode, size: float, noise: float, runs: int, seed: int) -> float:
    """Share of runs whose shift is told with its second value, or with the first.

    Args:
        mode: of the metric.
        size: share that is lost; a loss grows by as much as brings it back.
        noise: standard deviation, relative to the value.
        runs: how many.
        seed: another seed, other runs.
    """
    told = 0
    for index in range(runs):
        rng = random.Random(f"shift/{seed}/{mode.value}/{size}/{noise}/{index}")
        plan = Plan(
            rng=rng, epochs=rng.randint(60, 140), mode=mode, noise=noise, kind=CurveKind.SHIFT
        )
        curve = drawn(plan, shifted(plan, 1.0 - size))
        alarms = alarm_epochs(Monitor(curve.metric, curve.mode), curve)
        delay = Outcome(curve=curve, alarms=alarms).delay
        told += delay is not None and delay <= _WITHIN
    return told / runs


def shift_lines(runs: int, seed: int) -> list[str]:
    """The table: a row a size, a column a noise, for scores and for losses."""
    head = "".join(f"{f'{noise:.1%}':>8}" for noise in NOISES)
    lines = [
        "level shifts told within 2 epochs, by what is lost and by the noise",
        f"  {'':<10}{'a score, noise':<26}{'a loss, noise':<24}",
        f"  {'':<8}{head}  {head}",
    ]
    for size in SIZES:
        cells = [
            "".join(f"{told_in_time(mode, size, noise, runs, seed):>8.0%}" for noise in NOISES)
            for mode in (Mode.MAX, Mode.MIN)
        ]
        lines.append(f"  {f'{size:.0%}':<8}{'  '.join(cells)}")
    return lines
