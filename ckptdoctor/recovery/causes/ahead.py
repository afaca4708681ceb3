"""What the schedule still has in store behind the checkpoint to go on from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.histories import Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.causes.course import RateCourse
from ckptdoctor.recovery.stored_growth import growth_of
from ckptdoctor.recovery.stored_rates import Kind, is_rate, kind_of, stores_schedule
from ckptdoctor.runs.optimizer_facts import plain_number

__all__ = ["Ahead", "ahead_of", "start_of"]

_DECAYED = 0.5
_PEAKS = frozenset(("max", "peak", "highest", "upper"))
_RETURNS = frozenset({"T_0", "step_ratio"})  # warm restarts, CyclicLR


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """The rates behind a checkpoint, if nothing is changed.

    Attributes:
        top: the highest of them; None where nothing is known of them.
        falls: whether they end well below it, as far as a schedule is known, and do not return.
        decay: what the stored schedule has to multiply with, where it multiplies with more than 1:
            the others are those that follow then. None where it does not.
    """

    top: float | None
    falls: bool
    decay: float | None = None


def ahead_of(
    scalars: Mapping[str, Scalar],
    course: RateCourse,
    at: Position | None,
    *,
    epoch: float | None = None,
    total: float | None = None,
) -> Ahead:
    """What lies ahead of a checkpoint.

    Args:
        scalars: that it stores.
        course: the rates of the run, those after the death included.
        at: the position of the checkpoint; None where that is not known.
        epoch: of the checkpoint; None where that is not known.
        total: epochs that were planned, likewise.
    """
    growth = growth_of(scalars)
    decay = None if growth is None else growth.decay(epoch, total)
    if growth is not None and decay is not None:
        tops = list(_stored_tops(scalars, current=not growth.from_first))
        return Ahead(top=max(tops, default=None), falls=decay < 1.0 or growth.is_cycle, decay=decay)
    seen = RateCourse() if at is None else course.since(at)
    tops = [] if seen.top is None else [seen.top]
    returns = _comes_back(scalars)
    if not tops or seen.is_rising or returns:
        tops += _stored_tops(scalars)
    top = max(tops, default=None)
    fell = top is not None and seen.last is not None and seen.last < _DECAYED * top
    falls = growth is None and not returns and (fell or stores_schedule(scalars))
    return Ahead(top=top, falls=falls)


def start_of(scalars: Mapping[str, Scalar]) -> float | None:
    """The rate that a stored schedule starts from; None where none is stored."""
    known = (
        plain_number(scalar)
        for name, scalar in scalars.items()
        if is_rate(name) and kind_of(name) is Kind.INITIAL
    )
    return max((float(one) for one in known if one is not None), default=None)


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
