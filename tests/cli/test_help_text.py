"""The help: every command where it belongs, and no example that does not work."""

from __future__ import annotations

import re
import shlex
import shutil
from email.message import Message
from pathlib import Path

import pytest
from typer.main import get_command

from ckptdoctor.cli import help_text
from ckptdoctor.cli.app import app
from ckptdoctor.cli.help_text import EXAMPLES, GROUPS, documentation
from ckptdoctor.demo import make_demo_run
from tests.cli.support import run

COMMANDS = {command.callback.__name__ for command in app.registered_commands if command.callback}
ELSEWHERE = {"ckptdoctor gpu", "ckptdoctor demo"}
"""What shows a GPU, and what `test_demo` runs."""
LINES = sorted({line for lines in EXAMPLES.values() for line in lines} - ELSEWHERE)


def test_every_command_is_in_one_group_and_has_examples() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(COMMANDS)
    assert {*EXAMPLES} - {""} == COMMANDS


def test_the_help_fits_a_terminal() -> None:
    for name in ("", *sorted(COMMANDS)):
        told = run(*name.split(), "--help", env={"COLUMNS": "80"})
        assert told.code == 0
        assert max(map(len, told.stdout.splitlines())) <= 80, name
        assert "list[" not in told.stdout
        assert not re.search(r"<path>|\{[A-Z]+\}", told.stdout), name
        assert all(line in told.stdout for line in EXAMPLES[name])


def test_the_help_tells_where_the_pages_are_once_that_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = Message()
    monkeypatch.setattr("importlib.metadata.metadata", lambda _: built)
    for url, told in ("https://github.com/OWNER/x/docs", ""), ("https://docs.example/x", "x"):
        del built["Project-URL"]
        built["Project-URL"] = f"Documentation, {url}"
        assert documentation() == (told and url)
    command = get_command(app)
    formatter = command.context_class(command).make_formatter()
    help_text.write_epilog("", formatter)
    assert "Documentation:\n  https://docs.example/x\n" in formatter.getvalue()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("demo") / "run"
    make_demo_run(place)
    return place


@pytest.fixture
def folder(demo: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo, tmp_path / "run"))


def test_the_readme_shows_what_is_said_of_a_dead_run(folder: Path) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = text.partition("<!-- scan -->\n```console\n$ ckptdoctor scan\n")[2].partition("```")[0]
    told = run("scan", cwd=folder, env={"CKPTDOCTOR_NO_CACHE": "1", "COLUMNS": "80"})
    assert told.stdout == shown


@pytest.mark.parametrize("line", LINES)
@pytest.mark.one_in(8)
def test_every_example_works(line: str, folder: Path) -> None:
    home = {"XDG_CACHE_HOME": str(folder / "cache"), "CKPTDOCTOR_CACHE_DIR": str(folder / "cache")}
    words = shlex.split(line)
    assert words[0] == "ckptdoctor"
    told = run(*words[1:], cwd=folder, env=home)
    assert told.code in (0, 1), told.stderr
    assert told.code == 0 or "restore" not in words


def test_exit_codes_are_told() -> None:
    told = run("--help").stdout
    assert all(f"\n  {code} " in told for code in (0, 1, 2, 3, 4, 70, 130))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.one_in(3)
def test_completion_knows_the_commands(shell: str) -> None:
    words = {"_TYPER_COMPLETE_ARGS": "ckptdoctor rest", "COMP_WORDS": "ckptdoctor rest"}
    how = {"_CKPTDOCTOR_COMPLETE": f"complete_{shell}", "COMP_CWORD": "1"}
    more = {"_TYPER_COMPLETE_FISH_ACTION": "get-args"} if shell == "fish" else {}
    assert "restore" in run(env=words | how | more).stdout
