"""What a metric does over the epochs of a run: where it declines, and where it collapses.

A metric that gets worse three epochs in a row after its best is declining, as far as chance does
not explain it (:mod:`ckptdoctor.runs.trend.decline`); one that loses half of its best collapsed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from ckptdoctor.histories import Clock, History, Position, Shift
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.age import Age
from ckptdoctor.runs.trend.decline import DeclineDetector
from ckptdoctor.runs.trend.fall import Gained, is_back, is_fall, is_risen
from ckptdoctor.runs.trend.shift import ShiftDetector
from ckptdoctor.runs.trend.unlearned import Unlearned
from ckptdoctor.runs.trend.witness import TrainingLoss, Witness, Word, is_guess

__all__ = ["Beside", "Trend", "trend_of"]

_FIRST_EPOCH, _FIRST_EPOCHS = 1, 5
_FALLEN_BY_CHANCE = 0.5
"""An untrained net guesses, and may lose half of what it guessed while it begins to learn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a log tells beside the metric.

    Attributes:
        metric: its name.
        rates: position -> learning rate, as far as it is known.
        losses: position -> loss of the training, likewise.
    """

    metric: str = ""
    rates: Mapping[Position, float] = field(default_factory=dict)
    losses: Mapping[Position, TrainingLoss] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """What a metric did.

    Attributes:
        best: the position of the best value; None without one.
        decline: the first and the last position of a decline after the best; None without one.
        collapse: the first position of a fall that the metric did not come back from: half of the
            best lost at once (three quarters in the first epochs of a run), NaN, or less than at
            first where the loss of the training says the same; None without one.
        shift: the last fall to another level that the metric has not come back from.
    """

    best: Position | None = None
    decline: tuple[Position, Position] | None = None
    collapse: Position | None = None
    shift: Shift | None = None

    @classmethod
    def of(cls, history: History) -> Trend:
        """What a history says of its metric."""
        span = history.decline
        return cls(
            best=None if history.best is None else history.best.at,
            decline=None if span is None else (span.first, span.last),
            collapse=history.collapse,
            shift=history.shift,
        )

    def has_collapsed(self, at: Position) -> bool:
        """Whether a position lies behind the collapse."""
        return self.collapse is not None and at >= self.collapse

    def speaks_against(self, at: Position) -> str:
        """Why the score at a position cannot be relied on; "" where nothing speaks against it."""
        if self.has_collapsed(at):
            return f"since the collapse at {self.collapse}"
        if self.decline is not None and self.decline[0] <= at <= self.decline[1]:
            return f"in the decline {self.decline[0]}–{self.decline[1]}"
        if self.shift is not None and at >= self.shift.at:
            return f"since the fall at {self.shift.at}"
        return ""


def trend_of(
    points: Mapping[int, float] | Mapping[Position, float],
    mode: Mode,
    clock: Clock = Clock.EPOCH,
    beside: Beside | None = None,
) -> Trend:
    """The trend of a metric.

    Args:
        points: position -> value.
        mode: which direction is better.
        clock: what the positions count.
        beside: what else is known of those positions.
    """
    beside = beside or Beside()
    sign = 1.0 if mode is Mode.MAX else -1.0
    ordered: list[tuple[Position, float]] = sorted(points.items())
    collapse = _collapse(ordered, mode, clock, beside)
    sound = [
        (at, sign * value)
        for at, value in ordered
        if math.isfinite(value) and (collapse is None or at < collapse)
    ]
    if not sound:
        return Trend(collapse=collapse)
    shift = _shift([(at, sign * value) for at, value in sound], mode, beside.rates)
    if shift is not None and is_risen(shift.after, shift.before, mode):
        collapse, shift = shift.at, None
        sound = [point for point in sound if point[0] < collapse]
    young = _is_young(sound, clock)
    decline = _decline(sound, DeclineDetector(young=young), beside.rates)
    if shift is not None and decline is not None:
        before = [point for point in sound if point[0] < shift.at]
        if before and _decline(before, DeclineDetector(young=young), beside.rates) is None:
            settling = DeclineDetector(after_shift=True)
            decline = _decline(sound[len(before) :], settling, beside.rates)
    return Trend(best=_best(sound), decline=decline, collapse=collapse, shift=shift)


def _collapse(
    ordered: list[tuple[Position, float]], mode: Mode, clock: Clock, beside: Beside
) -> Position | None:
    """The position from which on the metric never came back, after a fall."""
    fallen: _Fallen | None = None
    known: list[float] = []  # before the fall
    young, ages, gained = _is_young(ordered, clock), Age(clock), Gained(mode)
    witness, unlearned = Witness(beside.metric, mode, clock), Unlearned(mode)
    best: float | None = None
    for at, value in ordered:
        age, word = ages.update(at), witness.update(at, value, beside.losses.get(at))
        if fallen is not None and best is not None and fallen.ends(value, best, known, mode):
            fallen = None  # it came back: what lay between was no collapse
        if fallen is not None:
            continue
        lost = unlearned.update(at, value) if math.isfinite(value) else None
        is_young = young and age < _FIRST_EPOCHS
        if is_young and best is not None and is_guess(known, value, mode, word):
            witness.guessed(value)
            ages.begin()
            best, known, gained = value, [value], Gained(mode)
            continue
        has_fallen = best is not None and _has_fallen(value, best, gained, mode, young=is_young)
        if has_fallen or lost is not None or word is Word.UNLEARNED:
            fallen = _Fallen(at=at if lost is None else lost, lowest=value)
        elif math.isfinite(value):
            gained.update(value)
            known.append(value)
            best = value if best is None else _better(mode)(best, value)
            if best == 0.0 and mode is Mode.MAX:
                ages.begin()  # it has found nothing yet
    return None if fallen is None else fallen.at


def _has_fallen(value: float, best: float, gained: Gained, mode: Mode, *, young: bool) -> bool:
    if not math.isfinite(value):
        return True
    if gained.signed:
        return gained.is_lost(value, young=young)
    chance = young and mode is Mode.MAX
    return is_fall(value, best * _FALLEN_BY_CHANCE if chance else best, mode)


@dataclass(slots=True, kw_only=True)
class _Fallen:
    """A fall that the metric has not come back from yet."""

    at: Position
    lowest: float

    def ends(self, value: float, best: float, before: Sequence[float], mode: Mode) -> bool:
        """Whether the metric is back with this value."""
        if not math.isfinite(value):
            return False
        if not math.isfinite(self.lowest) or _better(mode)(value, self.lowest) != value:
            self.lowest = value
        return is_back(value, best=best, lowest=self.lowest, before=before, mode=mode)


def _best(sound: list[tuple[Position, float]]) -> Position:
    """The first position of the best value."""
    return max(sound, key=lambda point: (point[1], -point[0]))[0]


def _shift(
    sound: list[tuple[Position, float]], mode: Mode, rates: Mapping[Position, float]
) -> Shift | None:
    """The last fall to another level that stands."""
    detector = ShiftDetector(mode)
    for at, value in sound:
        detector.update(value, rates.get(at))
    found = detector.standing
    if found is None:
        return None
    return Shift(at=sound[found.at][0], before=found.before, after=found.after)


def _better(mode: Mode) -> Callable[[float, float], float]:
    return max if mode is Mode.MAX else min


def _is_young(ordered: list[tuple[Position, float]], clock: Clock) -> bool:
    """Whether the beginning of the run is among the values."""
    if clock is Clock.EPOCH or len(ordered) < 2:
        return bool(ordered) and ordered[0][0] <= _FIRST_EPOCH
    return ordered[0][0] <= 2 * (ordered[1][0] - ordered[0][0])


def _decline(
    sound: list[tuple[Position, float]],
    detector: DeclineDetector,
    rates: Mapping[Position, float],
) -> tuple[Position, Position] | None:
    """From the position after the best to the lowest point that followed, if that is a decline."""
    best = _best(sound)
    first: Position | None = None
    lowest, down = math.inf, best
    before = [value for at, value in sound if at <= best]
    for at, value in sound:
        found = detector.update(value, rates.get(at))
        if at <= best:
            continue
        if value < lowest:
            lowest, down = value, at
        if first is not None and is_back(
            value, best=before[-1], lowest=lowest, before=before, mode=Mode.MAX
        ):
            first, lowest = None, math.inf
        elif found is not None:
            first, lowest, down = sound[found.best + 1][0], value, at
    return None if first is None else (first, down)
