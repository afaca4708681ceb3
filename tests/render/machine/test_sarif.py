"""SARIF: valid by the schema of OASIS whatever is in a report, and every result has its file."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.render.machine.github import scan_github
from ckptdoctor.render.machine.sarif import scan_sarif
from ckptdoctor.render.text import printable
from ckptdoctor.report import CheckpointReport, Crash, Report, TensorTotals
from ckptdoctor.rules import ALL_RULES
from tests.render.outputs import (
    CASES,
    LONG,
    ODD_RUN,
    collapse,
    exit_code,
    finding,
    healthy,
    hostile,
    runs,
)
from tests.reports import report, with_last_good

SCHEMA = Path(__file__).parents[1] / "data" / "sarif-schema-2.1.0.json"


@functools.cache
def validator() -> Any:
    return jsonschema.Draft4Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def run_of(found: Report, code: int | None = None) -> Any:
    """The one run of a valid log."""
    log = json.loads(scan_sarif(found, exit_code=exit_code(found) if code is None else code))
    validator().validate(log)
    (run,) = log["runs"]
    for result in run["results"]:
        location = result["locations"][0]["physicalLocation"]["artifactLocation"]
        assert location["uri"]
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        if "index" in location:
            assert run["artifacts"][location["index"]]["location"]["uri"] == location["uri"]
    return run


def uri(result: Any) -> str:
    return str(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])


@pytest.mark.parametrize("case", CASES)
def test_it_is_valid(case: str) -> None:
    run_of(CASES[case]())


def test_a_result_tells_what_was_found_and_where() -> None:
    run = run_of(collapse())
    nan = next(result for result in run["results"] if result["ruleId"] == "CD201")
    assert uri(nan) == "checkpoints/epoch_98.pth"
    assert nan["level"] == "error"
    assert nan["message"]["text"] == "432 of 432 elements are NaN"
    (logical,) = nan["locations"][0]["logicalLocations"]
    assert logical["fullyQualifiedName"] == "model.0.weight"
    levels = {result["ruleId"]: result["level"] for result in run["results"]}
    assert levels == {
        **dict.fromkeys(("CD101", "CD201", "CD301", "CD402"), "error"),
        "CD405": "note",
        "CD408": "warning",
    }


def test_what_concerns_the_run_lies_in_its_folder() -> None:
    results = run_of(collapse())["results"]
    assert uri(next(r for r in results if r["ruleId"] == "CD408")) == "checkpoints/"
    rows = (report("/data/a/x.pth"), report("b/y.pth"))
    apart = Report(checkpoints=rows, findings=(finding("CD408", "m", "run"),))
    assert uri(run_of(apart)["results"][0]) == "./"
    about_one = Report(checkpoints=rows, findings=(finding("CD408", "m", "b/y.pth"),))
    assert uri(run_of(about_one)["results"][0]) == "b/y.pth"


def test_of_several_runs_each_result_names_its_own() -> None:
    log = run_of(runs())
    fell = next(result for result in log["results"] if result["ruleId"] == "CD402")
    odd = printable(ODD_RUN)
    assert unquote(uri(fell)) == f"runs/{ODD_RUN}/"
    assert fell["message"]["text"] == f"{odd}: iou collapsed from 0.53 to 0.01"
    assert fell["properties"]["run"] == odd
    nan = next(result for result in log["results"] if result["ruleId"] == "CD201")
    assert nan["message"]["text"] == f"{odd}: what CD201 says"
    stray = next(result for result in log["results"] if result["ruleId"] == "CD101")
    assert stray["message"]["text"] == "what CD101 says"
    assert "run" not in stray["properties"]
    named = [artifact["properties"]["run"] for artifact in log["artifacts"]]
    assert named == [odd] * 5 + ["plain"] * 3 + [None]


def test_a_run_that_is_called_like_a_file_is_still_a_run() -> None:
    found = with_last_good(
        Report(
            checkpoints=tuple(report(f"{name}/{n}.pth", n) for name in ("a", "b") for n in (1, 2))
        )
    )
    renamed = replace(found.runs[0], run=replace(found.runs[0].run, name="b/1.pth"))
    fell = finding("CD402", "m", "b/1.pth")
    found = replace(found, runs=(renamed, *found.runs[1:]), findings=(fell,))
    (result,) = run_of(found)["results"]
    assert uri(result) == "a/"
    assert "file=" not in scan_github(found)


def test_absolute_paths_are_file_uris() -> None:
    (artifact,) = run_of(healthy())["artifacts"]
    assert artifact["location"]["uri"] == "file:///data/model.safetensors"


def test_any_name_survives_its_uri() -> None:
    found = hostile()
    uris = [artifact["location"]["uri"] for artifact in run_of(found)["artifacts"]]
    assert [unquote(text, errors="surrogateescape") for text in uris] == [
        str(row.path) for row in found.checkpoints
    ]
    assert all(text.isascii() and text.isprintable() and " " not in text for text in uris)
    assert any("%FF" in text for text in uris)  # a byte that is no UTF-8


def test_every_rule_of_ours_is_described() -> None:
    findings = tuple(finding(rule.code, "m") for rule in ALL_RULES)
    rules = run_of(Report(checkpoints=(report("a.pth"),), findings=findings))["tool"]["driver"]
    for rule in rules["rules"]:
        assert rule["shortDescription"]["text"].endswith(".")
        assert rule["help"]["text"]
        assert "``" not in json.dumps(rule)


def test_a_code_without_a_rule_is_no_crash() -> None:
    run = run_of(Report(checkpoints=(report("a.pth", codes=("CD999",)),)))
    assert run["tool"]["driver"]["rules"] == [{"id": "CD999"}]


def test_fingerprints_outlive_a_change_of_figures() -> None:
    def prints(message: str) -> list[str]:
        row = report("a.pth")
        twice = (finding("CD201", message, "w"), finding("CD201", message, "w"))
        found = Report(
            checkpoints=(CheckpointReport(path=row.path, verdict=Verdict.CORRUPT, findings=twice),)
        )
        return [r["partialFingerprints"]["findingHash/v1"] for r in run_of(found)["results"]]

    assert prints("1 NaN") == prints("2 NaN")
    assert len(set(prints("1 NaN"))) == 2


@pytest.mark.parametrize(("code", "successful"), [(0, True), (1, True), (3, False), (70, False)])
def test_it_tells_the_exit_code(code: int, *, successful: bool) -> None:
    (invocation,) = run_of(Report(), code)["invocations"]
    assert (invocation["exitCode"], invocation["executionSuccessful"]) == (code, successful)


def test_a_crash_of_ours_is_a_notification() -> None:
    crash = Crash(rule="Some", path=Path("a b.pth"), error="Traceback:\n  deep\nValueError: no\n")
    (invocation,) = run_of(Report(crashes=(crash,)), 70)["invocations"]
    (note,) = invocation["toolExecutionNotifications"]
    assert note["message"]["text"] == "the rule Some failed, the others still ran: ValueError: no"
    run_of(Report(crashes=(Crash(rule="", path=Path("a"), error=""),)), 70)


def test_huge_texts_are_cut() -> None:
    huge = "y" * 1_000_000
    found = Report(checkpoints=(report(str(LONG)),), findings=(finding("CD408", huge, huge),))
    assert len(scan_sarif(found, exit_code=1)) < 500_000


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
findings = st.builds(
    Finding,
    code=st.from_regex(r"CD[1-4][0-9]{2}", fullmatch=True),
    severity=st.sampled_from(Severity),
    subject=st.text(),
    message=st.text(),
    evidence=st.dictionaries(st.text(), st.floats() | st.text() | st.none() | st.lists(st.text())),
    remedy=st.text(),
)
checkpoints = st.builds(
    CheckpointReport,
    path=names.map(Path),
    format=st.sampled_from([None, "torch-zip"]),
    nbytes=st.integers(0, 2**60),
    verdict=st.sampled_from(Verdict),
    tensors=st.just(TensorTotals()),
    findings=st.lists(findings, max_size=3).map(tuple),
)
reports = st.builds(
    Report,
    checkpoints=st.lists(checkpoints, max_size=3).map(tuple),
    findings=st.lists(findings, max_size=2).map(tuple),
    crashes=st.lists(st.builds(Crash, rule=st.text(), path=names.map(Path), error=st.text())).map(
        tuple
    ),
)


@settings(max_examples=60, deadline=None)
@given(reports)
@pytest.mark.slow
def test_it_is_valid_whatever_was_found(found: Report) -> None:
    run_of(found)
