"""Reports as one HTML file that needs nothing else: no link, no font, no network.

It reads on a phone and on paper, in the dark and in the light. The words are chosen here; the page
is ``report.html.jinja``, which escapes them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ckptdoctor.finding import Finding, Verdict
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import MetricKind, count_text
from ckptdoctor.render.html.curve import Curve, curve_of
from ckptdoctor.render.html.plot import Drawing, draw
from ckptdoctor.render.html.template import rendered
from ckptdoctor.render.paths import common_folder, relative, shorten_apart, shown_folder
from ckptdoctor.render.sections import BESIDE, Section, logs_words, sections, what_is_wrong
from ckptdoctor.render.set_aside import settings_words
from ckptdoctor.render.text import number, printable
from ckptdoctor.render.wording import (
    NOTHING_GOOD,
    brief,
    counts,
    epoch_of,
    folded,
    label,
    newest,
    summary,
    verdicts,
    why_not_healthy,
)
from ckptdoctor.report import CheckpointReport, Report
from ckptdoctor.rules import all_rules

__all__ = ["scan_html"]

_MAX_ROWS = 500
_FEWEST_ROWS = 20
"""Rows of a run, where there are many runs."""
_MAX_NOTES = 20
_NAME_CHARS = 300
_MAX_FILES = 200
_MAX_FINDINGS = 50
"""Findings shown of one file."""
_WIDE, _NARROW = (960, 320), (360, 260)
"""Pixels of the plot; there are two, because its letters must not shrink with a phone's screen."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A run as the page shows it, or what lies beside.

    Attributes:
        name: "" for the only run.
        anchor: its place on the page.
        good: the checkpoint to go on from; "" where none is sound.
        reason: why that one.
        next: the command.
        logs: those that were believed.
        wrong: the worst of it in words.
        is_well: whether there is nothing to do.
        is_beside: whether these files belong to no run.
        counts: how many of each verdict, in words.
        findings: about the run as a whole.
        curve, words, plots, legend: its metric over its time.
        metric: what its column of scores is called.
        folder: that all rows lie in.
        rows, hidden: the ranking, and how many places are left out.
    """

    name: str
    anchor: str
    good: str
    reason: str
    next: str
    logs: str
    wrong: str
    is_well: bool
    is_beside: bool
    counts: str
    findings: tuple[_Group, ...]
    curve: Curve | None
    words: str
    plots: list[tuple[str, Drawing]]
    legend: list[str]
    metric: str
    folder: str
    rows: list[_Row]
    hidden: int


def scan_html(report: Report) -> str:
    """The answer, the next command, and for each run its plot, its ranking; findings by file."""
    found = sections(report)
    anchors = _anchors(report)
    most = max(_FEWEST_ROWS, _MAX_ROWS // max(1, len(found)))
    files = [row for row in report.checkpoints if row.findings]
    parts = [_part(section, f"run-{at}", anchors, most) for at, section in enumerate(found, 1)]
    return rendered(
        "report.html.jinja",
        title=summary(report),
        answer=_answer(report),
        counts=[(verdict.value, n) for verdict in Verdict if (n := report.count(verdict))],
        crashes=len(report.crashes),
        set_aside=_capital(
            settings_words(report.set_aside, report.settings, report.all_findings())
        ),
        notes=[brief(note, 600) for note in report.notes[:_MAX_NOTES]],
        notes_hidden=max(0, len(report.notes) - _MAX_NOTES),
        parts=parts,
        runs=[part for part in parts if not part.is_beside],
        files=[_file(row, anchors[row.path]) for row in files if row.path in anchors],
        files_hidden=len(files) - len(anchors),
        codes=_codes(report),
    )


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _answer(report: Report) -> str:
    """The one sentence that the reader came for."""
    if not report.checkpoints:
        return "There is nothing here to examine."
    if len(report.runs) > 1:
        return _answer_of_several(report)
    good = report.last_good
    if good is None:
        return NOTHING_GOOD
    if all(row.verdict is Verdict.HEALTHY for row in report.checkpoints):
        one = len(report.checkpoints) == 1
        return "The checkpoint is healthy." if one else "All checkpoints are healthy."
    if good.epoch is None:
        return "Go on from this one."
    return f"Go on from epoch {count_text(good.epoch)}."


def _answer_of_several(report: Report) -> str:
    runs = report.runs
    if all(run.last_good is None for run in runs):
        return NOTHING_GOOD
    troubled = sum(bool(run.next) or run.last_good is None for run in runs)
    if troubled:
        return f"Something is wrong in {troubled} of {len(runs)} runs."
    return f"Nothing has to be done about these {len(runs)} runs."


def _part(section: Section, anchor: str, anchors: dict[Path, str], most: int) -> _Part:
    good, shared = section.last_good, _shared_metric(section.rows)
    curve = None if section.is_beside else curve_of(section.rows, section.good_path)
    shown = _ranked(section, most)
    folder = common_folder([row.path for _, row, _ in shown])
    return _Part(
        name=BESIDE.capitalize() if section.is_beside else brief(section.name),
        anchor=anchor,
        good="" if good is None else printable(good.path),
        reason="" if good is None else brief(good.reason),
        next=section.next,
        logs=logs_words(section.run).partition(": ")[2],
        wrong=what_is_wrong(section),
        is_well=section.is_well,
        is_beside=section.is_beside,
        counts=verdicts(section.rows),
        findings=_groups(section.findings),
        curve=curve,
        words=_curve_words(curve),
        plots=_plots(curve),
        legend=_legend(curve),
        metric=brief(shared or "metric", 24),
        folder=brief(shown_folder([row.path for _, row, _ in shown], folder)),
        rows=_rows(shown, section.good_path, folder, anchors, shared),
        hidden=len(section.rows) - len(shown),
    )


def _ranked(section: Section, most: int) -> list[tuple[str, CheckpointReport, str]]:
    """Place, checkpoint and reason, best first; in the order of the run where none was ranked."""
    if section.ranking:
        numbered = not section.is_beside
        return [
            (str(place.rank) if numbered else "", place.report, place.reason)
            for place in section.ranking[:most]
        ]
    listed, _ = newest(section.rows, section.good_path, most)
    return [("", row, why_not_healthy(row)) for row in listed]


def _rows(
    shown: Sequence[tuple[str, CheckpointReport, str]],
    good: Path | None,
    folder: str,
    anchors: dict[Path, str],
    shared: str | None,
) -> list[_Row]:
    names = [printable(relative(row.path, folder)) for _, row, _ in shown]
    return [
        _Row(
            rank=rank,
            path=name,
            verdict=row.verdict.value,
            reason=_without(row.verdict, brief(reason)),
            last_good=row.path == good,
            anchor=anchors.get(row.path, ""),
            **_figures(row, shared),
        )
        for (rank, row, reason), name in zip(shown, shorten_apart(names, _NAME_CHARS), strict=True)
    ]


def _shared_metric(rows: Sequence[CheckpointReport]) -> str | None:
    """The name of the metric, where all that have one have the same: said once, in the header."""
    metrics = (row.metadata.metric for row in rows)
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
    found = {finding.code for finding in report.all_findings()}
    rules = sorted((r for r in all_rules() if r.code in found), key=lambda rule: rule.code)
    return [(rule.code, rule.title(), rule.meaning()) for rule in rules]


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
