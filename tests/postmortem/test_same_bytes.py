"""The same folder gives the same bytes on another machine, and every command it names works."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.support import run
from tests.postmortem.told import hostile, turned_to_nan
from tests.postmortem.trained import flip, run_of

pytestmark = pytest.mark.slow
_HERE = {"TZ": "UTC", "LC_ALL": "C", "LANG": "C", "COLUMNS": "80", "PYTHONHASHSEED": "1"}
_THERE = {
    "TZ": "Asia/Kolkata",
    "LC_ALL": "C.UTF-8",
    "LANG": "C.UTF-8",
    "COLUMNS": "213",
    "PYTHONHASHSEED": "2",
    "FORCE_COLOR": "1",
}
_WAITS = ("ckptdoctor watch", "ckptdoctor gpu")
"""What looks at the machine, or goes on until it is stopped."""


@pytest.mark.parametrize("suffix", ["html", "md", "json"])
def test_another_machine_writes_the_same(suffix: str, tmp_path: Path) -> None:
    one = run_of(tmp_path / "here" / "run", flip)
    other = tmp_path / "far away, 'there'" / "deep" / "run"
    shutil.copytree(one, other)
    for number, path in enumerate(sorted(other.iterdir(), reverse=True)):
        os.utime(path, (1e9 + number, 1e9 + number))
    report = tmp_path / f"report.{suffix}"
    run("autopsy", one, "--no-cache", "--jobs", "1", "-o", report, env=_HERE, anew=True)
    told = run(
        "autopsy", ".", "--no-cache", "--jobs", "4", "-f", _FORMATS[suffix],
        cwd=other, env=_THERE, anew=True,
    )  # fmt: skip
    assert told.code == 0
    text = report.read_text(encoding="utf-8")
    assert text == told.stdout
    assert str(tmp_path) not in text


_FORMATS = {"html": "html", "md": "markdown", "json": "json"}


def commands_of(found: dict[str, object]) -> Iterator[str]:
    """Every command of ours in a report."""
    sections = found["sections"]
    assert isinstance(sections, list)
    for section in sections:
        for part in section["parts"]:
            command = part.get("command", "")
            if command.startswith("ckptdoctor ") and not command.startswith(_WAITS):
                yield command


@pytest.mark.parametrize("make", [turned_to_nan, hostile])
def test_every_command_of_a_report_works_in_the_folder_of_the_run(
    make: object, tmp_path: Path
) -> None:
    assert callable(make)
    folder: Path = make(tmp_path / "run")
    found = run("autopsy", folder, "-f", "json").json
    commands = list(dict.fromkeys(commands_of(found)))
    assert len(commands) >= 5
    for command in commands:
        assert "$'" in command or shlex.split(command)
        told = run(code=_SHELL, env={"COMMAND": command}, cwd=folder)
        assert told.stdout.startswith(("0", "1")), (command, told)


_SHELL = """
import os, subprocess, sys
words = os.environ["COMMAND"].replace("ckptdoctor", f"{sys.executable} -m ckptdoctor", 1)
done = subprocess.run(["bash", "-c", words], capture_output=True, text=True)
print(done.returncode, done.stderr)
"""


def test_a_report_of_chosen_runs_and_logs_asks_the_same_again(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", flip)
    for path in run_of(tmp_path / "other", log=False).glob("*.pth"):
        path.rename(folder / f"unet_{path.name}")
    words: list[str | Path] = ["--run", "epoch", "--log", folder / "train.log", "--metric", "IoU"]
    found = run("autopsy", folder, *words, "-f", "json").json
    command = next(one for one in commands_of(found) if " autopsy " in one)
    assert command == "ckptdoctor autopsy . --run epoch --log train.log --metric IoU"
    again = run(*command.split()[1:], "-f", "json", cwd=folder)
    assert again.json == found
