"""The learning rate of a run value by value: an alarm as it jumps, before harm is done."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from ckptdoctor.histories import Alarm, AlarmKind, Clock, Position
from ckptdoctor.runs.trend.named import is_rate
from ckptdoctor.runs.trend.rates import RISE, is_sure

__all__ = ["RateWatch"]

_ADAPTED = "d*"
"""In the names of rates that Prodigy and its kind find out by themselves: they grow a lot."""


class RateWatch:
    """Takes the values of one position after the other.

    Args:
        clock: what the positions count.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._names: frozenset[str] = frozenset()
        self._known: list[tuple[Position, float]] = []

    def update(self, at: Position, values: Mapping[str, float]) -> Iterator[Alarm]:
        """The jump that the rate made to this position.

        Args:
            at: one that was there before means a restart, which goes on from the rate before it.
            values: by name; those that are no rates are passed over.
        """
        rates = {
            name: value
            for name, value in values.items()
            if is_rate(name) and math.isfinite(value) and _ADAPTED not in name
        }
        if not rates:
            return
        if self._names != rates.keys():  # of other groups
            self._names, self._known = frozenset(rates), []
        name = max(rates, key=lambda one: rates[one])
        if self._known and self._known[-1][0] >= at:
            self._known = [(place, rate) for place, rate in self._known if place < at]
        self._known.append((at, rates[name]))
        if len(self._known) < 2 or rates[name] < RISE * self._known[-2][1]:
            return  # as nearly always, which asks for no more
        if not is_sure([rate for _, rate in self._known]):
            return
        before = self._known[-2][1]
        yield Alarm(
            kind=AlarmKind.RATE,
            name=name,
            at=at,
            since=at,
            value=rates[name],
            before=before,
            message=f"{name} jumped from {before:.4g} to {rates[name]:.4g} at "
            f"{self._clock.say(at)}, times {rates[name] / before:.3g}",
        )
