"""Every command that is printed runs as it is printed, whatever files and folders are called.

Each is read by a real shell, and what the shell makes of it is run.
"""

from __future__ import annotations

import html
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ckptdoctor.diagnose import Examination
from ckptdoctor.histories import Alarm, AlarmKind, Clock
from ckptdoctor.render.console.screen import Screen
from ckptdoctor.render.events import event_json, event_text
from ckptdoctor.render.html.notebook import report_fragment
from ckptdoctor.runs.discover import discover
from ckptdoctor.shell import argument
from ckptdoctor.survey import survey
from ckptdoctor.watch.epochs import SeenEpoch
from ckptdoctor.watch.telling import of_epoch
from tests.bad_inputs.running import called
from tests.bash import programs_of
from tests.builders import save
from tests.cli.support import ANSI, training_state
from tests.odd_names import ODD_NAMES, SEEN_BY_EVERY_SHELL

NAN = float("nan")
TRAIN = "python train.py --resume-from old.pth --checkpoint-dir out --lr 0.1"
LOG = "".join(
    f"Epoch {epoch}: IoU: {value}\n"
    for epoch, value in enumerate((0.5, 0.6, 0.64, 0.63, 0.62, 0.61, 0.002), start=1)
)
_FEW = 16


def odd_names(first: int) -> list[Any]:
    """All of the names, every 16th from this one on without the mark: each test has its own."""
    return [
        pytest.param(name, marks=() if number % _FEW == first else pytest.mark.slow)
        for number, name in enumerate(ODD_NAMES)
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound file and one that is not."""
    folder = tmp_path_factory.mktemp("made")
    state = training_state(3, best=0.64) | {"optimizer": {"state": {}, "param_groups": [{"lr": 1}]}}
    save(folder / "good", state)
    save(folder / "bad", training_state(7, best=0.64, fill=NAN))
    return folder


Layout = Callable[[str], list[str | Path]]
Program = Callable[[str], subprocess.CompletedProcess[bytes]]


@pytest.fixture(params=["file", "folder"])
def laid(
    request: pytest.FixtureRequest, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Layout:
    """A run in a folder of its own for each name; gives the arguments that name it."""
    monkeypatch.setenv("COLUMNS", "80")

    def lay(name: str) -> list[str | Path]:
        here = tmp_path / str(len(list(tmp_path.iterdir())))
        inside = here / name if request.param == "folder" else here
        inside.mkdir(parents=True)
        monkeypatch.chdir(here)
        good = Path(name if request.param == "file" else "epoch_3.pth")
        shutil.copy(made / "good", inside / good)
        shutil.copy(made / "bad", inside / "bad.pth")
        (inside / "train.log").write_text(LOG)
        return [argument(Path(name))] if request.param == "folder" else [argument(good), "bad.pth"]

    return lay


def after(label: str, text: str) -> str:
    """The rest of the one line that begins so."""
    (found,) = [line for line in text.split("\n") if line.startswith(label)]
    return found.removeprefix(label)


def run_as_printed(command: str) -> list[list[str]]:
    """Run each program of a command the way a shell starts it; the words of each."""
    programs = programs_of(command)
    for program in programs:
        if program[0] == "ckptdoctor":
            code, _, said = called(*program[1:])
            assert code in (0, 1), (command, said)
            assert "no such" not in said
    return programs


def no_command_of_github(text: str) -> None:
    """No line is one that GitHub would obey."""
    assert [line for line in text.splitlines() if line.strip().startswith("::")] == []


@pytest.mark.parametrize("name", odd_names(0))
@pytest.mark.one_in(4)
def test_next_of_scan(name: str, laid: Layout) -> None:
    paths = laid(name)
    _, table, _ = called("scan", *paths)
    command = after("Next:      ", table)
    _, markdown, _ = called("scan", *paths, "-f", "markdown")
    assert re.findall("^```sh\n(.*)\n```$", markdown, re.MULTILINE) == [command]
    _, page, _ = called("scan", *paths, "-f", "html")
    assert html.unescape(*re.findall("<dt>Next</dt><dd><pre>(.*)</pre>", page)) == command
    fragment = report_fragment(survey(discover(map(Path, paths)), Examination()))
    assert html.unescape(*re.findall("Next: <code.*?>(.*)</code>", fragment)) == command
    if name in SEEN_BY_EVERY_SHELL and "##[" not in name:
        assert programs_of(command, shell="sh") == programs_of(command)
    assert programs_of(command) == [["ckptdoctor", "plan", *map(str, paths)]]
    run_as_printed(command)
    for text in (table, markdown, page):
        no_command_of_github(text)


@pytest.mark.parametrize("name", odd_names(1))
@pytest.mark.one_in(4)
def test_the_options_of_plan(name: str, laid: Layout) -> None:
    paths = laid(name)
    plan = ["plan", *paths, "--command", TRAIN, "--added", "deep-supervision"]
    _, table, _ = called(*plan, "-v")
    no_command_of_github(table)
    options = json.loads(called(*plan, "-f", "json")[1])["options"]
    for option in options:
        assert "\n".join(f"  {line}" for line in option["command"].split("\n")) in table
    first = run_as_printed(options[0]["command"])
    assert [program[0] for program in first] == ["ckptdoctor", "python"]
    assert first[1][1] == "train.py"
    assert Path(first[1][first[1].index("--resume-from") + 1]).is_file()
    _, alone, _ = called("plan", *paths, "--added", "deep-supervision", "-f", "json")
    for option in json.loads(alone)["options"]:
        run_as_printed(option["command"])


@pytest.mark.parametrize("laid", ["folder"], indirect=True)
@pytest.mark.parametrize("name", odd_names(2))
@pytest.mark.one_in(2)
def test_next_of_history(name: str, laid: Layout) -> None:
    _, text, _ = called("history", *laid(name))
    no_command_of_github(text)
    run_as_printed(after("Next:      ", text))


@pytest.mark.parametrize("laid", ["file"], indirect=True)
@pytest.mark.parametrize("name", odd_names(3))
@pytest.mark.one_in(2)
def test_what_restore_says(name: str, laid: Layout) -> None:
    paths = laid(name)
    _, _, said = called("restore", *paths, "--epoch", "5")
    (command,) = re.findall("^ckptdoctor:     (ckptdoctor restore .*)$", said, re.MULTILINE)
    run_as_printed(command)
    there = Path(f"{name} restored")
    code, text, said = called("restore", *paths, "-o", argument(there))
    assert (code, said) == (0, "")
    assert there.is_file()
    run_as_printed(after("Check it any time:  ", text))
    no_command_of_github(text)


def test_where_restore_may_write_instead(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stride: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "locked").mkdir()
    access = os.access

    def to_others(path: Path, mode: int) -> bool:
        return access(path, mode) and path.name != "locked"

    for name in ODD_NAMES[::stride]:
        with monkeypatch.context() as locked:
            locked.setattr(os, "access", to_others)
            output = Path("locked", name)
            code, _, said = called("restore", "--from", made / "good", "-o", output)
        assert code == 4
        (words,) = re.findall("choose another place, (-o .*)\n$", said)
        ((_, *options),) = programs_of(f"ckptdoctor {words}")
        assert called("restore", "--from", made / "good", *options, "--force")[0] == 0
        assert Path(name).is_file()
        for path in tmp_path.iterdir():
            if path.is_file():
                path.unlink()


@pytest.mark.parametrize("fmt", ["table", "json", "jsonl", "csv", "markdown", "sarif", "junit"])
@pytest.mark.parametrize("command", ["scan", "rank", "inspect", "diff"])
@pytest.mark.one_in(3)
def test_no_output_is_a_command_of_github(
    command: str, fmt: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    names = [Path(name) for name in ODD_NAMES if "::" in name]
    for name in names:
        shutil.copy(made / "bad", name)
    sets = {"inspect": [[name] for name in names], "diff": [names[:2]]}.get(command, [names])
    for paths in sets:
        code, text, said = called(command, *map(argument, paths), "-f", fmt)
        if code == 2:
            pytest.skip("no such format")
        no_command_of_github(text)
        no_command_of_github(said)


@pytest.mark.parametrize(
    "names",
    [
        {*ODD_NAMES[5::_FEW], *(name for name in ODD_NAMES if "::" in name or "##[" in name)},
        pytest.param({*ODD_NAMES}, marks=pytest.mark.slow),
    ],
    ids=["some", "all"],
)
def test_annotations_are_the_only_commands_of_github(
    names: set[str], made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in sorted(names):
        shutil.copy(made / "bad", name)
        _, text, said = called("scan", argument(Path(name)), "-f", "github")
        *annotations, last = text.splitlines()
        for annotation in annotations:
            assert re.match(r"::(error|warning|notice) (file=[^:,]+,)?title=", annotation)
        assert last.startswith("ckptdoctor: 1 checkpoint")
        assert "##[" not in last
        no_command_of_github(said)


@pytest.mark.parametrize("laid", ["folder"], indirect=True)
@pytest.mark.parametrize("name", odd_names(4))
@pytest.mark.one_in(2)
def test_what_a_watch_says_to_run(name: str, laid: Layout) -> None:
    laid(name)
    alarm = Alarm(
        kind=AlarmKind.COLLAPSE,
        at=7,
        since=7,
        name="IoU",
        message="it fell",
        value=0.0,
        before=0.64,
    )
    seen = SeenEpoch(
        clock=Clock.EPOCH, at=7, values={}, metric="", value=None, complete=False, alarms=(alarm,)
    )
    folder, log = Path(name), Path(f"{name}.log")
    log.write_text(LOG)
    (event,) = of_epoch(seen, 0.0, folder, [log])
    text = event_text(event, Screen(width=80, colour=False))
    assert text.endswith(f" checkpoint: {event.command}\n")
    no_command_of_github(text)
    assert json.loads(event_json(event))["command"] == event.command
    ((*_, said, option, followed),) = programs_of(event.command)
    assert option == "--log"
    assert Path(said).samefile(folder)
    assert Path(followed).samefile(log)
    assert called(*programs_of(event.command)[0][1:])[0] == 0


@pytest.mark.slow
def test_the_demo_in_an_odd_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("it's a\n::error::$demo\udcff")
    code, text, _ = called("demo", folder)
    assert code == 0
    no_command_of_github(text)
    commands = [line[2:] for line in text.split("\n") if line.startswith("$ ")]
    assert len(commands) == 5
    for command in commands[:-1]:
        run_as_printed(command)
    run_as_printed(f"{commands[-1]} --force")
    (folder / ".ckptdoctor-demo").unlink()
    code, _, said = called("demo", folder)
    assert code == 4
    ((*_, other),) = programs_of(said[said.index("ckptdoctor demo") :].strip())
    assert other == f"{folder}-2"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Runs a command with the real program, as a person does who copied it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, module in (("ckptdoctor", "-m ckptdoctor"), ("python", "")):
        script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module} "$@"\n'
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    env = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    return lambda command: subprocess.run(
        ["bash", "-c", command], env=env, capture_output=True, check=False
    )


@pytest.mark.parametrize(
    "name",
    [
        *("a\n::error::x", "-x", "\udcff $(id)`"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("plain", "it's", "x" * 200)),
    ],
)
@pytest.mark.one_in(8)
@pytest.mark.slow
def test_copied_from_a_terminal_and_run(
    name: str,
    laid: Layout,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In colours and 80 columns; the training script looks for its checkpoint."""
    paths = laid(name)
    monkeypatch.setenv("FORCE_COLOR", "1")
    Path("train.py").write_text("import sys; open(sys.argv[sys.argv.index('--resume-from') + 1])")
    _, table, _ = called("scan", *paths)
    done = program(after("Next:      ", ANSI.sub("", table)))
    assert done.returncode == 0, done.stderr
    _, table, _ = called("plan", *paths, "--command", TRAIN, "--added", "deep-supervision")
    lines = ANSI.sub("", table).split("\n")
    done = program(
        "\n".join(lines[1 : next(at for at, one in enumerate(lines) if one[:2] in ("B:", "C:"))])
    )
    assert done.returncode == 0, done.stderr
