"""What the schedule still has in store behind the checkpoint to go on from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.history import Position
from ckptdoctor.recovery.causes.course import RateCourse
from ckptdoctor.recovery.stored_rates import Kind, is_rate, kind_of, stores_schedule
from ckptdoctor.runs.optimizer_facts import OptimizerFacts, plain_number

__all__ = ["Ahead", "Growth", "ahead_of", "growth_of"]

_DECAYED = 0.5
_PEAKS = frozenset(("max", "peak", "highest", "upper"))
_GROWS = re.compile(r"(?:^|\.)(gamma|cycle_decay)$")
_COUNT = "last_epoch"
_RETURNS = frozenset({"T_0", "step_ratio"})  # warm restarts, CyclicLR


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A schedule that multiplies the rate by more than 1, again and again.

    Attributes:
        name: of the setting: ``gamma``.
        times: what the rate is multiplied with.
        every: after so many counts of the schedule; None where that is not stored.
        count: where the schedule stands; None where that is not stored.
    """

    name: str
    times: float
    every: float | None
    count: float | None

    def until(self, total: float) -> float:
        """By how much the rate grows up to the last epoch of so many, which counts from 0."""
        if self.every is None or self.count is None or total <= self.count:
            return self.times
        steps = (total - 1) // self.every - self.count // self.every
        return math.exp(min(steps * math.log(self.times), _MOST_LOG))


_MOST_LOG = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """The rates behind a checkpoint, if nothing is changed.

    Attributes:
        top: the highest of them; None where nothing is known of them.
        falls: whether they end well below it, as far as a schedule is known.
    """

    top: float | None
    falls: bool


def ahead_of(
    scalars: Mapping[str, Scalar],
    course: RateCourse,
    at: Position | None,
    total: float | None,
) -> Ahead:
    """What lies ahead of a checkpoint.

    Args:
        scalars: that it stores.
        course: the rates of the run, those after the death included.
        at: the position of the checkpoint; None where that is not known.
        total: epochs that were planned; None where that is not known.
    """
    seen = RateCourse() if at is None else course.since(at)
    tops = [] if seen.top is None else [seen.top]
    if not tops or seen.is_rising or _comes_back(scalars):
        tops += _stored_tops(scalars)
    growth = growth_of(scalars)
    all_seen = total is not None and bool(seen.rates) and seen.rates[-1][0] >= total
    if growth is not None and not all_seen:
        tops += _grown(growth, scalars, total)
    top = max(tops, default=None)
    fell = top is not None and seen.last is not None and seen.last < _DECAYED * top
    falls = growth is None and (fell or stores_schedule(scalars))
    return Ahead(top=top, falls=falls)


def _grown(growth: Growth, scalars: Mapping[str, Scalar], total: float | None) -> Iterator[float]:
    """What the rate grows to: from the current one where the schedule counts, else by one cycle."""
    now = OptimizerFacts.of(scalars).rate
    if growth.count is not None and now is not None:
        yield now * (growth.times if total is None else growth.until(total))
    elif growth.count is None:
        yield from (top * growth.times for top in _stored_tops(scalars, current=False))


def _comes_back(scalars: Mapping[str, Scalar]) -> bool:
    """Whether a stored schedule returns to its peak again and again."""
    return any(name.rpartition(".")[2] in _RETURNS for name in scalars)


def _stored_tops(scalars: Mapping[str, Scalar], *, current: bool = True) -> Iterator[float]:
    """What the stored rates may rise to: initial ones, upper bounds, and the current one."""
    for name, scalar in scalars.items():
        value = plain_number(scalar)
        if value is None or not is_rate(name):
            continue
        kind = kind_of(name)
        key = name.rstrip("0123456789").rstrip(".").rpartition(".")[2]
        if kind is Kind.CURRENT and not current:
            continue
        is_top = kind is not Kind.BOUND or not _PEAKS.isdisjoint(key.split("_"))
        if is_top and 0.0 < value < math.inf:
            yield float(value)


def growth_of(scalars: Mapping[str, Scalar]) -> Growth | None:
    """A stored schedule that lets the rate grow without end; None where there is none."""
    for name, scalar in scalars.items():
        found, value = _GROWS.search(name), plain_number(scalar)
        if found is None or value is None:
            continue
        root = name[: -len(found[1])]
        is_schedule = any(f"{root}{key}" in scalars for key in (_COUNT, "t_initial", "step_size"))
        if 1.0 < value < math.inf and is_schedule:
            every = _number(scalars, root, "step_size", "t_initial")
            count = _number(scalars, root, _COUNT)
            if every is None and count is not None and not _has_milestones(scalars, root):
                every = 1.0
            return Growth(name=found[1], times=float(value), every=every, count=count)
    return None


def _number(scalars: Mapping[str, Scalar], root: str, *keys: str) -> float | None:
    for key in keys:
        value = plain_number(scalars.get(f"{root}{key}"))
        if value is not None and value > 0:
            return float(value)
    return None


def _has_milestones(scalars: Mapping[str, Scalar], root: str) -> bool:
    return any(name.startswith(f"{root}milestones") for name in scalars)
