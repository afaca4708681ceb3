"""A run in time: its metric by epoch or step, what went wrong in it, and when."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import MetricKind, Mode, Source

__all__ = [
    "Alarm",
    "AlarmKind",
    "Clock",
    "History",
    "LogFacts",
    "Point",
    "Position",
    "Shift",
    "Span",
]

Position = int | float
"""A place in a run, counted by its clock."""


class Clock(enum.Enum):
    """What the positions of a run count."""

    EPOCH = "epoch"
    STEP = "step"
    NUMBER = "number"

    @property
    def word(self) -> str:
        """What a person calls one of them."""
        return "checkpoint" if self is Clock.NUMBER else self.value

    @property
    def values(self) -> str:
        """What a person calls the values of several of them."""
        return "epochs" if self is Clock.EPOCH else "values"

    def say(self, at: Position) -> str:
        """A position in words: ``epoch 12``, ``step 8000``."""
        return f"{self.word} {at if isinstance(at, int) else f'{at:g}'}"


class AlarmKind(enum.Enum):
    """What is wrong."""

    DECLINE = "decline"
    COLLAPSE = "collapse"
    EXPLOSION = "explosion"
    NON_FINITE = "non_finite"
    FROZEN = "frozen"
    SHIFT = "shift"
    SCALE = "scale"
    RATE = "rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One thing that is wrong, told once.

    Attributes:
        kind: what it is.
        name: the value it was noticed at.
        at: the position at which it was noticed.
        since: the first position that it is true of.
        value: that of the position at which it was noticed.
        before: what it was before: the best, or what was usual; None where nothing was.
        message: a sentence with its figures.
        lasting: whether the run has not come back from it so far.
    """

    kind: AlarmKind
    name: str
    at: Position
    since: Position
    value: float
    before: float | None
    message: str
    lasting: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The metric at one position.

    Attributes:
        at: by the clock of the run.
        epoch, step: as far as they are known.
        value: may be NaN.
        source: where it was found.
        kind: the position's own score, or the best so far.
        path: the checkpoint or the log.
    """

    at: Position
    epoch: Position | None = None
    step: int | None = None
    value: float
    source: Source
    kind: MetricKind = MetricKind.SCORE
    path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFacts:
    """How a log was read.

    Attributes:
        path: the log.
        form: what it is: text, a table, JSON lines, ...
        encoding: of its bytes.
        lines: how many it has; 0 where it has none, as TensorBoard's files.
        rows: how many places it tells of.
        unread: lines that should have been read and could not.
        examples: a few of them, as ``file:line: text``.
        names: of the values that it holds.
        reason: why it was set aside, in words that go on from its name; "" where it was believed.
    """

    path: Path
    form: str = ""
    encoding: str = ""
    lines: int = 0
    rows: int = 0
    unread: int = 0
    examples: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Positions from the first to the last."""

    first: Position
    last: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A sudden fall to another level, less than a collapse.

    Attributes:
        at: the first position at the new level.
        before, after: the levels of the metric.
    """

    at: Position
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is known of a run over its time.

    Attributes:
        folder: where its checkpoints lie.
        metric: the name of the metric that it is judged by; "" where none is known.
        mode: which direction of it is better; None where nobody knows.
        clock: what its positions count.
        points: in order, those of the last attempt and what led there.
        superseded: what an earlier attempt reached, and the last one has not reached yet.
        best: the best score; None without one.
        decline: the positions from the one after the best to the lowest; None without a decline.
        collapse: the position from which on the metric never came back; None without one.
        shift: the last fall to another level that the metric has not come back from.
        alarms: what was wrong, in the order of time.
        values: every value of every position, as the logs have it.
        restarts: how often the logs go back to an earlier position.
        epoch_s: the usual time from one epoch to the next in seconds; None where it is not told.
        logs: what was believed.
        readings: how each log was read, those among them that gave nothing or were set aside.
        commands: command lines that stand in the logs, the last one last.
        unread: lines of the logs that should have been read and could not.
        examples: a few of those.
    """

    folder: Path = field(default_factory=Path)
    metric: str = ""
    mode: Mode | None = None
    clock: Clock = Clock.EPOCH
    points: tuple[Point, ...] = ()
    superseded: tuple[Point, ...] = ()
    best: Point | None = None
    decline: Span | None = None
    collapse: Position | None = None
    shift: Shift | None = None
    alarms: tuple[Alarm, ...] = ()
    values: Mapping[Position, Mapping[str, float]] = field(default_factory=dict, repr=False)
    restarts: int = 0
    epoch_s: float | None = None
    logs: tuple[Path, ...] = ()
    readings: tuple[LogFacts, ...] = ()
    commands: tuple[str, ...] = ()
    unread: int = 0
    examples: tuple[str, ...] = ()

    def value_at(self, at: Position) -> float | None:
        """The metric at a position."""
        point = self._point(at)
        return None if point is None else point.value

    def epoch_at(self, at: Position) -> Position | None:
        """The epoch of a position; None where only steps are known."""
        if self.clock is Clock.EPOCH:
            return at
        point = self._point(at)
        return None if point is None else point.epoch

    def step_at(self, at: Position) -> int | None:
        """The step of a position; None where only epochs are known."""
        if self.clock is Clock.STEP:
            return int(at)
        point = self._point(at)
        return None if point is None else point.step

    def _point(self, at: Position) -> Point | None:
        return next((point for point in self.points if point.at == at), None)

    @property
    def scores(self) -> list[tuple[Position, float]]:
        """The metric's own values by position, their sign turned so that more is better.

        Without what is no number, and without a running best.
        """
        sign = -1.0 if self.mode is Mode.MIN else 1.0
        return [
            (point.at, sign * point.value)
            for point in self.points
            if point.kind is MetricKind.SCORE and math.isfinite(point.value)
        ]

    @property
    def last_at(self) -> Position | None:
        """The newest position that anything is known of."""
        return max([*self.values, *(point.at for point in self.points)], default=None)
