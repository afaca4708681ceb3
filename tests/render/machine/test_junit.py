"""JUnit XML, read back by junitparser and by the standard library."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from junitparser import Error, Failure, JUnitXml

from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.render.machine.junit import scan_junit
from ckptdoctor.render.text import printable
from ckptdoctor.report import Report
from tests.each import each
from tests.render.outputs import CASES, LONG, ODD_RUN, collapse, finding, hostile, runs
from tests.reports import report


def results(found: Report, threshold: Severity | None) -> dict[str, list[type]]:
    """The kinds of result by case."""
    (suite,) = JUnitXml.fromstring(scan_junit(found, threshold=threshold).encode())
    return {str(case.name): [type(result) for result in case.result] for case in suite}


@each("case", CASES)
@each("threshold", [*Severity, None])
def test_it_fails_exactly_where_the_exit_code_is_1(case: str, threshold: Severity | None) -> None:
    found = CASES[case]()
    root = ET.fromstring(scan_junit(found, threshold=threshold))
    failed = int(root.attrib["failures"]) + int(root.attrib["errors"]) - len(found.crashes)
    worst = found.worst()
    fails = threshold is not None and worst is not None and worst >= threshold
    assert bool(failed) is fails
    assert len(root.findall(".//failure")) == int(root.attrib["failures"])
    assert len(root.findall(".//error")) == int(root.attrib["errors"])


def test_broken_ones_fail_and_unreadable_ones_are_errors() -> None:
    found = results(collapse(), Severity.ERROR)
    assert found["checkpoints/epoch_98.pth"] == [Failure]
    assert found["checkpoints/x.pth"] == [Error]
    assert found["the run as a whole"] == [Failure]
    assert found["checkpoints/epoch_88.pth"] == []
    assert results(collapse(), Severity.WARNING)["the run as a whole"] == [Failure]
    assert not any(results(collapse(), None).values())


def test_what_does_not_fail_is_in_the_output() -> None:
    root = ET.fromstring(scan_junit(collapse(), threshold=Severity.ERROR))
    case = root.find(".//testcase[@name='checkpoints/epoch_98.pth']")
    assert case is not None
    failure = case.find("failure")
    assert failure is not None
    assert failure.attrib == {"message": "CD201 NaN in weights ×5 +1", "type": "CD201"}
    assert (failure.text or "").count("CD201 error: model.") == 5
    assert "CD405 info: best_iou" in (case.findtext("system-out") or "")
    run = root.find(".//testcase[@classname='run']")
    assert run is not None
    assert "CD408 warning" in (run.findtext("system-out") or "")


def test_properties_come_first_as_the_schema_wants() -> None:
    root = ET.fromstring(scan_junit(collapse(), threshold=Severity.ERROR))
    suite = root.find("testsuite")
    assert suite is not None
    assert suite[0].tag == "properties"
    values = {item.attrib["name"]: item.attrib["value"] for item in suite[0]}
    assert values["last_good"] == "checkpoints/epoch_88.pth"


def test_several_runs_are_suites() -> None:
    found = runs()
    suites = list(JUnitXml.fromstring(scan_junit(found, threshold=Severity.ERROR).encode()))
    assert [suite.name for suite in suites] == [printable(ODD_RUN), "plain", "beside, in no run"]
    assert [suite.tests for suite in suites] == [6, 3, 1]
    assert [(suite.failures, suite.errors) for suite in suites] == [(2, 0), (0, 0), (0, 1)]
    text = scan_junit(found, threshold=None)
    assert "healthy, epoch 3, iou 0.53, restored from epoch_3.pth, rates × 0.75" in text
    assert 'name="last_good" value="runs/plain/epoch_3.pth"' in text
    crashed = replace(found, crashes=hostile().crashes)
    assert "rules of our own" in scan_junit(crashed, threshold=None)


def test_names_come_back_printable() -> None:
    found = hostile()
    names = results(found, Severity.ERROR)
    for row in found.checkpoints[:-1]:
        assert printable(row.path) in names
    root = ET.fromstring(scan_junit(found, threshold=Severity.INFO))
    texts = "\n".join(root.itertext())
    assert "]]><!-- --><?xml?>" in texts


def test_a_crash_of_ours_is_an_error() -> None:
    (crash,) = (kinds for name, kinds in results(hostile(), None).items() if "Broken on" in name)
    assert crash == [Error]


def test_an_empty_report_is_an_empty_suite() -> None:
    root = ET.fromstring(scan_junit(Report(), threshold=Severity.ERROR))
    assert root.attrib["tests"] == "0"


def test_huge_reports_stay_readable() -> None:
    many = tuple(finding(f"CD{n % 3 + 100}", "y" * 10_000, "w" * 10_000) for n in range(1000))
    rows = (report(str(LONG), verdict=Verdict.CORRUPT),)
    text = scan_junit(Report(checkpoints=rows, findings=many), threshold=Severity.ERROR)
    assert len(text) < 200_000
    assert "… and 267 × CD102, 267 × CD100, 266 × CD101" in text
