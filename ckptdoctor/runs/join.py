"""Checkpoints and logs, joined by epoch: what each file really scored, and what the run did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ckptdoctor.history import History
from ckptdoctor.metadata import (
    Metadata,
    Metric,
    MetricKind,
    Mode,
    Source,
    named_metric,
    plain_name,
    principal,
)
from ckptdoctor.report import CheckpointReport
from ckptdoctor.runs.chronicle import Entry, chronicle
from ckptdoctor.runs.logs import LogPattern, LogReading, find_logs, read_logs
from ckptdoctor.runs.trend import Trend, trend_of

__all__ = ["Joined", "Wish", "history_of_logs", "join_entries", "join_logs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the user says of the metric and of the logs.

    Attributes:
        metric: its name; "" for the one that the checkpoints name.
        mode: which direction is better; None for what the name tells.
        logs: further logs, which speak for every checkpoint.
        pattern: how to read lines of logs, from ``compile_pattern``; None for the usual ways.
    """

    metric: str = ""
    mode: Mode | None = None
    logs: tuple[Path, ...] = ()
    pattern: LogPattern | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """The result.

    Attributes:
        reports: with the scores that the logs hold.
        histories: one for each folder, in the order of the reports.
        earlier: by folder, what the metric did in attempts that a restart has left behind.
    """

    reports: tuple[CheckpointReport, ...]
    histories: tuple[History, ...] = ()
    earlier: Mapping[Path, Trend] = field(default_factory=dict)

    def speaks_against(self, report: CheckpointReport) -> str:
        """Why the score of a checkpoint cannot be relied on; "" if nothing speaks against it."""
        folder, epoch = report.path.parent, report.metadata.epoch
        history = next((one for one in self.histories if one.folder == folder), None)
        if history is None or epoch is None:
            return ""
        if epoch in {point.at for point in history.superseded} and folder in self.earlier:
            return self.earlier[folder].speaks_against(epoch)
        return Trend.of(history).speaks_against(epoch)


def join_logs(reports: Sequence[CheckpointReport], wish: Wish | None = None) -> Joined:
    """The reports with their own scores, as far as logs beside them tell.

    Raises:
        OSError: a log that the user named cannot be read.
    """
    wish = wish or Wish()
    histories, done = [], {}
    earlier: dict[Path, Trend] = {}
    folders: dict[Path, list[CheckpointReport]] = {}
    for report in reports:
        folders.setdefault(report.path.parent, []).append(report)
    for folder, inside in folders.items():
        entries = [Entry(path=report.path, metadata=report.metadata) for report in inside]
        history, joined = join_entries(folder, entries, wish)
        histories.append(history)
        if history.superseded and history.mode is not None:
            old = {p.at: p.value for p in (*history.points, *history.superseded)}
            first = min(point.at for point in history.superseded)
            last = max(point.at for point in history.superseded)
            before = {e: v for e, v in old.items() if e <= last}
            earlier[folder] = trend_of(before, history.mode) if first <= last else Trend()
        for report, entry in zip(inside, joined, strict=True):
            same = entry.metadata is report.metadata
            done[id(report)] = report if same else replace(report, metadata=entry.metadata)
    return Joined(tuple(done[id(report)] for report in reports), tuple(histories), earlier)


def join_entries(folder: Path, entries: Sequence[Entry], wish: Wish) -> tuple[History, list[Entry]]:
    """The history of the checkpoints of a folder, and they with their own scores.

    Args:
        folder: where they lie.
        entries: what they hold.
        wish: what the user says.

    Raises:
        OSError: a log that the user named cannot be read.
    """
    found = find_logs([entry.path for entry in entries])
    named = {path.resolve() for path in wish.logs}
    beside = [path for path in found if path.resolve() not in named]
    reading, logs = _readable([*beside, *wish.logs], set(wish.logs), wish.pattern)
    placed = [_with_epoch(entry, reading) for entry in entries]
    name = wish.metric or _common(placed)
    scores = scores_of(reading, name, wish)
    scored = [_with_score(entry, scores, wish) for entry in placed]
    return chronicle(folder, scored, scores, reading, logs), scored


