"""Checkpoints and logs, joined by epoch: what each file really scored, and what the run did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ckptdoctor.metadata import (
    Metric,
    MetricKind,
    Mode,
    Source,
    named_metric,
    plain_name,
    principal,
)
from ckptdoctor.report import CheckpointReport
from ckptdoctor.run.logs import Epochs, find_logs, read_logs
from ckptdoctor.run.trend import Trend, trend_of

__all__ = ["Joined", "Wish", "join_logs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the user says of the metric and of the logs.

    Attributes:
        metric: its name; "" for the one that the checkpoints name.
        mode: which direction is better; None for what the name tells.
        logs: further logs, which speak for every checkpoint.
    """

    metric: str = ""
    mode: Mode | None = None
    logs: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """The result.

    Attributes:
        reports: with the scores that the logs hold.
        trends: by folder, what the metric did there.
    """

    reports: tuple[CheckpointReport, ...]
    trends: Mapping[Path, Trend] = field(default_factory=dict)

    def speaks_against(self, report: CheckpointReport) -> str:
        """Why the score of a checkpoint cannot be relied on; "" if nothing speaks against it."""
        trend, epoch = self.trends.get(report.path.parent), report.metadata.epoch
        return "" if trend is None or epoch is None else trend.speaks_against(epoch)


def join_logs(reports: Sequence[CheckpointReport], wish: Wish | None = None) -> Joined:
    """The reports with their own scores, as far as logs beside them tell.

    Raises:
        OSError: a log that the user named cannot be read.
    """
    wish = wish or Wish()
    named = read_logs(wish.logs)
    folders: dict[Path, list[CheckpointReport]] = {}
    for report in reports:
        folders.setdefault(report.path.parent, []).append(report)
    trends: dict[Path, Trend] = {}
    done: dict[int, CheckpointReport] = {}
    for folder, inside in folders.items():
        epochs = _merged(_readable(find_logs([report.path for report in inside])), named)
        name = wish.metric or _common(inside)
        points = {
            epoch: metric
            for epoch, values in epochs.items()
            if (metric := _score(values, name, wish)) is not None
        }
        for report in inside:
            done[id(report)] = _with_score(report, points, wish)
        modes = Counter(metric.mode for metric in points.values() if metric.mode is not None)
        if modes:
            mode = modes.most_common(1)[0][0]
            values_of = {epoch: metric.value for epoch, metric in points.items()}
            trends[folder] = trend_of(values_of, mode)
    return Joined(tuple(done[id(report)] for report in reports), trends)


def _readable(paths: Iterable[Path]) -> Epochs:
    """What the logs say that can be read; those that only lie there are no reason to fail."""
    merged: dict[int, Mapping[str, float]] = {}
    for path in paths:
        try:
            merged.update(_merged(merged, read_logs([path])))
        except OSError:
            continue
    return merged


def _merged(first: Epochs, second: Epochs) -> Epochs:
    return {epoch: {**first.get(epoch, {}), **second.get(epoch, {})} for epoch in {*first, *second}}


def _common(reports: Sequence[CheckpointReport]) -> str:
    """The metric that most of the checkpoints name."""
    names = Counter(
        plain_name(report.metadata.metric)
        for report in reports
        if report.metadata.metric is not None
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
        if (metric := named_metric(key, value, Source.LOG)) is not None
        and metric.kind is MetricKind.SCORE
        and (not name or plain_name(metric) == name)
    ]
    best = principal(found)
    return best if best is None or wish.mode is None else replace(best, mode=wish.mode)


def _with_score(
    report: CheckpointReport, points: Mapping[int, Metric], wish: Wish
) -> CheckpointReport:
    """The report with its own score: what the user named, its own key, or the log's value."""
    data = report.metadata
    metric = data.metric
    if wish.metric:
        named = [m for m in data.metrics if wish.metric.lower() in (m.name.lower(), plain_name(m))]
        metric = principal(named)
    if metric is not None and wish.mode is not None:
        metric = replace(metric, mode=wish.mode)
    logged = points.get(data.epoch) if data.epoch is not None else None
    if logged is not None and (metric is None or metric.kind is MetricKind.RUNNING_BEST):
        metric = logged
    if metric is data.metric:
        return report
    metrics = data.metrics if metric is None or metric in data.metrics else (*data.metrics, metric)
    return replace(report, metadata=replace(data, metric=metric, metrics=metrics))
