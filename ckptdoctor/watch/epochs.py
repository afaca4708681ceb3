"""The epochs of a log as they come: when one is complete, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ckptdoctor.history import Alarm
from ckptdoctor.metadata import Mode
from ckptdoctor.run.join import Wish, scores_of
from ckptdoctor.run.logs import LogReading, Row
from ckptdoctor.run.monitor import Monitor, is_loss, is_norm

__all__ = ["EpochFeed", "SeenEpoch"]

_QUIET_S = 10.0
"""A metric that stood for so long will not change in this epoch any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEpoch:
    """An epoch that is complete, or an alarm that does not wait for that.

    Attributes:
        epoch: its number.
        metric: the name of the metric; "" where none is known.
        value: of the metric; None where the epoch has none.
        values: all of its values.
        alarms: what is wrong.
        complete: False for an alarm in the middle of an epoch.
    """

    epoch: int
    metric: str
    value: float | None
    values: Mapping[str, float]
    alarms: tuple[Alarm, ...]
    complete: bool = True


class EpochFeed:
    """Takes rows as they are read, and gives epochs.

    Args:
        wish: what the user says of the metric.
    """

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._epochs: dict[int, dict[str, float]] = {}
        self._order: list[int] = []
        self._open: int | None = None
        self._touched_s = 0.0
        self._metric = ""
        self._mode: Mode | None = None
        self._monitor = Monitor("")

    @property
    def last_epoch(self) -> int | None:
        """The newest epoch that was heard of."""
        return self._last_done() if self._open is None else self._open

    @property
    def holds_nan(self) -> bool:
        """Whether the newest epoch has a loss, a gradient norm or a metric that is not finite."""
        newest = self.last_epoch
        values = self._epochs.get(newest, {}) if newest is not None else {}
        return any(
            not math.isfinite(value)
            for name, value in values.items()
            if is_loss(name) or is_norm(name) or name == self._metric
        )

    def feed(self, rows: Iterable[Row], now_s: float) -> Iterator[SeenEpoch]:
        """The epochs that these rows complete, and alarms that cannot wait.

        Args:
            rows: in the order of the log.
            now_s: of a clock that never goes back.
        """
        for row in rows:
            if self._open is not None and row.epoch != self._open:
                yield from self._complete()
            if self._open is None and row.epoch in self._epochs and row.epoch != self._last_done():
                self._epochs[row.epoch] = {}  # a restart: what was there is another attempt's
            if self._open is None and row.epoch == self._last_done():
                self._epochs[row.epoch] |= row.values  # more of what was thought complete
                continue
            self._open = row.epoch
            self._epochs.setdefault(row.epoch, {}).update(row.values)
            self._touched_s = now_s
            self._choose_metric()
            alarms = tuple(self._monitor.non_finite(row.epoch, self._watched(row.epoch)))
            if alarms:
                yield self._seen(row.epoch, alarms, complete=False)

    def settle(self, now_s: float, *, at_once: bool = False) -> Iterator[SeenEpoch]:
        """The open epoch, if its metric is there and stands; or in any case."""
        if self._open is None:
            return
        has_metric = bool(self._metric) and self._metric in self._epochs[self._open]
        if at_once or (has_metric and now_s - self._touched_s >= _QUIET_S):
            yield from self._complete()

    def _last_done(self) -> int | None:
        return self._order[-1] if self._order else None

    def _complete(self) -> Iterator[SeenEpoch]:
        epoch = self._open
        if epoch is None:
            return
        self._open = None
        self._order.append(epoch)
        self._choose_metric()
        yield self._seen(epoch, tuple(self._monitor.update(epoch, self._watched(epoch))))

    def _seen(self, epoch: int, alarms: tuple[Alarm, ...], *, complete: bool = True) -> SeenEpoch:
        values = self._epochs[epoch]
        return SeenEpoch(
            epoch=epoch,
            metric=self._metric,
            value=values.get(self._metric),
            values=dict(values),
            alarms=alarms,
            complete=complete,
        )

    def _watched(self, epoch: int) -> dict[str, float]:
        return {
            name: value
            for name, value in self._epochs[epoch].items()
            if name == self._metric or is_loss(name) or is_norm(name)
        }

    def _choose_metric(self) -> None:
        """The metric that the run is judged by; another one when a better one is heard of."""
        latest = dict(list(self._epochs.items())[-5:])
        scores = scores_of(LogReading(epochs=latest), self._wish.metric, self._wish)
        found = next(iter(scores.values()), None)
        if found is None or (found.name == self._metric and found.mode is self._mode):
            return
        self._metric, self._mode = found.name, found.mode
        self._monitor = Monitor(self._metric if found.mode else "", found.mode or Mode.MAX)
        for epoch in self._order:  # what is known already is no news
            self._monitor.update(epoch, self._watched(epoch))
