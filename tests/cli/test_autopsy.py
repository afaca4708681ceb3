"""``ckptdoctor autopsy`` as it is installed: exit codes, formats, one screen."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.support import run
from tests.postmortem.trained import ONSET, flip, run_of

ROWS, COLUMNS = 24, 80


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of(tmp_path_factory.mktemp("autopsy") / "run", flip)


def test_one_screen_tells_what_was_first_and_why(folder: Path) -> None:
    told = run("autopsy", folder, "--no-cache", env={"COLUMNS": str(COLUMNS)})
    lines = told.stdout.splitlines()
    assert told.code == 0
    assert f"At epoch {ONSET}" in told.stdout
    assert "flipped bit" in told.stdout
    assert len(lines) < ROWS
    words = [line for line in lines if not line.startswith("Next:")]  # a command is never cut
    assert max(map(len, words)) <= COLUMNS


@pytest.mark.slow
def test_verbose_has_the_whole_guide(folder: Path) -> None:
    told = run("autopsy", folder, "-v", "--no-cache")
    for title in ("What happened", "What is still good", "How to restart", "sha256"):
        assert title in told.stdout


@pytest.mark.parametrize(
    ("name", "begins"),
    [("report.html", "<!DOCTYPE html>"), ("report.md", "# Autopsy of "), ("report.json", "{")],
)
@pytest.mark.one_in(2)
def test_the_suffix_says_the_format(name: str, begins: str, folder: Path, tmp_path: Path) -> None:
    told = run("autopsy", folder, "--no-cache", "-o", tmp_path / name)
    assert (told.code, told.stdout) == (0, "")
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert text.startswith(begins)
    assert "\x1b" not in text
    assert str(folder) not in text


@pytest.mark.slow
def test_json_says_what_the_page_says(folder: Path) -> None:
    found = run("autopsy", folder, "--no-cache", "-f", "json").json
    assert found["first"]["tensor"] == "model_state_dict.1.0.weight"
    assert found["first"]["position"] == ONSET
    assert found["exact"] is True
    assert {section["key"] for section in found["sections"]} >= {"happened", "causes", "restart"}
    assert run("autopsy", folder, "--quick", "-f", "json").json["exact"] is False


@pytest.mark.slow
def test_the_page_asks_for_nothing_else(folder: Path, tmp_path: Path) -> None:
    run("autopsy", folder, "-o", tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert not re.search(r"(src|href)=|url\(|@import", text)
    assert text.count("<svg") > 5


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "<b>|`x`", flip)
    run("autopsy", folder, "-o", tmp_path / "report.html")
    assert "<b>|" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    run("autopsy", folder, "-o", tmp_path / "report.md")
    assert "<b>" not in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_commands_that_it_names_work(folder: Path) -> None:
    found = run("autopsy", folder, "-f", "json").json
    proof = next(section for section in found["sections"] if section["key"] == "proof")
    commands = [part["command"] for part in proof["parts"] if "command" in part]
    assert len(commands) >= 3
    for command in commands:
        words = command.split()
        told = run(*words[1:], cwd=folder)
        assert told.code in (0, 1), command
        assert told.stdout


@pytest.mark.slow
def test_diff_gives_the_figure_again(folder: Path) -> None:
    found = run("autopsy", folder, "-f", "json").json
    proof = next(section for section in found["sections"] if section["key"] == "proof")
    command = next(p["command"] for p in proof["parts"] if "diff" in p.get("command", ""))
    moved = json.loads(run(*command.split()[1:], "-f", "json", cwd=folder).stdout)
    own = moved["tensors"][0]["relative"]
    told = re.search(r"moved by ([\d.]+) of its norm", json.dumps(found["departures"]))
    assert told is not None
    assert float(told[1]) == pytest.approx(own, rel=0.01)


def test_where_nothing_is_it_says_so(tmp_path: Path) -> None:
    assert run("autopsy", tmp_path).code == 3


@pytest.mark.slow
def test_several_runs_are_to_be_told_apart(tmp_path: Path) -> None:
    run_of(tmp_path / "one", log=False)
    run_of(tmp_path / "two", log=False)
    told = run("autopsy", tmp_path)
    assert told.code == 2
    assert "autopsy" in told.stderr
    assert "--run" in told.stderr
    assert run("autopsy", tmp_path, "--run", "one").code == 0


def test_a_target_that_is_no_number_is_refused(folder: Path) -> None:
    assert run("autopsy", folder, "--target", "nan").code == 2
