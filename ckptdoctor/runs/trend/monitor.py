"""A run value by value: what is wrong with those of each position, as soon as they are known."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import deque
from collections.abc import Collection, Iterator, Mapping

from ckptdoctor.histories import Alarm, AlarmKind, Clock, Position
from ckptdoctor.metadata import Mode, Split, is_best, split_of
from ckptdoctor.runs.logs.watched import REDUCED_SCALE, is_scale
from ckptdoctor.runs.trend.age import Age
from ckptdoctor.runs.trend.decline import DeclineDetector
from ckptdoctor.runs.trend.explosion import SIGMAS, LossWatch
from ckptdoctor.runs.trend.fall import Gained, is_fall, is_risen
from ckptdoctor.runs.trend.named import is_loss, is_norm, rate_of
from ckptdoctor.runs.trend.noise import deviation
from ckptdoctor.runs.trend.rate_watch import RateWatch
from ckptdoctor.runs.trend.shift import ShiftDetector
from ckptdoctor.runs.trend.standstill import Standstill
from ckptdoctor.runs.trend.unlearned import Unlearned
from ckptdoctor.runs.trend.witness import FLOATS, Witness, Word, is_guess, training_loss

__all__ = ["Monitor"]

_FIRST_EPOCHS = 5
"""A young net may score 0.1 and then 0.01 without harm."""
_WINDOW = 20
_COLLAPSE_SIGMAS = 5.0
_FARTHER = 1.5
_YOUNG_EPOCHS = 20
_CALM_SCORE, _CALM_LOSS = 0.75, 1.5
"""Of the best, and of the usual: what still counts as no worse than before."""
_LEAST_SCALE = 1.0


class Monitor:
    """Takes the values of one position after the other.

    Args:
        metric: the name of the metric that the run is judged by; "" to judge losses alone.
        mode: which direction of it is better.
        clock: what the positions count.
        also: names of values that have to be finite, although they say nothing.
    """

    def __init__(
        self,
        metric: str,
        mode: Mode = Mode.MAX,
        clock: Clock = Clock.EPOCH,
        also: Collection[str] = (),
    ) -> None:
        self.also = frozenset(also)
        self._metric = metric
        self._sign = 1.0 if mode is Mode.MAX else -1.0
        self._mode = mode
        self._clock = clock
        self._age = Age(clock)
        self._ages: list[Position] = []
        self._places: list[Position] = []
        self._last: Position | None = None
        self._decline: DeclineDetector | None = None
        self._decline_from = 0
        self._best: float | None = None
        self._gained = Gained(mode)
        self._unlearned = Unlearned(mode)
        self._witness = Witness(metric, mode, clock)
        self._shift = ShiftDetector(mode)
        self._rate = RateWatch(clock)
        self._fallen = False
        self._finite: dict[str, bool] = {}
        self._losses: dict[str, LossWatch] = {}
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._standstill = Standstill(metric, clock)
        self._scale_from: dict[str, float] = {}
        self._scales_told: set[str] = set()

    def update(self, at: Position, values: Mapping[str, float]) -> list[Alarm]:
        """What is wrong since this position.

        Args:
            at: one that was there before means a restart: what is known of the metric so far
                stands as what it was before a change.
            values: of this position; metric, losses, norms and learning rates count.
        """
        if self._last is not None and at <= self._last:
            if self._decline is not None:
                self._decline.changed()
            self._fallen = False
        self._last = at
        alarms = [*self.non_finite(at, values), *self._explosions(at, values)]
        value = values.get(self._metric)
        if value is not None and math.isfinite(value):
            word = self._witness.update(at, value, training_loss(values, self._metric))
            alarms += self._judge_metric(at, value, rate_of(values), word)
        alarms += self._frozen(at, values)
        alarms += self._scales(at, values)
        alarms += self._rate.update(at, values)
        return alarms

    def _scales(self, at: Position, values: Mapping[str, float]) -> Iterator[Alarm]:
        """A loss scale that fell to its end: a scale that was never more than 1 is not scaled."""
        for name, value in values.items():
            if not is_scale(name):
                continue
            before = self._scale_from.get(name)
            if before is None or value > before:
                self._scale_from[name] = value
            fell = value <= _LEAST_SCALE and (
                name == REDUCED_SCALE or (before is not None and before > value)
            )
            if fell and name not in self._scales_told:
                self._scales_told.add(name)
                yield Alarm(
                    kind=AlarmKind.SCALE,
                    name=name,
                    at=at,
                    since=at,
                    value=value,
                    before=before,
                    message=f"the loss scale fell to {value:.4g} at {self._clock.say(at)}",
                )
            elif value > _LEAST_SCALE:
                self._scales_told.discard(name)

    def _judge_metric(
        self, at: Position, value: float, rate: float | None, word: Word
    ) -> Iterator[Alarm]:
        age = self._age.update(at)
        if self._best is not None and age < _FIRST_EPOCHS:
            self._unguess(value, word)
        best = self._best
        lost = self._unlearned.update(at, value)
        fallen = best is not None and (
            lost is not None or self._is_collapse(value, best, age) or word is Word.UNLEARNED
        )
        if fallen and not self._fallen:
            self._fallen = True
            since = at if lost is None else lost
            text = f"from {best:.4g} to {value:.4g} at {self._clock.say(at)}"
            kind = AlarmKind.COLLAPSE
            yield self._alarm(kind, text, at=at, since=since, value=value, before=best)
        if not fallen:
            self._fallen = False
        if best is None or value * self._sign > best * self._sign:
            self._best = value
        if self._best == 0.0 and self._mode is Mode.MAX:
            self._age.begin()  # it has found nothing yet
        if self._fallen:
            return  # what declines on the floor is no news
        self._gained.update(value)
        self._places.append(at)
        self._ages.append(age)
        self._recent.append(value)
        shift = self._shift.update(value, rate)
        if shift is not None:
            self._decline = DeclineDetector(after_shift=True)
            self._decline_from = len(self._places) - 1
            since = self._places[shift.at]
            text = f"from {shift.before:.4g} to {shift.after:.4g} at {self._clock.say(since)}"
            yield self._alarm(
                AlarmKind.SHIFT,
                f"{text} and stays there",
                at=at,
                since=since,
                value=value,
                before=shift.before,
            )
        if self._decline is None:
            self._decline = DeclineDetector(young=age < _FIRST_EPOCHS)
        decline = self._decline.update(value * self._sign, rate)
        if decline is not None:
            since = self._places[self._decline_from + min(decline.best + 1, decline.at)]
            count = decline.in_a_row
            row = f", {count} {self._clock.values} in a row" if count > 2 else ""
            text = f"from {self._best:.4g} to {value:.4g} since {self._clock.say(since)}{row}"
            yield self._alarm(
                AlarmKind.DECLINE, text, at=at, since=since, value=value, before=self._best
            )

    def _unguess(self, value: float, word: Word) -> None:
        """What was guessed before the net began to learn is no best to fall from."""
        if is_guess([*self._recent], value, self._mode, word):
            self._best, self._gained = value, Gained(self._mode)
            self._recent.clear()
            self._age.begin()
            self._witness.guessed(value)

    def _is_collapse(self, value: float, best: float, age: Position) -> bool:
        """Half of the best is lost, and a young score near zero has not just jumped about."""
        if self._gained.signed:
            return self._gained.is_lost(value, young=age < _FIRST_EPOCHS)
        if not is_fall(value, best, self._mode):
            return self._mode is Mode.MIN and self._has_risen(value)
        logs = [math.log(known) for known in self._recent if known > 0]
        if len(logs) < _FIRST_EPOCHS:
            return age >= _FIRST_EPOCHS
        steps = [after - before for before, after in itertools.pairwise(logs)]
        fallen = abs(math.log(best / value)) if value > 0 else math.inf
        jumps = max(abs(step) for step in steps) if self._is_young else 0.0
        return fallen > max(_COLLAPSE_SIGMAS * deviation(steps), _FARTHER * jumps)

    @property
    def _is_young(self) -> bool:
        """Whether the run is in its first epochs still."""
        return len(self._ages) < _YOUNG_EPOCHS and self._ages[0] < _FIRST_EPOCHS

    def _has_risen(self, value: float) -> bool:
        """Whether a metric to minimise lies far above the usual for the second epoch."""
        *known, before = [*self._recent] or [value]
        if len(known) < _FIRST_EPOCHS or min(known) <= 0:
            return False
        usual, least = statistics.median(known[-5:]), min(value, before)
        if not is_risen(least, usual, Mode.MIN):  # most values: the noise need not be known
            return False
        logs = [math.log(old) for old in known]
        noise = deviation([after - old for old, after in itertools.pairwise(logs)])
        return math.log(least / usual) > SIGMAS * noise

    def _alarm(
        self,
        kind: AlarmKind,
        text: str,
        *,
        at: Position,
        since: Position,
        value: float,
        before: float | None,
    ) -> Alarm:
        return Alarm(
            kind=kind,
            name=self._metric,
            at=at,
            since=since,
            value=value,
            before=before,
            message=f"{self._metric} {_VERBS[kind]} {text}",
        )

    def non_finite(self, at: Position, values: Mapping[str, float]) -> Iterator[Alarm]:
        """What is not finite, told once; may be asked before all values are known."""
        for name, value in values.items():
            if not (name == self._metric or name in self.also or is_loss(name) or is_norm(name)):
                continue
            if is_best(name):  # of a best that was not measured yet
                continue
            finite, before = math.isfinite(value), self._finite.get(name)
            if not finite and before is not False and (before or not self._is_score(name)):
                yield Alarm(
                    kind=AlarmKind.NON_FINITE,
                    name=name,
                    at=at,
                    since=at,
                    value=value,
                    before=None,
                    message=f"{name} is {'NaN' if math.isnan(value) else value} "
                    f"at {self._clock.say(at)}",
                )
            self._finite[name] = finite

    def _is_score(self, name: str) -> bool:
        """A metric that was never finite may be one that is not computed."""
        return name == self._metric and not is_loss(name)

    def _explosions(self, at: Position, values: Mapping[str, float]) -> Iterator[Alarm]:
        calm = self._is_calm(values)
        for name, value in values.items():
            if not is_loss(name) or not math.isfinite(value) or FLOATS.search(name):
                continue
            loss = self._losses.setdefault(name, LossWatch())
            is_training = name != self._metric and split_of(name) is not Split.VALIDATION
            found = loss.update(at, value, is_calm=calm and is_training)
            if found is not None:
                yield Alarm(
                    kind=AlarmKind.EXPLOSION,
                    name=name,
                    at=found.at,
                    since=found.at,
                    value=found.value,
                    before=found.usual,
                    message=f"{name} exploded from {found.usual:.4g} to {found.value:.4g} "
                    f"at {self._clock.say(found.at)}",
                )

    def _is_calm(self, values: Mapping[str, float]) -> bool:
        """Whether the metric and the losses on held-out data are about as good as before."""
        found = []
        for name, value in values.items():
            held_out = is_loss(name) and split_of(name) is Split.VALIDATION
            if not (name == self._metric or held_out) or is_best(name):
                continue
            by_loss = is_loss(name) or self._mode is Mode.MIN
            watch = self._losses.get(name)
            usual = self._best if name == self._metric else None if watch is None else watch.usual
            if usual is None or not usual > 0.0 or not math.isfinite(value):
                return False
            found.append(value <= _CALM_LOSS * usual if by_loss else value >= _CALM_SCORE * usual)
        return bool(found) and all(found)

    def _frozen(self, at: Position, values: Mapping[str, float]) -> Iterator[Alarm]:
        """The same digits epoch after epoch: nothing is learned, or nothing is computed."""
        count = self._standstill.update(values)
        if count is not None:
            value = values[self._metric]
            text = f"at {value:.6g} for {count} {self._clock.values}"
            since = self._places[-count] if len(self._places) >= count else at
            yield self._alarm(AlarmKind.FROZEN, text, at=at, since=since, value=value, before=value)


_VERBS = {
    AlarmKind.DECLINE: "declined",
    AlarmKind.COLLAPSE: "collapsed",
    AlarmKind.SHIFT: "fell",
    AlarmKind.FROZEN: "stands still",
}
