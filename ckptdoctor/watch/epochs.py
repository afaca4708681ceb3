"""The epochs of logs as they come: when one is complete, and what is wrong with it."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from ckptdoctor.histories import Alarm, AlarmKind, Clock, Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.logs import LogReading, Row, epoch_of
from ckptdoctor.runs.metric import choose_metric
from ckptdoctor.runs.trend.monitor import Monitor
from ckptdoctor.runs.trend.named import is_rate, is_telling
from ckptdoctor.runs.wish import Wish

__all__ = ["EpochFeed", "SeenEpoch"]

_QUIET_S = 10.0
"""An epoch that stood for so long will not change any more."""
_LATE_S = 120.0
"""A table may be written so much later than the log beside it: wait for the metric."""
_RECENT_EPOCHS = 5
_LAG = 3
"""Rows of one log come in the order of their steps, but for so many."""

_Told = tuple[AlarmKind, str, Position]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenEpoch:
    """An epoch or a step that is complete, or an alarm that does not wait for that.

    Attributes:
        at: its number.
        clock: what that counts.
        metric: the name of the metric; "" where none is known.
        value: of the metric; None where the epoch has none.
        values: all of its values.
        alarms: what is wrong.
        complete: False for an alarm in the middle of an epoch.
    """

    at: int
    clock: Clock
    metric: str
    value: float | None
    values: Mapping[str, float]
    alarms: tuple[Alarm, ...]
    complete: bool = True


class EpochFeed:
    """Takes the rows of one log or of several, and gives epochs.

    The logs of a run lag behind each other: a table gets its row when the text is in the next
    epoch already. So an epoch is complete once every log has left it, or once it has stood for a
    while. Going back within one log is a restart. Logs that name no epoch are followed by step.

    Args:
        wish: what the user says of the metric.
    """

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._clock: Clock | None = None
        self._steps: dict[Path | None, deque[int]] = {}
        self._epochs: dict[int, dict[str, float]] = {}
        self._open: dict[int, float] = {}  # epoch -> when it was last written of
        self._done: dict[int, None] = {}  # in the order in which they were judged
        self._newest: dict[Path | None, int] = {}
        self._restarts: dict[Path | None, int] = {}
        self._attempt = 0
        self._before: dict[int, dict[str, float]] = {}
        self._told: set[_Told] = set()
        self._latest: int | None = None
        self._in_brackets = False
        self._metric = ""
        self._mode: Mode | None = None
        self._monitor = Monitor("")

    @property
    def last_epoch(self) -> int | None:
        """The epoch that was last heard of."""
        return self._latest

    @property
    def where(self) -> str:
        """What was last heard of, in words: ``epoch 12``; "" before anything was."""
        return "" if self._latest is None else (self._clock or Clock.EPOCH).say(self._latest)

    @property
    def holds_nan(self) -> bool:
        """Whether the newest epoch has a loss, a gradient norm or a metric that is not finite."""
        newest = self._latest
        values = self._watched(newest) if newest is not None else {}
        return any(not math.isfinite(v) for name, v in values.items() if not is_rate(name))

    def feed(
        self, rows: Iterable[Row], now_s: float, source: Path | None = None
    ) -> Iterator[SeenEpoch]:
        """What cannot wait until its epoch is complete: NaN, and the end of an attempt.

        Args:
            rows: in the order of the log.
            now_s: of a clock that never goes back.
            source: the log.
        """
        for row in rows:
            epoch, newest = self._place(row), self._newest.get(source)
            if epoch is None:
                continue
            if _says(self._epochs.get(epoch, {}), row.values):  # read again: no news
                self._newest[source] = epoch if newest is None else max(newest, epoch)
                continue
            if self._goes_back(epoch, newest, source):
                yield from self._restart(epoch, source)
            elif self._is_anew(epoch, row.values) and (newest is None or newest < epoch):
                self._forget(epoch)
            self._newest[source] = self._latest = epoch
            self._epochs.setdefault(epoch, {}).update(row.values)
            if epoch not in self._done:
                self._open[epoch] = now_s
            alarms = self._untold(self._monitor.non_finite(epoch, self._watched(epoch)))
            if alarms:
                yield self._seen(epoch, alarms, complete=False)

    def _place(self, row: Row) -> int | None:
        """Where a row stands; from the first epoch that is named on, a row without one nowhere."""
        if row.epoch is not None:
            if self._clock is Clock.STEP or (self._in_brackets and row.is_first_epoch):
                self._begin_epochs()
            self._clock = Clock.EPOCH
            self._in_brackets = not row.in_words
            return epoch_of(row.epoch)
        if self._clock is Clock.EPOCH or row.step is None:
            return None
        self._clock = Clock.STEP
        return row.step

    def _begin_epochs(self) -> None:
        """What was counted in steps or batches before the first epoch was named is let go."""
        self._epochs, self._open, self._done = {}, {}, {}
        self._newest, self._latest = {}, None
        self._monitor = Monitor(self._metric if self._mode else "", self._mode or Mode.MAX)

    def _goes_back(self, at: int, newest: int | None, source: Path | None) -> bool:
        """Whether a log comes to where it was before."""
        if self._clock is Clock.EPOCH:
            return newest is not None and at < newest - 1
        passed = self._steps.setdefault(source, deque(maxlen=_LAG))
        falls = len(passed) == _LAG and at < passed[0]
        if falls:
            passed.clear()
        if not passed or at > passed[-1]:
            passed.append(at)
        return falls

    def settle(self, now_s: float) -> Iterator[SeenEpoch]:
        """The epochs that are complete now. To be asked once every log was read."""
        self._choose_metric()
        slowest = min(self._newest.values(), default=-1)
        for epoch in sorted(self._open):
            stood_s = now_s - self._open[epoch]
            has_metric = bool(self._metric) and self._metric in self._epochs[epoch]
            was_left = any(newest > epoch for newest in self._newest.values())
            patience_s = _QUIET_S if has_metric or not self._metric else _LATE_S
            if slowest > epoch or ((has_metric or was_left) and stood_s >= patience_s):
                yield from self._complete(epoch)

    def begin(self, now_s: float) -> None:
        """What was fed so far was there before: it is neither news nor a reason for an alarm."""
        for _ in self.settle(now_s):
            pass
        self._before = {epoch: dict(values) for epoch, values in self._epochs.items()}
        trial = copy.deepcopy(self._monitor)
        for epoch in sorted(self._open):
            self._untold(trial.update(epoch, self._watched(epoch)))

    def _is_anew(self, epoch: int, values: Mapping[str, float]) -> bool:
        """Whether another attempt comes to where one was before the watch."""
        known = self._before.get(epoch) if epoch in self._done else None
        same = {} if known is None else {name: v for name, v in values.items() if name in known}
        return known is not None and not _says(known, same)

    def _restart(self, epoch: int, source: Path | None) -> Iterator[SeenEpoch]:
        """A log went back: another attempt begins, unless another log told of it already."""
        self._restarts[source] = self._restarts.get(source, 0) + 1
        if self._restarts[source] <= self._attempt:
            return
        self._attempt = self._restarts[source]
        for other, newest in self._newest.items():  # they come back here as well
            self._newest[other] = min(newest, epoch - 1)
        for left in sorted(self._open):
            yield from self._complete(left)
        self._told.clear()
        for known in [known for known in self._done if known >= epoch]:
            self._forget(known)

    def _forget(self, epoch: int) -> None:
        """What an earlier attempt said of an epoch."""
        del self._done[epoch]
        self._epochs[epoch] = {}
        self._before.pop(epoch, None)
        self._told = {told for told in self._told if told[2] != epoch}

    def _complete(self, epoch: int) -> Iterator[SeenEpoch]:
        del self._open[epoch]
        self._done[epoch] = None
        alarms = self._untold(self._monitor.update(epoch, self._watched(epoch)))
        values, before = self._epochs[epoch], self._before.get(epoch)
        is_news = before is None or not _says(before, values)
        if alarms or is_news:
            yield self._seen(epoch, alarms, complete=is_news)

    def _untold(self, alarms: Iterable[Alarm]) -> tuple[Alarm, ...]:
        """Those that were not told before, which from now on they are."""
        keyed = {(alarm.kind, alarm.name, alarm.at): alarm for alarm in alarms}
        news = tuple(alarm for key, alarm in keyed.items() if key not in self._told)
        self._told |= keyed.keys()
        return news

    def _seen(self, epoch: int, alarms: tuple[Alarm, ...], *, complete: bool) -> SeenEpoch:
        values = self._epochs[epoch]
        return SeenEpoch(
            at=epoch,
            clock=self._clock or Clock.EPOCH,
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
            if name == self._metric or is_telling(name)
        }

    def _choose_metric(self) -> None:
        """The metric that the run is judged by; another one when a better one is heard of."""
        latest = dict(islice(reversed(self._epochs.items()), _RECENT_EPOCHS))
        found = choose_metric([], LogReading(rows=self._rows(latest)), self._wish)
        if not found.name or (found.name == self._metric and found.mode is self._mode):
            return
        self._metric, self._mode = found.name, found.mode
        self._monitor = Monitor(
            self._metric if found.mode else "", found.mode or Mode.MAX, self._clock or Clock.EPOCH
        )
        for epoch in self._done:  # what is known already is no news
            self._monitor.update(epoch, self._watched(epoch))

    def _rows(self, latest: Mapping[int, Mapping[str, float]]) -> tuple[Row, ...]:
        if self._clock is Clock.STEP:
            return tuple(Row(step=at, values=values) for at, values in latest.items())
        return tuple(Row(epoch=at, values=values) for at, values in latest.items())


def _says(known: Mapping[str, float], values: Mapping[str, float]) -> bool:
    """Whether what is known has all of these values."""
    return all(
        name in known and (known[name] == value or (math.isnan(known[name]) and math.isnan(value)))
        for name, value in values.items()
    )
