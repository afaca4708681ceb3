"""Names of members that lead out of an archive; and none that torch writes is among them."""

from __future__ import annotations

from pathlib import Path

import torch

from ckptdoctor.finding import Severity
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.formats.member_names import odd_names
from tests.each import each


@each(
    "name",
    [
        "/etc/passwd",
        "\\x",
        "\\\\host\\share",
        "C:\\x",
        "c:/x",
        "..",
        "../x",
        "a/../../x",
        "a/..",
        "a\\..\\x",
        "a/data.pkl\0",
    ],
)
def test_a_name_that_leads_elsewhere_is_an_error(name: str) -> None:
    (problem,) = odd_names(["a/data.pkl", name])
    assert (problem.code, problem.severity, problem.subject) == ("CD104", Severity.ERROR, name)
    assert "not unpack" in problem.remedy


def test_a_backslash_is_a_warning() -> None:
    (problem,) = odd_names(["a\\b"])
    assert problem.severity is Severity.WARNING


@each(
    "name", ["a/data.pkl", "a..b/x", "...", ".data/serialization_id", "a:1/data.pkl", "a//b", " "]
)
def test_other_names_are_plain(name: str) -> None:
    assert list(odd_names([name])) == []


def test_of_very_many_the_first_are_told_and_the_rest_counted() -> None:
    found = list(odd_names(f"../{at}" for at in range(100_000)))
    assert len(found) == 21
    assert found[-1].message == "99980 more members have names like these"


@each("name", ["..pth", "....pth", "a:1.pth", "C:x.pth", " .pth", "ü\u202e.pth"])
def test_torch_writes_no_such_name_for_any_file(name: str, tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(2)}, tmp_path / name)
    assert open_checkpoint(tmp_path / name).problems == ()
