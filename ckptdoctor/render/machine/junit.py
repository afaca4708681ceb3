"""Reports as JUnit XML, for the test pages of CI servers: a case a checkpoint.

A case fails exactly where its findings make the exit code 1, so that page and exit code agree.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.metadata import count_text
from ckptdoctor.render.sections import Section, sections
from ckptdoctor.render.set_aside import settings_words
from ckptdoctor.render.text import number
from ckptdoctor.render.wording import (
    brief,
    epoch_of,
    folded,
    headline,
    restored_words,
    summary,
    verdicts,
)
from ckptdoctor.report import CheckpointReport, Crash, Report

if TYPE_CHECKING:
    from junitparser import TestCase, TestSuite

__all__ = ["scan_junit"]

_MAX_NAME = 1000
_MAX_FINDINGS = 200
_OURS = "ckptdoctor: rules of our own"


def scan_junit(report: Report, *, threshold: Severity | None) -> str:
    """A suite a run: a case for each checkpoint, for the run, for each rule of ours that crashed.

    Args:
        report: what was found.
        threshold: the lowest severity that is a failure; None for none at all.
    """
    from junitparser import JUnitXml

    xml = JUnitXml("ckptdoctor")
    crashes = [_crash(crash) for crash in report.crashes]
    if len(report.runs) > 1:
        for section in sections(report):
            says = verdicts(section.rows)
            own = section.run.set_aside if section.run is not None else ()
            own += tuple(one for row in section.rows for one in row.set_aside)
            cases = _cases(section, threshold)
            words = settings_words(own, report.settings, _findings(section))
            xml.add_testsuite(_suite(section, says, cases, words))
        if crashes:
            xml.add_testsuite(_suite(Section(name=_OURS), "", crashes))
    else:
        whole = Section(
            name="ckptdoctor",
            rows=report.checkpoints,
            findings=report.findings,
            last_good=report.last_good,
            next=report.next,
        )
        cases = [*_cases(whole, threshold), *crashes]
        ignored = settings_words(report.set_aside, report.settings, report.all_findings())
        xml.add_testsuite(_suite(whole, summary(report), cases, ignored))
    xml.update_statistics()  # type: ignore[no-untyped-call]
    written = io.BytesIO()
    xml.write(written, pretty=True)
    return written.getvalue().decode("utf-8")


def _findings(section: Section) -> Iterator[Finding]:
    yield from section.findings
    for row in section.rows:
        yield from row.findings


def _suite(section: Section, says: str, cases: list[TestCase], ignored: str = "") -> TestSuite:
    from junitparser import TestSuite

    suite = TestSuite(brief(section.name, _MAX_NAME))
    if says:
        suite.add_property("summary", says)
    if ignored:
        suite.add_property("ignored", ignored)
    if section.last_good is not None:
        suite.add_property("last_good", brief(section.last_good.path, _MAX_NAME))
    suite.add_testcases(cases)  # at once: one by one counts all of them anew each time
    return suite


def _cases(section: Section, threshold: Severity | None) -> list[TestCase]:
    cases = [_checkpoint(row, threshold) for row in section.rows]
    if section.findings:
        cases.append(_case("run", "the run as a whole", section.findings, threshold))
    return cases


def _checkpoint(row: CheckpointReport, threshold: Severity | None) -> TestCase:
    facts = [row.verdict.value]
    if (epoch := epoch_of(row)) is not None:
        facts.append(f"epoch {count_text(epoch)}")
    if row.metadata.metric is not None:
        facts.append(f"{brief(row.metadata.metric.name)} {number(row.metadata.metric.value)}")
    if words := restored_words(row):
        facts.append(words)
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
