"""What counts in the benchmark of trend detectors, and how rivals are tuned.

A fault is found if there is an alarm at its onset or later. A false alarm is an epoch with an
alarm in a healthy run, or before the onset; while a spike or a dip lasts it is neither.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.runs.curves import Curve, CurveKind

__all__ = ["Alarms", "Outcome", "Score", "Tuned", "score", "tune"]

Alarms = Callable[[Curve], tuple[int, ...]]
MOST_FALSE_ALARMS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A run, and the epochs at which a detector raised an alarm."""

    curve: Curve
    alarms: tuple[int, ...]

    @property
    def false_alarms(self) -> int:
        """How many alarms had no reason."""
        onset = math.inf if self.curve.onset is None else self.curve.onset
        until = -math.inf if self.curve.until is None else self.curve.until
        if self.curve.healthy:
            return sum(not onset <= epoch <= until for epoch in self.alarms)
        return sum(epoch < onset for epoch in self.alarms)

    @property
    def delay(self) -> int | None:
        """Epochs from the onset to the first alarm; None where there was none, or nothing to find.

        For what passes by itself only an alarm while it lasts counts.
        """
        onset = self.curve.onset
        if onset is None:
            return None
        last = max(self.curve.values) if self.curve.until is None else self.curve.until
        return next((epoch - onset for epoch in self.alarms if onset <= epoch <= last), None)

    @property
    def warned(self) -> bool:
        """Whether there was an alarm in the decline, before the fall that it announced."""
        onset, fall = self.curve.onset, self.curve.fall
        return (
            onset is not None
            and fall is not None
            and any(onset <= epoch < fall for epoch in self.alarms)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a detector made of the runs of a kind.

    Attributes:
        detector: its name.
        kind: of the runs.
        healthy: whether there is nothing to find in them.
        runs: how many.
        found: share of the runs whose fault, or spike, was found; None without one.
        delay_median: in epochs, of those that were found.
        delay_p95: in epochs, of those that were found.
        warned: share of the runs with an alarm before the fall; None without one.
        false_alarms: a run.
        runs_with_false_alarm: share of the runs.
    """

    detector: str
    kind: str
    healthy: bool
    runs: int
    found: float | None
    delay_median: float | None
    delay_p95: int | None
    warned: float | None
    false_alarms: float
    runs_with_false_alarm: float


def score(detector: str, kind: str, outcomes: Sequence[Outcome]) -> Score:
    """The figures of some runs.

    Args:
        detector: its name.
        kind: what to call the runs.
        outcomes: at least one.
    """
    delays = sorted(one.delay for one in outcomes if one.delay is not None)
    to_find = sum(one.curve.onset is not None for one in outcomes)
    falls = [one for one in outcomes if one.curve.fall is not None]
    return Score(
        detector=detector,
        kind=kind,
        healthy=all(one.curve.healthy for one in outcomes),
        runs=len(outcomes),
        found=len(delays) / to_find if to_find else None,
        delay_median=statistics.median(delays) if delays else None,
        delay_p95=delays[math.ceil(0.95 * len(delays)) - 1] if delays else None,
        warned=statistics.fmean(one.warned for one in falls) if falls else None,
        false_alarms=statistics.fmean(one.false_alarms for one in outcomes),
        runs_with_false_alarm=statistics.fmean(one.false_alarms > 0 for one in outcomes),
    )


# -- tuning --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What a rival did on all runs, each with the setting that the other half chose."""

    outcomes: list[Outcome]
    settings: tuple[str, str]


def tune(candidates: Mapping[str, Alarms], curves: Sequence[Curve]) -> Tuned:
    """The rival with its best setting, measured on runs that the setting was not chosen by.

    Args:
        candidates: setting -> the alarms of a run.
        curves: as `make_curves` deals them out.
    """
    every = {
        setting: [Outcome(curve=curve, alarms=alarms(curve)) for curve in curves]
        for setting, alarms in candidates.items()
    }
    kinds = len(CurveKind)
    # pairs of a rising and a falling metric go to the halves in turn
    half = [at // kinds // 2 % 2 for at in range(len(curves))]
    chosen = [
        max(every, key=lambda setting: _merit(_of(every[setting], half, tuned_on)))
        for tuned_on in (1, 0)
    ]
    outcomes = [every[chosen[at_half]][at] for at, at_half in enumerate(half)]
    return Tuned(outcomes=outcomes, settings=(chosen[0], chosen[1]))


def _of(outcomes: list[Outcome], half: list[int], which: int) -> list[Outcome]:
    return [one for one, at_half in zip(outcomes, half, strict=True) if at_half == which]


def _merit(outcomes: list[Outcome]) -> tuple[float, float, float]:
    """More is better: few false alarms first, then faults found, then speed."""
    false_alarms = statistics.fmean(one.false_alarms for one in outcomes if one.curve.healthy)
    delays = [one.delay for one in outcomes if not one.curve.healthy]
    found = [delay for delay in delays if delay is not None]
    slowness = statistics.fmean(found) if found else math.inf
    return (-max(false_alarms, MOST_FALSE_ALARMS), len(found), -slowness)
