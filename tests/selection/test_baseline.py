"""What was accepted: exactly that, in exactly these bytes, and nothing that comes later."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ckptdoctor.errors import DestinationError, UsageError
from ckptdoctor.finding import Finding, Severity
from ckptdoctor.layouts.files import CheckpointFiles, Part, PartRole
from ckptdoctor.report import CheckpointReport, Report
from ckptdoctor.selection.baseline import read_baseline, settled_with, write_baseline
from ckptdoctor.selection.policy import Listed, Policy
from tests.each import each
from tests.reports import report

EVERYTHING = Policy()


def finding(code: str, subject: str = "w", **evidence: object) -> Finding:
    return Finding(
        code=code, severity=Severity.ERROR, subject=subject, message="m", evidence=evidence
    )


def row(path: Path, *findings: Finding) -> CheckpointReport:
    return replace(report(str(path), 1), findings=findings)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "runs" / "a.pth"
    path.parent.mkdir()
    path.write_bytes(b"first")
    return path


def codes(found: Report) -> list[str]:
    return [one.code for one in found.all_findings()]


def after(found: Report, place: Path) -> Report:
    return settled_with(found, EVERYTHING, read_baseline(place))


def test_what_is_accepted_does_not_count_and_all_else_does(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "b.json"
    before = Report(checkpoints=(row(file, finding("CD201"), finding("CD301", "s")),))
    write_baseline(before, EVERYTHING, place)
    assert codes(after(before, place)) == []
    more = row(file, finding("CD201"), finding("CD201", "v"), finding("CD202"), finding("CD201"))
    found = after(Report(checkpoints=(more,)), place)
    assert [(one.code, one.subject) for one in found.all_findings()] == [
        ("CD201", "v"),
        ("CD202", "w"),
        ("CD201", "w"),  # one was accepted, not two
    ]
    assert [note for note in found.notes if "1 entry is stale" in note and "CD301 s" in note]


def test_other_bytes_of_the_same_name_are_not_covered(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "b.json"
    before = Report(checkpoints=(row(file, finding("CD201")),))
    write_baseline(before, EVERYTHING, place)
    file.write_bytes(b"other")  # as long
    found = after(before, place)
    assert codes(found) == ["CD201"]
    assert "stale" in found.notes[0]


def test_of_a_folder_the_part_counts_that_the_finding_is_about(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-5"
    folder.mkdir()
    parts = []
    for name in ("model.bin", "optimizer.pt"):
        (folder / name).write_bytes(name.encode())
        parts.append(Part(path=folder / name, name=name, role=PartRole.MODEL))
    files = CheckpointFiles(path=folder, parts=tuple(parts))
    own = replace(
        row(folder, finding("CD201", part="model.bin"), finding("CD111", "folder")), files=files
    )
    place = tmp_path / "b.json"
    write_baseline(Report(checkpoints=(own,)), EVERYTHING, place)
    (folder / "optimizer.pt").write_bytes(b"another")
    assert codes(after(Report(checkpoints=(own,)), place)) == ["CD111"]


def test_entries_of_files_that_were_not_examined_stay(file: Path, tmp_path: Path) -> None:
    place, other = tmp_path / "b.json", file.with_name("b.pth")
    other.write_bytes(b"x")
    write_baseline(Report(checkpoints=(row(file, finding("CD201")),)), EVERYTHING, place)
    found = after(Report(checkpoints=(row(other, finding("CD202")),)), place)
    assert codes(found) == ["CD202"]
    assert found.notes == ()  # a.pth is there, and nobody looked at it
    write_baseline(Report(checkpoints=(row(other, finding("CD202")),)), EVERYTHING, place)
    assert [one.path for one in read_baseline(place).entries] == ["runs/a.pth", "runs/b.pth"]
    file.unlink()
    assert "CD201 w in runs/a.pth" in after(Report(checkpoints=(row(other),)), place).notes[0]


def test_what_is_ignored_is_not_accepted(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "b.json"
    policy = Policy(ignore=Listed(codes=("CD201",), where="here"))
    write_baseline(Report(checkpoints=(row(file, finding("CD201")),)), policy, place)
    assert read_baseline(place).entries == ()


def test_code_needs_a_baseline_that_somebody_named(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "b.json"
    before = Report(checkpoints=(row(file, finding("CD106")),))
    write_baseline(before, EVERYTHING, place)
    assert codes(after(before, place)) == []
    found = settled_with(before, EVERYTHING, read_baseline(place, is_found=True))
    assert codes(found) == ["CD106"]


def test_it_can_be_kept_in_a_repository(file: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "1.json", tmp_path / "2.json"
    wild = finding("CD201", "\udcff\n\x1b[2J")
    both = (row(file, finding("CD202"), wild),)
    write_baseline(Report(checkpoints=both), EVERYTHING, one)
    turned = (replace(both[0], findings=both[0].findings[::-1]),)
    write_baseline(Report(checkpoints=turned), EVERYTHING, other)
    text = one.read_bytes()
    assert text == other.read_bytes()
    assert text.isascii()
    assert len(text.splitlines()) == 2 + 2  # a line an entry
    assert json.loads(text)["schema_version"] == 1
    assert codes(after(Report(checkpoints=both), one)) == []


@each(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"what": "ckptdoctor-baseline", "schema_version": 2, "accepted": []}',
        '{"what": "ckptdoctor-baseline", "schema_version": 1, "accepted": {}}',
        '{"what": "ckptdoctor-baseline", "schema_version": 1, "accepted": [{"code": 1}]}',
        "[" * 99999,
    ],
)
def test_what_is_no_baseline_is_refused_and_never_replaced(text: str, tmp_path: Path) -> None:
    place = tmp_path / "b.json"
    place.write_text(text)
    with pytest.raises(UsageError, match="no baseline"):
        read_baseline(place)
    with pytest.raises(DestinationError, match="not replaced"):
        write_baseline(Report(), EVERYTHING, place)
    assert place.read_text() == text
