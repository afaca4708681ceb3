"""The learning rate over a run: what the logs print of it, else what its files store."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from ckptdoctor.histories import Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.runs.run import Run
from ckptdoctor.runs.trend.named import rates_of
from ckptdoctor.runs.trend.rates import RISE, rate_jumps

__all__ = ["Jump", "RateCourse"]

_FEWEST = 2
_STEEPER = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Jump:
    """A learning rate that was suddenly many times what it was.

    Attributes:
        at: the first position with the new rate.
        before, after: the rates.
    """

    at: Position
    before: float
    after: float

    @property
    def times(self) -> float:
        """How many times what it was."""
        return self.after / self.before


@dataclass(frozen=True, slots=True)
class RateCourse:
    """Learning rates by position, in order; of several groups the largest."""

    rates: tuple[tuple[Position, float], ...] = ()

    @classmethod
    def of(cls, run: Run) -> RateCourse:
        """That of a run: from its logs, where they tell of rates, else from its files.

        A file stores the rate of the epoch that follows, where the schedule is stepped before it
        is saved; a log prints that of the epoch itself. So the two are never mixed.
        """
        told = rates_of(run.history)
        if len(told) >= _FEWEST:
            return cls(tuple(sorted(told.items())))
        stored: dict[Position, float] = {}
        for member in run.course:
            at, rate = run.position(member.metadata), member.optimizer.rate
            if at is not None and rate is not None and rate > 0.0:
                stored[at] = rate
        return cls(tuple(sorted(stored.items())))

    def until(self, at: Position) -> RateCourse:
        """Those before a position."""
        return RateCourse(self.rates[: bisect_left(self.rates, (at, 0.0))])

    def through(self, at: Position) -> RateCourse:
        """Those before a position, and its own."""
        return RateCourse(self.rates[: bisect_right(self.rates, (at, math.inf))])

    def since(self, at: Position) -> RateCourse:
        """Those from a position on."""
        return RateCourse(self.rates[bisect_left(self.rates, (at, 0.0)) :])

    def at(self, at: Position) -> float | None:
        """The rate at a position; None where it is not known."""
        place = bisect_left(self.rates, (at, 0.0))
        known = place < len(self.rates) and self.rates[place][0] == at
        return self.rates[place][1] if known else None

    @property
    def last(self) -> float | None:
        """The last rate; None where none is known."""
        return self.rates[-1][1] if self.rates else None

    @property
    def top(self) -> float | None:
        """The highest rate; None where none is known."""
        return max((rate for _, rate in self.rates), default=None)

    @property
    def lowest(self) -> float:
        """The lowest rate; 0 where none is known."""
        return min((rate for _, rate in self.rates), default=0.0)

    @property
    def is_rising(self) -> bool:
        """Whether the last rate is the highest of all, and others were lower."""
        return bool(self.rates) and self.last == self.top and self.last != self.rates[0][1]

    def jumps(self) -> list[Jump]:
        """Where a rate rose many times over within one position, as no warm-up does."""
        known = {at: rate for at, rate in self.rates if rate > 0.0}
        found = [Jump(at=at, before=old, after=new) for at, old, new in rate_jumps(known)]
        return found or list(self._leaps())

    def _leaps(self) -> Iterator[Jump]:
        """Rises far steeper than the one before, as of a warm-up that was broken off."""
        for (_, first), (_, old), (at, new) in zip(
            self.rates, self.rates[1:], self.rates[2:], strict=False
        ):
            usual = max(1.0, old / first) if first > 0.0 else math.inf
            if old > 0.0 and new >= RISE * old and new / old > _STEEPER * usual:
                yield Jump(at=at, before=old, after=new)
