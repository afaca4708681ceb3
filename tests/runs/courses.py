"""The courses that training takes, before noise: how far it has come, and what it loses again."""

from __future__ import annotations

import enum
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from ckptdoctor.metadata import Mode

__all__ = ["COURSES", "Course", "CurveKind", "Plan", "shifted"]

_LEFT_FOR_A_DECLINE = 25


class CurveKind(enum.Enum):
    """What happens in a run."""

    NOISY = "noisy"
    PLATEAU = "plateau"
    RESTARTS = "cosine restarts"
    WARM_UP = "warm-up"
    STEPS = "step lr"
    SPIKE = "spike, recovers"
    ONE_CYCLE = "one cycle"
    UNFROZEN = "layers unfrozen"
    OTHER_DATA = "other data, recovers"
    DECLINE = "slow decline"
    COLLAPSE = "collapse"
    DECLINE_COLLAPSE = "decline, collapse"
    SHIFT = "level shift"
    EXPLOSION = "loss explosion"
    NAN_FROZEN = "NaN loss, frozen metric"
    NAN_METRIC = "NaN metric"
    NAN_HIDDEN = "loss 0.0, grad_norm NaN"

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong with such a run in the end; a spike is over by itself."""
        return self in _HEALTHY


_HEALTHY = frozenset(
    {
        CurveKind.NOISY,
        CurveKind.PLATEAU,
        CurveKind.RESTARTS,
        CurveKind.WARM_UP,
        CurveKind.STEPS,
        CurveKind.SPIKE,
        CurveKind.ONE_CYCLE,
        CurveKind.UNFROZEN,
        CurveKind.OTHER_DATA,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a course is drawn from: `noise` is the usual one, relative to the value."""

    rng: random.Random
    epochs: int
    mode: Mode
    noise: float
    kind: CurveKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Where a run goes, an element an epoch.

    Attributes:
        progress: 0 where training starts, towards 1 where it saturates.
        keep: how much of the metric is left of what progress alone would give; a loss is divided
            by it.
        loss_keep: the same of the training loss beside the metric.
        noise: standard deviation of the metric, relative to its value.
        onset: index of what is to be found.
        until: index of the last epoch of it, where it passes by itself.
        fall: index of the collapse that a decline announced.
    """

    progress: list[float]
    keep: list[float]
    loss_keep: list[float]
    noise: list[float]
    onset: int | None = None
    until: int | None = None
    fall: int | None = None


def _sound(plan: Plan) -> Course:
    """Saturates slowly, and is still getting better at the end."""
    tau = plan.epochs * plan.rng.uniform(0.15, 0.5)
    return _saturating(plan, tau)


def _plateau(plan: Plan) -> Course:
    """Has learned what there is to learn within a fifth of the run."""
    return _saturating(plan, plan.epochs * plan.rng.uniform(0.02, 0.05))


def _saturating(plan: Plan, tau: float) -> Course:
    return Course(
        progress=[1 - math.exp(-at / tau) for at in range(plan.epochs)],
        keep=[1.0] * plan.epochs,
        loss_keep=[1.0] * plan.epochs,
        noise=[plan.noise] * plan.epochs,
    )


def _restarts(plan: Plan) -> Course:
    """Loses 3 to 15 % after each restart of the learning rate, and gets it back as that falls."""
    period, depth = plan.rng.randint(10, 25), plan.rng.uniform(0.03, 0.15)
    course = _sound(plan)
    keep = []
    for at in range(plan.epochs):
        phase = at % period
        high = 0.6 if phase == 0 else 0.5 * (1 + math.cos(math.pi * phase / period))
        keep.append(1.0 if at < period else 1.0 - depth * high)
    return replace(course, keep=keep, loss_keep=keep)


def _warm_up(plan: Plan) -> Course:
    """Learns next to nothing for 3 to 10 epochs; a score near zero is mostly noise."""
    epochs = plan.rng.randint(3, 10)
    tau = plan.epochs * plan.rng.uniform(0.1, 0.3)
    early = 0.25 if plan.mode is Mode.MAX else 3 * plan.noise
    return replace(
        _saturating(plan, tau),
        progress=[1 - math.exp(-max(0, at - epochs) / tau) for at in range(plan.epochs)],
        noise=[early] * epochs + [plan.noise] * (plan.epochs - epochs),
    )


def _steps(plan: Plan) -> Course:
    """Jumps to a better level when the learning rate drops, and is calmer afterwards."""
    milestones = [round(plan.epochs * share) for share in (0.35, 0.6, 0.8)]
    course = _saturating(plan, plan.epochs * plan.rng.uniform(0.03, 0.08))
    levels = (0.75, 0.9, 0.97, 1.0)
    passed = [sum(at >= milestone for milestone in milestones) for at in range(plan.epochs)]
    progress = [done * levels[n] for done, n in zip(course.progress, passed, strict=True)]
    return replace(course, progress=progress, noise=[plan.noise / 1.5**n for n in passed])


def _spike(plan: Plan) -> Course:
    """Is bad for one epoch, down to 20 to 60 %, and as good as before in the next."""
    course = _sound(plan)
    onset = _somewhere(plan, 0.3, 0.85)
    keep = course.keep.copy()
    keep[onset] = plan.rng.uniform(0.2, 0.6)
    return replace(course, keep=keep, loss_keep=keep, onset=onset, until=onset)


def _one_cycle(plan: Plan) -> Course:
    """Rises to a high rate within a third of the run, which costs 3 to 15 % for as long."""
    depth, peak = plan.rng.uniform(0.03, 0.15), plan.epochs * 0.3
    course = _sound(plan)
    high = [
        0.5 * (1 - math.cos(math.pi * at / peak))
        if at < peak
        else 0.5 * (1 + math.cos(math.pi * (at - peak) / (plan.epochs - peak)))
        for at in range(plan.epochs)
    ]
    keep = [1.0 - depth * share for share in high]
    return replace(course, keep=keep, loss_keep=keep)


def _unfrozen(plan: Plan) -> Course:
    """Loses 2 to 12 % when more layers begin to learn, and makes up for it in 2 to 6 epochs."""
    begin, tau = _somewhere(plan, 0.2, 0.5), plan.rng.uniform(1.0, 3.0)
    depth, better = plan.rng.uniform(0.02, 0.12), plan.rng.uniform(1.02, 1.1)
    course = _saturating(plan, plan.epochs * plan.rng.uniform(0.05, 0.1))
    keep = [
        1 / better if at < begin else 1.0 - (depth + 1 - 1 / better) * math.exp(-(at - begin) / tau)
        for at in range(plan.epochs)
    ]
    return replace(course, keep=keep, loss_keep=keep)


def _other_data(plan: Plan) -> Course:
    """Loses 5 to 20 % for 3 to 10 epochs with harder data, and is back as soon as that is over."""
    course, onset = _sound(plan), _somewhere(plan, 0.3, 0.75)
    until = onset + plan.rng.randint(3, 10) - 1
    left = 1.0 - plan.rng.uniform(0.05, 0.2)
    keep = [left if onset <= at <= until else 1.0 for at in range(plan.epochs)]
    return replace(course, keep=keep, loss_keep=keep, onset=onset, until=until)


def _shift(plan: Plan) -> Course:
    """Loses 5 to 45 % at once and for good; a loss is 1.25 to 1.9 times what it was."""
    return shifted(
        plan, plan.rng.uniform(*((0.55, 0.95) if plan.mode is Mode.MAX else (0.53, 0.8)))
    )


def shifted(plan: Plan, left: float) -> Course:
    """Keeps a share of its value from one epoch to the next, for good; a loss is divided by it."""
    course, onset = _sound(plan), _somewhere(plan, 0.25, 0.85)
    keep = _fallen(course.keep, onset, left)
    return replace(_held(course, onset), keep=keep, loss_keep=keep, onset=onset)


def _decline(plan: Plan) -> Course:
    """Gets worse by 0.3 to 2 % an epoch for the rest of the run; the training loss does not."""
    onset = plan.rng.randint(round(plan.epochs * 0.3), plan.epochs - _LEFT_FOR_A_DECLINE)
    course = _held(_sound(plan), onset)
    keep = _declining(plan, onset, plan.rng.uniform(0.003, 0.02))
    return replace(course, keep=keep, onset=onset)


def _collapse(plan: Plan) -> Course:
    """Has under half of its value from one epoch to the next, for good."""
    course = _sound(plan)
    onset = _somewhere(plan, 0.35, 0.85)
    # a score falls to next to nothing or to chance, a loss goes back to where it came from
    left = (0.003, 0.4) if plan.mode is Mode.MAX else (0.08, 0.3)
    keep = _fallen(course.keep, onset, plan.rng.uniform(*left))
    loss_keep = _fallen(course.keep, onset, plan.rng.uniform(0.1, 0.5))
    return replace(_held(course, onset), keep=keep, loss_keep=loss_keep, onset=onset)


def _decline_collapse(plan: Plan) -> Course:
    """Declines for 6 to 12 epochs as if overfitting, then falls to next to nothing."""
    onset = _somewhere(plan, 0.4, 0.75)
    fall = onset + plan.rng.randint(6, 12)
    course = _held(_sound(plan), onset)
    left = plan.rng.uniform(0.002, 0.05) if plan.mode is Mode.MAX else plan.rng.uniform(0.03, 0.2)
    keep = _fallen(_declining(plan, onset, plan.rng.uniform(0.004, 0.015)), fall, left)
    loss_keep = _fallen(course.loss_keep, fall, plan.rng.uniform(0.03, 0.3))
    return replace(course, keep=keep, loss_keep=loss_keep, onset=onset, fall=fall)


def _explosion(plan: Plan) -> Course:
    """The loss is 20 to 300 times what it was; the score follows within two epochs."""
    onset = _somewhere(plan, 0.2, 0.85)
    course = _held(_sound(plan), onset)
    # 1.6: so that noise cannot take it below twenty times
    loss_keep = _fallen(course.loss_keep, onset, 1 / (1.6 * plan.rng.uniform(20, 190)))
    keep = loss_keep
    if plan.mode is Mode.MAX:
        late = onset + plan.rng.randint(0, 2)
        keep = _fallen(course.keep, late, plan.rng.uniform(0.005, 0.3))
    return replace(course, keep=keep, loss_keep=loss_keep, onset=onset)


def _non_finite(plan: Plan) -> Course:
    """Sound up to an epoch; what is NaN from there on is written over it later."""
    return replace(_sound(plan), onset=_somewhere(plan, 0.2, 0.85))


def _somewhere(plan: Plan, low: float, high: float) -> int:
    return round(plan.epochs * plan.rng.uniform(low, high))


def _held(course: Course, onset: int) -> Course:
    """A course that learns nothing more from an epoch on."""
    still = len(course.progress) - onset
    return replace(course, progress=course.progress[:onset] + [course.progress[onset - 1]] * still)


def _declining(plan: Plan, onset: int, rate: float) -> list[float]:
    return [(1 - rate) ** max(0, at - onset + 1) for at in range(plan.epochs)]


def _fallen(keep: list[float], onset: int, left: float) -> list[float]:
    return keep[:onset] + [left] * (len(keep) - onset)


COURSES: dict[CurveKind, Callable[[Plan], Course]] = {
    CurveKind.NOISY: _sound,
    CurveKind.PLATEAU: _plateau,
    CurveKind.RESTARTS: _restarts,
    CurveKind.WARM_UP: _warm_up,
    CurveKind.STEPS: _steps,
    CurveKind.SPIKE: _spike,
    CurveKind.ONE_CYCLE: _one_cycle,
    CurveKind.UNFROZEN: _unfrozen,
    CurveKind.OTHER_DATA: _other_data,
    CurveKind.DECLINE: _decline,
    CurveKind.COLLAPSE: _collapse,
    CurveKind.DECLINE_COLLAPSE: _decline_collapse,
    CurveKind.SHIFT: _shift,
    CurveKind.EXPLOSION: _explosion,
    CurveKind.NAN_FROZEN: _non_finite,
    CurveKind.NAN_METRIC: _non_finite,
    CurveKind.NAN_HIDDEN: _non_finite,
}
