"""The exit codes, which are a contract with scripts: numbers, and what each is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.cli.exits import Exit, exit_for
from ckptdoctor.cli.options import FailOn
from ckptdoctor.finding import Severity
from ckptdoctor.report import Crash, Report
from tests.cases import finding

ORDER = (Severity.INFO, Severity.WARNING, Severity.ERROR)


def test_the_numbers_are_those_that_scripts_know() -> None:
    assert {one.name: one.value for one in Exit} == {
        "OK": 0,
        "FINDINGS": 1,
        "USAGE": 2,
        "NOTHING": 3,
        "REFUSED": 4,
        "BUG": 70,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize("fail_on", FailOn)
def test_findings_fail_from_the_severity_on_that_was_asked_for(fail_on: FailOn) -> None:
    assert exit_for(Report(), fail_on) is Exit.OK
    for worst in ORDER:
        found = (finding("CD409", Severity.INFO), finding("CD401", worst))
        fails = (
            fail_on is not FailOn.NEVER
            and worst.name
            in {
                FailOn.INFO: ("INFO", "WARNING", "ERROR"),
                FailOn.WARNING: ("WARNING", "ERROR"),
                FailOn.ERROR: ("ERROR",),
            }[fail_on]
        )
        expected = Exit.FINDINGS if fails else Exit.OK
        assert exit_for(Report(findings=found), fail_on) is expected, worst


@pytest.mark.parametrize("fail_on", FailOn)
def test_a_bug_of_ours_is_told_before_any_finding(fail_on: FailOn) -> None:
    crash = Crash(rule="CD201", path=Path("a.pth"), error="ZeroDivisionError")
    report = Report(findings=(finding("CD201", Severity.ERROR),), crashes=(crash,))
    assert exit_for(report, fail_on) is Exit.BUG
