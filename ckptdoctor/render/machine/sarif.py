"""Reports as SARIF 2.1.0, the format of code scanning, in which every result names its file.

Written by hand: the Python libraries for it only mirror the schema, and the one by Microsoft rests
since 2019. Names come percent-encoded in URIs and printable in texts.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ckptdoctor.finding import Finding, SetAside, Severity
from ckptdoctor.render.machine.as_json import TOOL, dump, weighed_object
from ckptdoctor.render.paths import common_folder
from ckptdoctor.render.sections import folder_of_run
from ckptdoctor.render.wording import brief
from ckptdoctor.report import CheckpointReport, Crash, Report
from ckptdoctor.rules import all_rules

__all__ = ["scan_sarif"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVEL = {Severity.INFO: "note", Severity.WARNING: "warning", Severity.ERROR: "error"}
_REGION = {"startLine": 1}
"""Code scanning at GitHub wants a line of every result; a checkpoint has none: the first."""
_MAX_TEXT = 1000
_DONE = (0, 1)
"""The exit codes of an examination that took place."""


def scan_sarif(report: Report, *, exit_code: int) -> str:
    """One run with a result a finding.

    Args:
        report: what was found.
        exit_code: what the process tells its caller.
    """
    aside = [one.finding for one in report.set_aside]
    codes = sorted({finding.code for finding in (*report.all_findings(), *aside)})
    run = {
        "tool": {"driver": {**TOOL, "rules": [_rule(code) for code in codes]}},
        "invocations": [_invocation(report, exit_code)],
        "artifacts": [_artifact(row) for row in _files(report).values()],
        "results": _results(report, codes),
        "columnKind": "unicodeCodePoints",
    }
    return dump({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(code: str) -> dict[str, Any]:
    """What the rule means, from its docstring; nothing but the code where it is not ours."""
    rule = next((rule for rule in all_rules() if rule.code == code), None)
    if rule is None:
        return {"id": code}
    described: dict[str, Any] = {
        "id": code,
        "name": rule.__name__,
        "shortDescription": {"text": f"{_plain(rule.title())}."},
        "defaultConfiguration": {"level": _LEVEL[rule.severity]},
    }
    if rule.meaning():
        described["fullDescription"] = {"text": _plain(rule.meaning())}
    described["help"] = {"text": rule.remedy() or f"See: ckptdoctor explain {code}"}
    return described


def _plain(docstring: str) -> str:
    """A piece of a docstring as a sentence of its own, on one line."""
    text = " ".join(docstring.replace("``", "`").split())
    return text[:1].upper() + text[1:]


def _invocation(report: Report, exit_code: int) -> dict[str, Any]:
    return {
        "executionSuccessful": exit_code in _DONE,
        "exitCode": exit_code,
        "toolExecutionNotifications": [_notification(crash) for crash in report.crashes],
    }


def _notification(crash: Crash) -> dict[str, Any]:
    reason = (crash.error.strip().splitlines() or ["no reason given"])[-1]
    text = f"the rule {crash.rule} failed, the others still ran: {reason}"
    return {
        "level": "error",
        "message": {"text": brief(text, _MAX_TEXT)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(crash.path)}}}],
    }


def _files(report: Report) -> dict[Path, CheckpointReport]:
    """The checkpoints by path: an artifact may be listed once only."""
    return {row.path: row for row in report.checkpoints}


def _artifact(row: CheckpointReport) -> dict[str, Any]:
    return {
        "location": {"uri": _uri(row.path)},
        "length": row.nbytes,
        "roles": ["analysisTarget"],
        "properties": {
            "verdict": row.verdict.value,
            "format": row.format,
            "run": None if row.run is None else brief(row.run, _MAX_TEXT),
        },
    }


def _results(report: Report, codes: Sequence[str]) -> list[dict[str, Any]]:
    index_of = {code: index for index, code in enumerate(codes)}
    seen: Counter[str] = Counter()
    results = [
        _result(finding, location, run, index_of[finding.code], seen)
        for finding, location, run in _located(report)
    ]
    if report.set_aside:  # then every result says whether it is
        results = [{**result, "suppressions": []} for result in results]
    return results + [
        {
            **_result(one.finding, location, run, index_of[one.finding.code], seen),
            "suppressions": [_suppression(one)],
        }
        for one, location, run in _located_aside(report)
    ]


def _suppression(one: SetAside) -> dict[str, Any]:
    return {
        "kind": "external",
        "status": "accepted",
        "justification": brief(f"{one.why.value}: {one.by}", _MAX_TEXT),
    }


def _located_aside(report: Report) -> Iterator[tuple[SetAside, dict[str, Any], str]]:
    """What does not count, with its artifact and its run."""
    several = len(report.runs) > 1
    places = {path: index for index, path in enumerate(_files(report))}
    for run in report.runs:
        for one in run.set_aside:
            yield one, {"uri": _folder_uri(run.path)}, run.name if several else ""
    for row in report.checkpoints:
        for one in row.set_aside:
            at = {"uri": _uri(row.path), "index": places[row.path]}
            yield one, at, row.run or "" if several else ""


def _located(report: Report) -> Iterator[tuple[Finding, dict[str, Any], str]]:
    """Every finding with the artifact it is about, and the name of the run where there are several.

    What concerns a run as a whole lies in the folder of its checkpoints.
    """
    several = len(report.runs) > 1
    paths = [row.path for row in report.checkpoints]
    kind = type(paths[0]) if paths else Path
    shared = _folder_uri(kind(common_folder(paths)))
    places = {
        str(path): {"uri": _uri(path), "index": index} for index, path in enumerate(_files(report))
    }
    for finding in report.findings:
        folder = folder_of_run(finding, report)
        if folder is not None:
            yield finding, {"uri": _folder_uri(folder)}, finding.subject
        else:
            yield finding, places.get(finding.subject, {"uri": shared}), ""
    for row in report.checkpoints:
        run = row.run or "" if several else ""
        for finding in row.findings:
            yield finding, places[str(row.path)], run


def _result(
    finding: Finding, artifact: Mapping[str, Any], run: str, rule_index: int, seen: Counter[str]
) -> dict[str, Any]:
    print_of = _fingerprint(finding, artifact["uri"])
    seen[print_of] += 1
    words = finding.message or finding.code
    named = {"run": brief(run, _MAX_TEXT)} if run else {}
    return {
        "ruleId": finding.code,
        "ruleIndex": rule_index,
        "level": _LEVEL[finding.severity],
        "message": {"text": brief(f"{run}: {words}" if run else words, _MAX_TEXT)},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": dict(artifact), "region": _REGION},
                "logicalLocations": [{"fullyQualifiedName": brief(finding.subject, _MAX_TEXT)}],
            }
        ],
        "partialFingerprints": {"findingHash/v1": f"{print_of}:{seen[print_of]}"},
        "properties": {
            "evidence": finding.evidence,
            "remedy": brief(finding.remedy, _MAX_TEXT),
            **named,
            **({} if finding.weighed is None else {"weighed": weighed_object(finding.weighed)}),
        },
    }


def _fingerprint(finding: Finding, uri: str) -> str:
    """The same for the same finding in a later scan, whatever figures its message holds."""
    text = f"{finding.code}\0{uri}\0{finding.subject}"
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _uri(path: Path) -> str:
    """``checkpoints/a%20b.pth``; an absolute path becomes a ``file://`` URI."""
    if path.is_absolute():
        return path.as_uri()
    return quote(os.fsencode(path.as_posix()))


def _folder_uri(folder: Path) -> str:
    """A folder's, with a slash at its end."""
    uri = _uri(folder)
    return uri if uri.endswith("/") else f"{uri}/"
