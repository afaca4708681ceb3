"""The courses that are told in every form: how a training went, and what is to be found in it."""

from __future__ import annotations

import enum
import math
import random
from dataclasses import dataclass

from tests.runs.logs.forms.form import Moment

__all__ = ["Course", "CourseKind", "make_course"]


class CourseKind(enum.Enum):
    """How a training goes."""

    STORY = "story"
    HEALTHY = "healthy"
    FINITE = "finite"
    EXPLOSION = "explosion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A training from its first moment to its last.

    Attributes:
        moments: in order.
        peak: the number of the best of them; None where noise decides that.
        fall: the number of the first one behind the collapse; None without one.
    """

    kind: CourseKind
    moments: tuple[Moment, ...]
    peak: int | None
    fall: int | None


def make_course(kind: CourseKind, seed: str) -> Course:
    """A training of 19 to 37 moments.

    Args:
        kind: how it goes. With a collapse every measure is best at the same moment, by enough to be
            seen in three digits.
        seed: another one, another training.
    """
    rng = random.Random(f"{kind.value}/{seed}")
    if kind is CourseKind.HEALTHY:
        count = rng.randint(24, 37)
        return Course(kind=kind, moments=_rising(rng, count, 0.004), peak=None, fall=None)
    before, ill, behind = rng.randint(11, 23), rng.randint(2, 4), rng.randint(4, 8)
    rise = list(_rising(rng, before, 0.0))
    best = rise[-1]
    worse = [
        Moment(
            score=best.score - 0.021 - 0.009 * at,
            train=best.train + 0.031 + 0.012 * at,
            val=best.val + 0.034 + 0.013 * at,
            lr=best.lr,
        )
        for at in range(ill)
    ]
    fallen = [_fallen(kind, rng, best, at) for at in range(behind)]
    return Course(kind=kind, moments=(*rise, *worse, *fallen), peak=before - 1, fall=before + ill)


def _rising(rng: random.Random, count: int, noise: float) -> tuple[Moment, ...]:
    """Gets better in every moment, by less and less; where there is noise, not quite in every one.

    A step up is 0.0121 at least without noise, so that three digits show it.
    """
    top, first = rng.uniform(0.73, 0.86), rng.uniform(0.17, 0.28)
    low, high = rng.uniform(0.21, 0.33), rng.uniform(1.5, 2.6)
    gap = rng.uniform(1.09, 1.16)
    moments = []
    for at in range(count):
        done = 0.55 * (1 - math.exp(-at / 4)) / (1 - math.exp(-(count - 1) / 4))
        done += 0.45 * at / (count - 1)
        moments.append(
            Moment(
                score=(first + (top - first) * done) * rng.gauss(1.0, noise),
                train=(high + (low - high) * done) * rng.gauss(1.0, 2 * noise),
                val=gap * (high + (low - high) * done) * rng.gauss(1.0, 2 * noise),
                lr=3e-4 * (0.5 + 0.5 * math.cos(math.pi * at / (count + 6))),
            )
        )
    return tuple(moments)


def _fallen(kind: CourseKind, rng: random.Random, best: Moment, at: int) -> Moment:
    """A moment behind the collapse."""
    score = rng.choice((0.0013, 0.0021, 0.0017))
    if kind is CourseKind.STORY:
        return Moment(score=score, train=math.nan, val=math.nan, lr=best.lr)
    if kind is CourseKind.FINITE:
        loss = 6.9078 + rng.uniform(-0.004, 0.004)
        return Moment(score=score, train=loss, val=loss + 0.0113, lr=best.lr)
    loss = best.train * (41.0 + 13.7 * at)
    return Moment(score=best.score * 0.21, train=loss, val=loss * 1.213, lr=best.lr)
