"""A report as a piece of HTML that a notebook shows below a cell.

It brings no script, no link and no file, and its styles touch nothing but itself. It must read well
on white and on black, and as a bare table where the notebook takes styles away.
"""

from __future__ import annotations

from ckptdoctor.finding import Finding
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import count_text
from ckptdoctor.render.html.template import rendered
from ckptdoctor.render.paths import common_folder, relative, shorten_apart
from ckptdoctor.render.sections import BESIDE, Section, logs_words, sections
from ckptdoctor.render.text import number, printable
from ckptdoctor.render.wording import (
    MARK,
    NOTHING_GOOD,
    brief,
    counts,
    epoch_of,
    newest,
    restored_words,
    summary,
    why_not_healthy,
)
from ckptdoctor.report import CheckpointReport, LastGood, Report

__all__ = ["report_fragment"]

_MAX_ROWS = 200
_MAX_FINDINGS = 20
_MAX_PARTS = 50
_FEWEST_ROWS = 10
"""Rows of a run, where there are many runs."""
_NAME_CHARS = 160


def report_fragment(report: Report) -> str:
    """The summary; for each run its last good checkpoint, its next command, and its rows."""
    found = sections(report)
    most = max(_FEWEST_ROWS, _MAX_ROWS // max(1, len(found)))
    return rendered(
        "notebook.html.jinja",
        summary=summary(report),
        nothing_good=NOTHING_GOOD,
        parts=[_part(section, most) for section in found[:_MAX_PARTS]],
        more_parts=max(0, len(found) - _MAX_PARTS),
        notes=[brief(note, 600) for note in report.notes[:_MAX_FINDINGS]],
        crashes=len(report.crashes),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A run, or what lies beside: its answer and its rows."""

    name: str
    is_beside: bool
    last_good: dict[str, str] | None
    next_command: str
    findings: list[dict[str, str]]
    more_findings: int
    rows: list[_Row]
    hidden: int


def _part(section: Section, most: int) -> _Part:
    shown, hidden = newest(section.rows, section.good_path, most)
    root, good = common_folder([row.path for row in shown]), section.last_good
    paths = [printable(relative(row.path, root)) for row in shown]
    return _Part(
        name=BESIDE.capitalize() if section.is_beside else brief(section.name),
        is_beside=section.is_beside,
        last_good=None if good is None else _last_good(good, logs_words(section.run)),
        next_command=section.next,
        findings=[_run_finding(finding) for finding in section.findings[:_MAX_FINDINGS]],
        more_findings=max(0, len(section.findings) - _MAX_FINDINGS),
        rows=[
            _row(row, path, is_good=row.path == section.good_path)
            for row, path in zip(shown, shorten_apart(paths, _NAME_CHARS), strict=True)
        ],
        hidden=hidden,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """The cells of one checkpoint, as text."""

    path: str
    epoch: str
    metric: str
    verdict: str
    mark: str
    findings: str
    why: str
    last_good: bool


def _row(row: CheckpointReport, path: str, *, is_good: bool) -> _Row:
    epoch, metric = epoch_of(row), row.metadata.metric
    return _Row(
        path=path,
        epoch="" if epoch is None else count_text(epoch),
        metric="" if metric is None else f"{brief(metric.name, 24)} {number(metric.value)}",
        verdict=row.verdict.value,
        mark=MARK[row.verdict],
        findings=counts(row.findings),
        why="; ".join(filter(None, [why_not_healthy(row), restored_words(row)])),
        last_good=is_good,
    )


def _run_finding(finding: Finding) -> dict[str, str]:
    return {
        "severity": finding.severity.label,
        "text": f"{finding.code} {brief(finding.message)}",
    }


def _last_good(good: LastGood, logs: str) -> dict[str, str]:
    reason = "; ".join(filter(None, [brief(good.reason), logs]))
    return {"path": printable(good.path), "reason": reason}