def history_of_logs(logs: Sequence[Path], wish: Wish) -> History:
    """The history of a run of which there are logs and no checkpoints.

    Raises:
        OSError: a log cannot be read.
    """
    reading = read_logs(logs, wish.pattern)
    scores = scores_of(reading, wish.metric, wish)
    return chronicle(logs[0].parent, [], scores, reading, tuple(logs))


def scores_of(reading: LogReading, name: str, wish: Wish) -> dict[int, Metric]:
    """The metric of each epoch that the logs tell of.

    Args:
        reading: the logs.
        name: the plain name of the metric; "" for the principal one of them all.
        wish: what the user says.
    """
    if not name:
        every = {key: 0.0 for values in reading.epochs.values() for key in values}
        best = principal([m for key in every if (m := _of_log(key, 0.0)) is not None])
        name = plain_name(best) if best is not None else ""
    return {
        epoch: metric
        for epoch, values in reading.epochs.items()
        if (metric := _score(values, name, wish)) is not None
    }


def _of_log(key: str, value: float) -> Metric | None:
    metric = named_metric(key, value, Source.LOG)
    return metric if metric is not None and metric.kind is MetricKind.SCORE else None


def _readable(
    paths: Iterable[Path], named: set[Path], pattern: LogPattern | None
) -> tuple[LogReading, tuple[Path, ...]]:
    """What the logs say; those that only lie there and cannot be read are no reason to fail."""
    kept = list(dict.fromkeys(paths))
    while True:
        try:
            return read_logs(kept, pattern), tuple(kept)
        except OSError as error:
            bad = [p for p in kept if str(p) == str(error.filename) and p not in named]
            if not bad:
                raise
            kept = [path for path in kept if path not in bad]


def _with_epoch(entry: Entry, reading: LogReading) -> Entry:
    """The entry with the epoch that the log gives for its step, where it has none."""
    data = entry.metadata
    if data.epoch is not None or data.global_step is None:
        return entry
    epoch = reading.epoch_of_step(data.global_step)
    if epoch is None:
        return entry
    return replace(entry, metadata=replace(data, epoch=epoch, epoch_source=Source.LOG))


def _common(entries: Sequence[Entry]) -> str:
    """The metric that most of the checkpoints name."""
    names = Counter(
        plain_name(entry.metadata.metric) for entry in entries if entry.metadata.metric is not None
    )
    return names.most_common(1)[0][0] if names else ""


def _score(values: Mapping[str, float], name: str, wish: Wish) -> Metric | None:
    """The value of the metric among those of an epoch."""
    exact = {key.lower(): key for key in values}.get(wish.metric.lower()) if wish.metric else None
    if exact is not None:
        known = named_metric(exact, values[exact], Source.LOG)
        mode = wish.mode or (known.mode if known is not None else None)
        return Metric(
            name=exact, value=values[exact], mode=mode, kind=MetricKind.SCORE, source=Source.LOG
        )
    found = [
        metric
        for key, value in values.items()
        if (metric := _of_log(key, value)) is not None and (not name or plain_name(metric) == name)
    ]
    best = principal(found)
    return best if best is None or wish.mode is None else replace(best, mode=wish.mode)


def _with_score(entry: Entry, scores: Mapping[int, Metric], wish: Wish) -> Entry:
    """The entry with its own score: what the user named, its own key, or the log's value."""
    data = entry.metadata
    metric = data.metric
    if wish.metric:
        named = [m for m in data.metrics if wish.metric.lower() in (m.name.lower(), plain_name(m))]
        metric = principal(named)
    if metric is not None and wish.mode is not None:
        metric = replace(metric, mode=wish.mode)
    logged = scores.get(data.epoch) if isinstance(data.epoch, int) else None
    if logged is not None and (metric is None or metric.kind is MetricKind.RUNNING_BEST):
        metric = logged
    if metric is data.metric:
        return entry
    return replace(entry, metadata=_holding(data, metric))


def _holding(data: Metadata, metric: Metric | None) -> Metadata:
    metrics = data.metrics if metric is None or metric in data.metrics else (*data.metrics, metric)
    return replace(data, metric=metric, metrics=metrics)
