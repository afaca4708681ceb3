"""Reports as JUnit XML, for the test pages of CI servers: a case a checkpoint.

A case fails exactly where its findings make the exit code 1, so that page and exit code agree.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.metadata import count_text
from ckptdoctor.render.text import number
from ckptdoctor.render.wording import brief, epoch_of, folded, headline, summary
from ckptdoctor.report import CheckpointReport, Crash, Report

if TYPE_CHECKING:
    from junitparser import TestCase

__all__ = ["scan_junit"]

_MAX_NAME = 1000
_MAX_FINDINGS = 200


def scan_junit(report: Report, *, threshold: Severity | None) -> str:
    """One suite: a case for each checkpoint, for the run, and for each rule of ours that crashed.

    Args:
        report: what was found.
        threshold: the lowest severity that is a failure; None for none at all.
    """
    from junitparser import JUnitXml, TestSuite

    suite = TestSuite("ckptdoctor")
    suite.add_property("summary", summary(report))
    if report.last_good is not None:
        suite.add_property("last_good", brief(report.last_good.path, _MAX_NAME))
    cases = [_checkpoint(row, threshold) for row in report.checkpoints]
    if report.findings:
        cases.append(_case("run", "the run as a whole", report.findings, threshold))
    cases.extend(_crash(crash) for crash in report.crashes)
    suite.add_testcases(cases)  # at once: one by one counts all of them anew each time
    xml = JUnitXml("ckptdoctor")
    xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call]
    written = io.BytesIO()
    xml.write(written, pretty=True)
    return written.getvalue().decode("utf-8")


def _checkpoint(row: CheckpointReport, threshold: Severity | None) -> TestCase:
    facts = [row.verdict.value]
    if (epoch := epoch_of(row)) is not None:
        facts.append(f"epoch {count_text(epoch)}")
    if row.metadata.metric is not None:
        facts.append(f"{brief(row.metadata.metric.name)} {number(row.metadata.metric.value)}")
    case = _case("checkpoint", brief(row.path, _MAX_NAME), row.findings, threshold, row.verdict)
    case.system_out = "\n".join(filter(None, [", ".join(facts), case.system_out]))
    return case


def _case(
    group: str,
    name: str,
    findings: Sequence[Finding],
    threshold: Severity | None,
    verdict: Verdict | None = None,
) -> TestCase:
    """A case with what fails it in one element: many servers show only the first."""
    from junitparser import Error, Failure, TestCase

    case = TestCase(name, group)
    failing = [finding for finding in findings if _fails(finding, threshold)]
    if failing:
        first = max(failing, key=lambda finding: finding.severity)
        message = headline(failing) or brief(first.message)
        kind = Error if verdict is Verdict.UNREADABLE else Failure
        result = kind(message, first.code)
        result.text = "\n".join(_lines(failing))
        case.result = [result]
    beneath = [finding for finding in findings if not _fails(finding, threshold)]
    if beneath:
        case.system_out = "\n".join(_lines(beneath))
    return case


def _crash(crash: Crash) -> TestCase:
    from junitparser import Error, TestCase

    case = TestCase(f"{brief(crash.rule)} on {brief(crash.path, _MAX_NAME)}", "rule")
    error = Error("a rule of ours failed; the others still ran", "crash")
    error.text = "\n".join(brief(line) for line in crash.error.splitlines())
    case.result = [error]
    return case


def _fails(finding: Finding, threshold: Severity | None) -> bool:
    return threshold is not None and finding.severity >= threshold


def _lines(findings: Sequence[Finding]) -> list[str]:
    """A line a finding; folded by code where they are many."""
    shown = findings[:_MAX_FINDINGS]
    lines = [
        f"{finding.code} {finding.severity.label}: {brief(finding.subject)}: "
        f"{brief(finding.message)}"
        for finding in shown
    ]
    if len(findings) > len(shown):
        rest = folded(findings[_MAX_FINDINGS:])
        lines.append("… and " + ", ".join(f"{group.count} × {group.first.code}" for group in rest))
    return lines
