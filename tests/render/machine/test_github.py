"""Workflow commands, read the way that the runner of GitHub Actions reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.render.machine.github import scan_github
from ckptdoctor.render.text import printable
from ckptdoctor.report import Report
from tests.render.outputs import CASES, LONG, ODD_RUN, collapse, finding, hostile, runs
from tests.reports import report, with_last_good


@dataclass(frozen=True)
class Command:
    """A workflow command."""

    name: str
    properties: dict[str, str]
    message: str


def read(text: str) -> tuple[list[Command], list[str]]:
    """The commands and the other lines."""
    commands, plain = [], []
    for line in text.splitlines():
        if not line.lstrip().startswith("::"):
            assert "##[" not in line  # the old syntax, anywhere in a line
            plain.append(line)
            continue
        head, _, message = line.lstrip()[2:].partition("::")
        name, _, rest = head.partition(" ")
        pairs = [pair.partition("=") for pair in rest.split(",")]
        properties = {key.strip(): unescaped(value) for key, _, value in pairs}
        commands.append(Command(name, properties, unescaped(message)))
    return commands, plain


def unescaped(value: str) -> str:
    for code, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        value = value.replace(code, char)
    return value


def test_the_worst_come_first_and_the_sum_last() -> None:
    commands, plain = read(scan_github(collapse()))
    assert [command.name for command in commands] == [*["error"] * 4, "warning", "notice"]
    assert commands[0].properties == {"title": "CD402 metric collapsed"}
    first = commands[1]
    assert first.properties == {
        "file": "checkpoints/epoch_98.pth",
        "title": "CD201 NaN in weights",
    }
    assert first.message == "model.0.weight: 432 of 432 elements are NaN (and 4 more like it)"
    assert "file" not in commands[4].properties
    assert len(plain) == 1
    assert "6 checkpoints" in plain[0]
    assert plain[0].endswith("Last good: checkpoints/epoch_88.pth.")


def test_no_text_from_a_file_is_a_command() -> None:
    found = hostile()
    commands, plain = read(scan_github(found))
    assert len(plain) == 1
    assert {command.name for command in commands} == {"error", "warning", "notice"}
    assert all(set(command.properties) <= {"file", "title"} for command in commands)
    files = {command.properties.get("file") for command in commands}
    assert {printable(row.path) for row in found.checkpoints if row.findings} <= files
    assert sum("the rule Broken failed" in command.message for command in commands) == 1


def test_ten_of_a_kind_are_shown_and_the_rest_counted() -> None:
    rows = tuple(
        replace(
            report(f"{n}.pth", n, verdict=Verdict.CORRUPT),
            findings=(finding("CD201", "m"), finding("CD405", "m", severity=Severity.INFO)),
        )
        for n in range(25)
    )
    commands, plain = read(scan_github(Report(checkpoints=rows)))
    assert [command.name for command in commands] == [*["error"] * 10, *["notice"] * 10]
    assert "30 more not shown" in plain[0]
    assert "None is fit to go on from." in plain[0]


def test_a_finding_about_a_file_of_the_run_names_it() -> None:
    found = Report(checkpoints=(report("a.pth"),), findings=(finding("CD407", "m", "a.pth"),))
    (command,), _ = read(scan_github(found))
    assert command.properties["file"] == "a.pth"
    assert command.message == "m"


def test_every_case_ends_with_one_plain_line() -> None:
    for case in CASES.values():
        lines = scan_github(case()).splitlines()
        assert lines[-1].startswith("ckptdoctor: ")
        assert not any(re.match(r"\s*[^:\s]", line) for line in lines[:-1])


def test_huge_texts_are_cut() -> None:
    found = Report(checkpoints=(report(str(LONG)),), findings=(finding("CD408", "%" * 10**6),))
    assert max(map(len, scan_github(found).splitlines())) < 4096


def test_of_several_runs_each_is_named() -> None:
    commands, (last,) = read(scan_github(runs()))
    odd = printable(ODD_RUN)
    by_code = {command.properties["title"][:5]: command for command in commands}
    assert by_code["CD402"].message == f"{odd}: iou collapsed from 0.53 to 0.01"
    assert "file" not in by_code["CD402"].properties
    assert by_code["CD201"].message == f"{odd}: what CD201 says"
    assert by_code["CD101"].message == "what CD101 says"
    (note,) = [command for command in commands if command.name == "notice"]
    assert note.message.endswith("runs/other.log was set aside: it tells other values")
    assert last.endswith("; of plain: runs/plain/epoch_3.pth.")


def test_many_runs_are_counted() -> None:
    rows = [
        report(
            f"runs/r{n}/{epoch}.pth", epoch, verdict=Verdict.CORRUPT if not n else Verdict.HEALTHY
        )
        for n in range(6)
        for epoch in (1, 2)
    ]
    few, many = (with_last_good(Report(checkpoints=tuple(rows[:end]))) for end in (6, 12))
    assert "Last good of r1: runs/r1/2.pth; of r2: runs/r2/2.pth; of r0: none." in scan_github(few)
    assert "5 of 6 runs have a good checkpoint." in scan_github(many)
    dead = with_last_good(
        Report(checkpoints=tuple(replace(r, verdict=Verdict.CORRUPT) for r in rows))
    )
    assert "None is fit to go on from." in scan_github(dead)
