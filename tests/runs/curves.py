"""Training curves with a known fault, or with none: what trend detectors are measured on.

Each kind is a course that real runs take. A run is drawn from its seed, its kind and its number
alone, so that asking for more runs does not change those that were there. Values are rounded as
logs round them: to four digits, or to the share of a validation set for an accuracy.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from ckptdoctor.metadata import Mode
from tests.runs.courses import COURSES, Course, CurveKind, Plan

__all__ = ["Curve", "CurveKind", "drawn", "make_curve", "make_curves"]

_NOISE = {Mode.MAX: (0.002, 0.006, 0.015), Mode.MIN: (0.004, 0.01, 0.02)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One run, and the truth about it.

    Attributes:
        kind: what happens in it.
        metric: the key in `values` that the run is judged by.
        mode: which direction of that metric is better.
        values: epoch -> name -> value; may be NaN.
        onset: the epoch from which on a fault is there to be found, or of a spike or dip;
            None without one.
        until: the last epoch of it, where it passes by itself; None where it does not.
        fall: the epoch of the collapse that a decline announced; None without one.
        healthy: whether every alarm is a false one (those while a spike or dip lasts are counted
            apart).
    """

    kind: CurveKind
    metric: str
    mode: Mode
    values: dict[int, dict[str, float]]
    onset: int | None
    until: int | None
    fall: int | None
    healthy: bool


def make_curves(count: int, seed: int = 0) -> list[Curve]:
    """Runs of every kind in equal shares; what is left over goes to the first kinds.

    Args:
        count: how many runs.
        seed: another seed, other runs.
    """
    kinds = list(CurveKind)
    return [make_curve(kinds[at % len(kinds)], at // len(kinds), seed) for at in range(count)]


def make_curve(kind: CurveKind, index: int, seed: int = 0) -> Curve:
    """One run of 60 to 140 epochs.

    Args:
        kind: what happens in it.
        index: its number; even ones have a metric that rises, odd ones a loss that falls, where
            the kind allows both.
        seed: another seed, other runs.
    """
    rng = random.Random(f"{seed}/{kind.value}/{index}")
    mode = _ONE_MODE.get(kind, (Mode.MAX, Mode.MIN)[index % 2])
    plan = Plan(
        rng=rng, epochs=rng.randint(60, 140), mode=mode, noise=rng.choice(_NOISE[mode]), kind=kind
    )
    return drawn(plan, COURSES[kind](plan))


def drawn(plan: Plan, course: Course) -> Curve:
    """A run that takes a course, as a log has it."""
    kind = plan.kind
    metric, rows = _rows(plan, course)
    if course.onset is not None and kind in _SPOILED:
        for at in range(course.onset, len(rows)):
            _SPOILED[kind](rows, at, metric)
    first = plan.rng.choice((0, 1))
    return Curve(
        kind=kind,
        metric=metric,
        mode=plan.mode,
        values={first + at: row for at, row in enumerate(rows)},
        onset=None if course.onset is None else first + course.onset,
        until=None if course.until is None else first + course.until,
        fall=None if course.fall is None else first + course.fall,
        healthy=kind.healthy,
    )


# -- from a course to values ---------------------------------------------------------------------


def _rows(plan: Plan, course: Course) -> tuple[str, list[dict[str, float]]]:
    """The name of the metric, and what a log would say of each epoch."""
    rng = plan.rng
    if plan.mode is Mode.MAX:
        metric = rng.choice(("iou", "dice", "accuracy"))
    elif plan.kind is CurveKind.NAN_HIDDEN:
        metric = "loss"
    else:
        metric = rng.choice(("loss", "val_loss"))
    series = {metric: _metric(plan, course, metric)}
    if metric != "loss" and (plan.kind in _NEEDS_LOSS or rng.random() < 0.7):
        noise = [rng.choice(_NOISE[Mode.MIN])] * plan.epochs
        series["loss"] = _losses(plan, course.progress, course.loss_keep, noise)
    if plan.kind is CurveKind.NAN_HIDDEN or rng.random() < 0.6:
        level = rng.uniform(0.3, 5.0)
        norms = [level * rng.lognormvariate(0.0, 0.3) / keep for keep in course.loss_keep]
        series["grad_norm"] = [_as_logged(norm) for norm in norms]
    return metric, [
        dict(zip(series, row, strict=True)) for row in zip(*series.values(), strict=True)
    ]


def _metric(plan: Plan, course: Course, name: str) -> list[float]:
    if plan.mode is Mode.MIN:
        return _losses(plan, course.progress, course.keep, course.noise)
    rng = plan.rng
    top = rng.uniform(0.45, 0.9)
    start = top * rng.uniform(0.01, 0.3)
    if plan.kind is CurveKind.WARM_UP:
        start = rng.uniform(0.005, 0.05)
    noise = _noise(rng, course.noise)
    levels = [
        min(1.0, (start + (top - start) * progress) * keep * factor)
        for progress, keep, factor in zip(course.progress, course.keep, noise, strict=True)
    ]
    if name == "accuracy":
        samples = rng.choice((2000, 5000, 10_000))
        return [round(level * samples) / samples for level in levels]
    return [_as_logged(level) for level in levels]


def _losses(
    plan: Plan, progress: list[float], keep: list[float], noise: list[float]
) -> list[float]:
    """A loss that falls by a factor of 4 to 20 over the run."""
    start = plan.rng.uniform(0.7, 6.0)
    ratio = plan.rng.uniform(0.05, 0.25)
    return [
        _as_logged(start * ratio**done / kept * factor)
        for done, kept, factor in zip(progress, keep, _noise(plan.rng, noise), strict=True)
    ]


def _noise(rng: random.Random, deviations: list[float]) -> list[float]:
    """Factors around 1: each epoch is a little like the one before, one in forty is far out."""
    rho = rng.uniform(0.0, 0.4)
    state, factors = 0.0, []
    for deviation in deviations:
        state = rho * state + math.sqrt(1 - rho**2) * rng.gauss(0.0, 1.0)
        shock = state * 3 if rng.random() < 1 / 40 else state
        factors.append(max(0.2, 1.0 + deviation * shock))
    return factors


def _as_logged(value: float) -> float:
    return float(f"{value:.4g}")


def _nan_frozen(rows: list[dict[str, float]], at: int, metric: str) -> None:
    """Comparisons with NaN change nothing: the score that is printed is the one before."""
    rows[at]["loss"] = math.nan
    rows[at][metric] = rows[at - 1][metric]
    if "grad_norm" in rows[at]:
        rows[at]["grad_norm"] = math.nan


def _nan_metric(rows: list[dict[str, float]], at: int, metric: str) -> None:
    rows[at][metric] = math.nan


def _nan_hidden(rows: list[dict[str, float]], at: int, metric: str) -> None:
    """The Hugging Face Trainer leaves NaN out of the loss it logs, which makes it 0.0."""
    rows[at][metric] = 0.0
    rows[at]["grad_norm"] = math.nan


_ONE_MODE = {CurveKind.NAN_FROZEN: Mode.MAX, CurveKind.NAN_HIDDEN: Mode.MIN}
_NEEDS_LOSS = frozenset({CurveKind.EXPLOSION, CurveKind.NAN_FROZEN})
_SPOILED: dict[CurveKind, Callable[[list[dict[str, float]], int, str], None]] = {
    CurveKind.NAN_FROZEN: _nan_frozen,
    CurveKind.NAN_METRIC: _nan_metric,
    CurveKind.NAN_HIDDEN: _nan_hidden,
}
