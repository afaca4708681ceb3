"""JSON Lines: an object a line, in the words of the JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ckptdoctor.render.machine.as_json import scan_json
from ckptdoctor.render.machine.jsonl import scan_jsonl
from ckptdoctor.report import Report
from tests.render.outputs import CASES, collapse, hostile


def lines(text: str) -> list[dict[str, Any]]:
    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no JSON")

    assert text.endswith("\n")
    return [json.loads(line, parse_constant=refuse) for line in text[:-1].split("\n")]


@pytest.mark.parametrize("case", CASES)
def test_it_tells_what_the_json_tells(case: str) -> None:
    found = CASES[case]()
    whole = json.loads(scan_json(found))
    kinds = ("checkpoint", "run", "finding", "summary")
    parts: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for line in lines(scan_jsonl(found)):
        parts[line.pop("type")].append(line)
    assert parts["checkpoint"] == whole["checkpoints"]
    assert parts["run"] == whole["runs"]
    assert parts["finding"] == whole["findings"]
    (total,) = parts["summary"]
    told = ("checkpoints", "runs", "findings")
    assert total == {key: whole[key] for key in whole if key not in told}


def test_the_summary_comes_last() -> None:
    types = [line["type"] for line in lines(scan_jsonl(collapse()))]
    of_run = [*["checkpoint"] * 5, "run", *["finding"] * 2]
    assert types == [*of_run, "checkpoint", "summary"]  # the last one lies beside
    assert [line["type"] for line in lines(scan_jsonl(Report()))] == ["summary"]


def test_a_name_with_a_line_break_stays_on_its_line() -> None:
    found = hostile()
    written = lines(scan_jsonl(found))
    assert len(written) == len(found.checkpoints) + 3
    assert {line["path"] for line in written[:-3]} == {str(row.path) for row in found.checkpoints}
