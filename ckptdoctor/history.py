"""A run in time: its metric by epoch, what went wrong in it, and when."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ckptdoctor.metadata import MetricKind, Mode, Source

__all__ = ["Alarm", "AlarmKind", "History", "Point", "Span"]


class AlarmKind(enum.Enum):
    """What is wrong."""

    DECLINE = "decline"
    COLLAPSE = "collapse"
    EXPLOSION = "explosion"
    NON_FINITE = "non_finite"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One thing that is wrong, told once.

    Attributes:
        kind: what it is.
        name: the value it was noticed at.
        epoch: when it was noticed.
        since: the first epoch that it is true of.
        value: that of the epoch at which it was noticed.
        before: what it was before: the best, or what was usual; None where nothing was.
        message: a sentence with its figures.
        lasting: whether the run has not come back from it so far.
    """

    kind: AlarmKind
    name: str
    epoch: int
    since: int
    value: float
    before: float | None
    message: str
    lasting: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The metric of an epoch.

    Attributes:
        epoch: as the run counts.
        value: may be NaN.
        source: where it was found.
        kind: the epoch's own score, or the best so far.
        path: the checkpoint or the log.
    """

    epoch: int
    value: float
    source: Source
    kind: MetricKind = MetricKind.SCORE
    path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Epochs from the first to the last."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is known of a run over its epochs.

    Attributes:
        folder: where its checkpoints lie.
        metric: the name of the metric that it is judged by; "" where none is known.
        mode: which direction of it is better; None where nobody knows.
        points: by epoch, those of the last attempt and what led there.
        superseded: epochs that an earlier attempt reached, and the last one has not reached yet.
        best: the best score; None without one.
        decline: the epochs from the one after the best to the lowest; None without a decline.
        collapse: the epoch from which on the metric never came back; None without one.
        alarms: what was wrong, in the order of the epochs.
        values: every value of every epoch, as the logs have it.
        restarts: how often the logs go back to an earlier epoch.
        epoch_s: the usual time from one epoch to the next in seconds; None where it is not told.
        logs: what was read.
        commands: command lines that stand in the logs, the last one last.
        unread: lines of the logs that should have been read and could not.
        examples: a few of those.
    """

    folder: Path = field(default_factory=Path)
    metric: str = ""
    mode: Mode | None = None
    points: tuple[Point, ...] = ()
    superseded: tuple[Point, ...] = ()
    best: Point | None = None
    decline: Span | None = None
    collapse: int | None = None
    alarms: tuple[Alarm, ...] = ()
    values: Mapping[int, Mapping[str, float]] = field(default_factory=dict, repr=False)
    restarts: int = 0
    epoch_s: float | None = None
    logs: tuple[Path, ...] = ()
    commands: tuple[str, ...] = ()
    unread: int = 0
    examples: tuple[str, ...] = ()

    def value_at(self, epoch: int) -> float | None:
        """The metric of an epoch."""
        return next((point.value for point in self.points if point.epoch == epoch), None)

    @property
    def last_epoch(self) -> int | None:
        """The newest epoch that anything is known of."""
        return max([*self.values, *(point.epoch for point in self.points)], default=None)
