"""Reports as one HTML file that needs nothing else: no script, no link, no font, no network.

It reads on a phone and on paper, in the dark and in the light. The words are chosen here; the page
is ``report.html.jinja``, which escapes them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ckptdoctor.finding import Finding, Verdict
from ckptdoctor.metadata import MetricKind, count_text
from ckptdoctor.render.html.curve import Curve, curve_of
from ckptdoctor.render.html.plot import Drawing, draw
from ckptdoctor.render.paths import common_folder, relative
from ckptdoctor.render.text import number, printable
from ckptdoctor.render.wording import (
    NOTHING_GOOD,
    brief,
    counts,
    epoch_of,
    folded,
    headline,
    is_last_good,
    label,
    newest,
    summary,
)
from ckptdoctor.report import CheckpointReport, Report
from ckptdoctor.rules import ALL_RULES
from ckptdoctor.version import __version__

__all__ = ["scan_html"]

_MAX_ROWS = 500
_MAX_FILES = 200
_MAX_FINDINGS = 50
"""Findings shown of one file."""
_WIDE, _NARROW = (960, 320), (360, 260)
"""Pixels of the plot; there are two, because its letters must not shrink with a phone's screen."""
_RULES = {rule.code: rule for rule in ALL_RULES}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A checkpoint in the ranking, as text."""

    rank: str
    path: str
    verdict: str
    epoch: str
    metric: str
    non_finite: str
    reason: str
    last_good: bool
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """The findings of one code in one file."""

    title: str
    severity: str
    count: int
    shown: tuple[tuple[str, str], ...]
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file with its findings."""

    anchor: str
    path: str
    verdict: str
    counts: str
    groups: tuple[_Group, ...]
    hidden: int


def scan_html(report: Report) -> str:
    """The answer, the next command, the plot, the ranking with reasons, the findings by file."""
    from jinja2 import Environment, StrictUndefined

    source = resources.files("ckptdoctor.render.html").joinpath("report.html.jinja")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(source.read_text(encoding="utf-8"))
    shared = _shared_metric(report)
    rows, rows_hidden = _rows(report, shared)
    files = [row for row in report.checkpoints if row.findings]
    curve, anchors = curve_of(report), _anchors(report)
    folder = common_folder([row.path for row in report.checkpoints])
    return (
        template.render(
            version=__version__,
            title=summary(report),
            answer=_answer(report),
            reason=_reason(report),
            good="" if report.last_good is None else printable(report.last_good.path),
            next_command=report.next,
            counts=[(verdict.value, n) for verdict in Verdict if (n := report.count(verdict))],
            run_findings=_groups(report.findings),
            crashes=len(report.crashes),
            curve=curve,
            curve_words=_curve_words(curve),
            plots=_plots(curve),
            legend=_legend(curve),
            rows=rows,
            metric=brief(shared or "metric", 24),
            folder=brief(folder),
            rows_hidden=rows_hidden,
            files=[_file(row, anchors[row.path]) for row in files if row.path in anchors],
            files_hidden=len(files) - len(anchors),
            codes=_codes(report),
        )
        + "\n"
    )


def _answer(report: Report) -> str:
    """The one sentence that the reader came for."""
    good = report.last_good
    if not report.checkpoints:
        return "There is nothing here to examine."
    if good is None:
        return NOTHING_GOOD
    if all(row.verdict is Verdict.HEALTHY for row in report.checkpoints):
        one = len(report.checkpoints) == 1
        return "The checkpoint is healthy." if one else "All checkpoints are healthy."
    if good.epoch is None:
        return "Go on from this one."
    return f"Go on from epoch {count_text(good.epoch)}."


def _reason(report: Report) -> str:
    return "" if report.last_good is None else brief(report.last_good.reason)


