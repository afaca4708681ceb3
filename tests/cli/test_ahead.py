"""Torch's library is on its way before the program has imported itself, if it will be needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckptdoctor.cli.ahead import load_ahead
from ckptdoctor.scanning import preload
from ckptdoctor.scanning.amount import FEW_NBYTES


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    calls: list[str] = []
    monkeypatch.setattr(preload, "preload", lambda: calls.append("begun"))
    monkeypatch.chdir(tmp_path)
    return calls


def of_size(path: Path, nbytes: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(nbytes)
    return path


@pytest.mark.parametrize("command", ["scan", "rank", "plan", "restore", "diff", "repair"])
def test_for_a_large_file(command: str, begun: list[str], tmp_path: Path) -> None:
    load_ahead([command, "--quiet", str(of_size(tmp_path / "a.pth", FEW_NBYTES + 1))])
    assert begun == ["begun"]


def test_for_many_small_ones_in_folders(begun: list[str], tmp_path: Path) -> None:
    for number in range(9):
        of_size(tmp_path / "runs" / str(number % 2) / f"{number}.pth", FEW_NBYTES // 8)
    load_ahead(["scan", "runs"])
    assert begun == ["begun"]


def test_without_a_path_for_what_lies_here(begun: list[str], tmp_path: Path) -> None:
    of_size(tmp_path / "checkpoints" / "a.pth", FEW_NBYTES + 1)
    load_ahead(["scan"])
    assert begun == ["begun"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--version"],
        ["scan", "small"],
        ["scan", "gone"],
        ["scan", "s3://bucket/run"],
        ["scan", "large", "--help"],
        ["inspect", "large"],
        ["history", "large"],
    ],
)
def test_not_where_nothing_is_measured(
    arguments: list[str], begun: list[str], tmp_path: Path
) -> None:
    of_size(tmp_path / "small" / "a.pth", FEW_NBYTES)
    of_size(tmp_path / "large", 1)
    if "large" in arguments:
        of_size(tmp_path / "large", 2 * FEW_NBYTES)
    load_ahead(arguments)
    assert begun == []


def test_a_folder_of_very_many_files_is_not_gone_through(
    begun: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("ckptdoctor.cli.ahead._MOST_LOOKED_AT", 3)
    for number in range(9):
        of_size(tmp_path / "run" / f"{number}.pth", FEW_NBYTES // 8)
    load_ahead(["scan", "run"])
    assert begun == []
