"""Rows of logs, put together by epoch: restarts joined, what cannot be read counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Collector", "Epochs", "LogReading", "Row", "merged"]

Epochs = Mapping[int, Mapping[str, float]]
"""Epoch -> name of a value -> the value; where a restart repeats an epoch, the later stands."""

_MOST_EPOCHS = 1_000_000
_MOST_NAMES = 500
_MOST_SHOWN = 5
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one place of a log says of an epoch.

    Attributes:
        epoch: as the log counts.
        values: by name; may be empty, and may be NaN or infinite.
        step: the optimizer step, where it is told as well.
        time_s: when it was written, in seconds since some fixed moment; None where it is not told.
    """

    epoch: int
    values: Mapping[str, float]
    step: int | None = None
    time_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReading:
    """What the logs of a run say.

    Attributes:
        epochs: the values by epoch.
        sources: the log that an epoch's values come from, the last one where there are several.
        superseded: epochs that an earlier attempt reached, and the last one has not reached yet.
        restarts: how often the logs go back to an earlier epoch.
        last_steps: epoch -> the last optimizer step told of it.
        times_s: epoch -> when it was last written of, in seconds.
        commands: command lines that stand in the logs, the last one last.
        unread: lines that should have been read and could not.
        examples: a few of them, as ``file:line: text``.
    """

    epochs: Epochs = field(default_factory=dict)
    sources: Mapping[int, Path] = field(default_factory=dict)
    superseded: frozenset[int] = frozenset()
    restarts: int = 0
    last_steps: Mapping[int, int] = field(default_factory=dict)
    times_s: Mapping[int, float] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    unread: int = 0
    examples: tuple[str, ...] = ()

    def current(self) -> Epochs:
        """The epochs of the last attempt, and those before it that led there."""
        return {e: values for e, values in self.epochs.items() if e not in self.superseded}

    def epoch_of_step(self, step: int) -> int | None:
        """The epoch that an optimizer step lies in; None where the logs do not reach it."""
        reached = [epoch for epoch, last in self.last_steps.items() if last >= step]
        return min(reached, default=None)


def merged(readings: Sequence[LogReading]) -> LogReading:
    """What several logs of one run say together; of a value that two have, the later log's."""
    if len(readings) == 1:
        return readings[0]
    epochs: dict[int, dict[str, float]] = {}
    for reading in readings:
        for epoch, values in reading.epochs.items():
            epochs.setdefault(epoch, {}).update(values)
    standing = {epoch for reading in readings for epoch in reading.current()}
    commands = [command for reading in readings for command in reading.commands]
    return LogReading(
        epochs={epoch: epochs[epoch] for epoch in sorted(epochs)},
        sources={e: path for reading in readings for e, path in reading.sources.items()},
        superseded=frozenset(e for r in readings for e in r.superseded) - standing,
        restarts=sum(reading.restarts for reading in readings),
        last_steps={e: step for reading in readings for e, step in reading.last_steps.items()},
        times_s={e: time for reading in readings for e, time in reading.times_s.items()},
        commands=tuple(dict.fromkeys(commands))[-_MOST_SHOWN:],
        unread=sum(reading.unread for reading in readings),
        examples=tuple(text for r in readings for text in r.examples)[:_MOST_SHOWN],
    )


class Collector:
    """Takes rows in the order of the log, one log after the other."""

    def __init__(self) -> None:
        self._epochs: dict[int, dict[str, float]] = {}
        self._sources: dict[int, Path] = {}
        self._last_steps: dict[int, int] = {}
        self._times: dict[int, float] = {}
        self._commands: list[str] = []
        self._old: dict[int, None] = {}
        self._standing: set[int] = set()
        self._restarts = 0
        self._unread = 0
        self._examples: list[str] = []
        self._path = Path()
        self._last: int | None = None
        self._reached: set[int] = set()
        self._behind: set[int] = set()

    def begin(self, path: Path) -> None:
        """Another log: going back in epochs from the one before is no restart."""
        self._end()
        self._path = path

    def add(self, row: Row) -> None:
        """What a log says next."""
        epoch = row.epoch
        if self._last is not None and epoch < self._last - 1:
            self._restarts += 1
            self._behind |= {reached for reached in self._reached if reached >= epoch}
            self._reached = {reached for reached in self._reached if reached < epoch}
        self._last = epoch
        if epoch not in self._epochs and len(self._epochs) >= _MOST_EPOCHS:
            return
        self._reached.add(epoch)
        kept = self._epochs.setdefault(epoch, {})
        if epoch in self._behind:  # a restart came here again: the old values are another run's
            self._behind.discard(epoch)
            kept.clear()
        for name, value in row.values.items():
            if name in kept or len(kept) < _MOST_NAMES:
                kept[name] = value
        self._sources[epoch] = self._path
        if row.step is not None:
            self._last_steps[epoch] = row.step
        if row.time_s is not None:
            self._times[epoch] = row.time_s

    def command(self, text: str) -> None:
        """A command line that a log shows."""
        self._commands = [*[known for known in self._commands if known != text], text][
            -_MOST_SHOWN:
        ]

    def unreadable(self, number: int, text: str) -> None:
        """A line that could not be read."""
        self._unread += 1
        if len(self._examples) < _MOST_SHOWN:
            self._examples.append(f"{self._path.name}:{number}: {text.strip()[:_SHOWN_CHARS]}")

    def result(self) -> LogReading:
        """What was collected; the collector can go on."""
        self._end()
        return LogReading(
            epochs={epoch: dict(self._epochs[epoch]) for epoch in self._with_values()},
            sources=dict(self._sources),
            superseded=frozenset(set(self._old) - self._standing),
            restarts=self._restarts,
            last_steps=dict(self._last_steps),
            times_s=dict(self._times),
            commands=tuple(self._commands),
            unread=self._unread,
            examples=tuple(self._examples),
        )

    def _with_values(self) -> Iterator[int]:
        return (epoch for epoch in sorted(self._epochs) if self._epochs[epoch])

    def _end(self) -> None:
        """What stands and what is superseded in the log that was read last."""
        self._old |= dict.fromkeys(self._behind)
        self._standing |= self._reached
        self._last, self._reached, self._behind = None, set(), set()