def _rows(report: Report, shared: str | None) -> tuple[list[_Row], int]:
    """The ranking, best first; the order of the run where nothing was ranked."""
    if report.ranking:
        ranked = [(str(p.rank), p.report, p.reason) for p in report.ranking[:_MAX_ROWS]]
        hidden = len(report.ranking) - len(ranked)
    else:
        listed, hidden = newest(report, _MAX_ROWS)
        ranked = [("", row, headline(row.findings)) for row in listed]
    anchors, folder = _anchors(report), common_folder([row.path for _, row, _ in ranked])
    return [
        _Row(
            rank=rank,
            path=brief(relative(row.path, folder)),
            verdict=row.verdict.value,
            reason=_without(row.verdict, brief(reason)),
            last_good=is_last_good(row, report),
            anchor=anchors.get(row.path, ""),
            **_figures(row, shared),
        )
        for rank, row, reason in ranked
    ], hidden


def _shared_metric(report: Report) -> str | None:
    """The name of the metric, where all that have one have the same: said once, in the header."""
    metrics = (row.metadata.metric for row in report.checkpoints)
    names = {metric.name for metric in metrics if metric is not None}
    return names.pop() if len(names) == 1 else None


def _without(verdict: Verdict, reason: str) -> str:
    """The reason without the verdict that it begins with, which has a column of its own."""
    return reason.removeprefix(f"{verdict.value}, ").removeprefix(f"{verdict.value}: ")


def _anchors(report: Report) -> dict[Path, str]:
    """The place on the page where the findings of a file stand."""
    files = [row for row in report.checkpoints if row.findings]
    return {row.path: f"file-{number}" for number, row in enumerate(files[:_MAX_FILES], start=1)}


def _figures(row: CheckpointReport, shared: str | None) -> dict[str, str]:
    epoch, metric, totals = epoch_of(row), row.metadata.metric, row.tensors
    name = "" if metric is None or shared is not None else f"{brief(metric.name, 24)} "
    non_finite = ((totals.nan, "NaN"), (totals.inf, "Inf"))
    return {
        "epoch": "" if epoch is None else count_text(epoch),
        "metric": "" if metric is None else name + number(metric.value),
        "non_finite": ", ".join(f"{count:,} {what}" for count, what in non_finite if count),
    }


def _file(row: CheckpointReport, anchor: str) -> _File:
    groups = _groups(row.findings)
    return _File(
        anchor=anchor,
        path=brief(row.path),
        verdict=row.verdict.value,
        counts=counts(row.findings),
        groups=groups,
        hidden=len(row.findings) - sum(len(group.shown) for group in groups),
    )


def _groups(findings: Sequence[Finding]) -> tuple[_Group, ...]:
    """The findings by code, worst first, no more of them than a reader will read."""
    room, groups = _MAX_FINDINGS, []
    for group in folded(findings):
        alike = group.findings[:room]
        room -= len(alike)
        groups.append(
            _Group(
                title=label(group.first.code),
                severity=group.first.severity.label,
                count=group.count,
                shown=tuple((_subject(f), brief(f.message)) for f in alike),
                remedy=brief(group.first.remedy, 600),
            )
        )
    return tuple(groups)


def _subject(finding: Finding) -> str:
    return "" if finding.subject in ("", "run", "file") else brief(finding.subject, 200)


def _codes(report: Report) -> list[tuple[str, str, str]]:
    """Code, title and meaning of every rule that noticed something."""
    found = sorted({finding.code for finding in report.all_findings()} & set(_RULES))
    rules = [_RULES[code] for code in found]
    return [(rule.code, rule.title(), rule.meaning().replace("``", "")) for rule in rules]


def _curve_words(curve: Curve | None) -> str:
    """What the plot shows, for those who do not see it."""
    if curve is None:
        return ""
    words = f"What each checkpoint scored, by {curve.axis}."
    if curve.kind is MetricKind.RUNNING_BEST:
        words = (
            f"The run's best so far, as each file holds it, by {curve.axis}: no file's own score."
        )
    if curve.left_out:
        words += f" Left out: {curve.left_out}."
    return words


def _legend(curve: Curve | None) -> list[str]:
    """The verdicts that stand in the plot, best first."""
    seen = {point.verdict for point in curve.points} if curve is not None else set()
    return [verdict.value for verdict in Verdict if verdict in seen]


def _plots(curve: Curve | None) -> list[tuple[str, Drawing]]:
    if curve is None or not curve.points:
        return []
    return [("wide", draw(curve, *_WIDE)), ("narrow", draw(curve, *_NARROW))]
