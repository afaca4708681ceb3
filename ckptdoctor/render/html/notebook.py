"""A report as a piece of HTML that a notebook shows below a cell.

It brings no script, no link and no file, and its styles touch nothing but itself. It must read well
on white and on black, and as a bare table where the notebook takes styles away.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from ckptdoctor.finding import Finding
from ckptdoctor.metadata import count_text
from ckptdoctor.render.paths import common_folder, relative
from ckptdoctor.render.text import number, printable
from ckptdoctor.render.wording import (
    MARK,
    NOTHING_GOOD,
    brief,
    counts,
    epoch_of,
    headline,
    is_last_good,
    newest,
    summary,
)
from ckptdoctor.report import CheckpointReport, LastGood, Report

__all__ = ["report_fragment"]

_MAX_ROWS = 200
_MAX_FINDINGS = 20


def report_fragment(report: Report) -> str:
    """The summary, the last good checkpoint, the next command, and a row a checkpoint."""
    from jinja2 import Environment, StrictUndefined

    source = resources.files("ckptdoctor.render.html").joinpath("notebook.html.jinja")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(source.read_text(encoding="utf-8"))
    shown, hidden = newest(report, _MAX_ROWS)
    root = common_folder([row.path for row in shown])
    return template.render(
        summary=summary(report),
        last_good=None if report.last_good is None else _last_good(report.last_good),
        nothing_good=NOTHING_GOOD,
        next_command=report.next,
        findings=[_run_finding(finding) for finding in report.findings[:_MAX_FINDINGS]],
        more_findings=max(0, len(report.findings) - _MAX_FINDINGS),
        rows=[_row(row, report, root) for row in shown],
        hidden=hidden,
        crashes=len(report.crashes),
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


def _row(row: CheckpointReport, report: Report, root: str) -> _Row:
    epoch, metric = epoch_of(row), row.metadata.metric
    return _Row(
        path=brief(relative(row.path, root), 160),
        epoch="" if epoch is None else count_text(epoch),
        metric="" if metric is None else f"{brief(metric.name, 24)} {number(metric.value)}",
        verdict=row.verdict.value,
        mark=MARK[row.verdict],
        findings=counts(row.findings),
        why=headline(row.findings),
        last_good=is_last_good(row, report),
    )


def _run_finding(finding: Finding) -> dict[str, str]:
    return {
        "severity": finding.severity.label,
        "text": f"{finding.code} {brief(finding.message)}",
    }


def _last_good(good: LastGood) -> dict[str, str]:
    return {"path": printable(good.path), "reason": brief(good.reason)}
