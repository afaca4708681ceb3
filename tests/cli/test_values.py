"""Plain values are taken as typer takes them, and what is wrong is refused in its words."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.main import get_command

from ckptdoctor.cli.app import app as ours
from ckptdoctor.cli.values import take_plain_values
from tests.each import each


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def command(taken: list[dict[str, Any]], *, plainly: bool) -> Any:
    """A command with an option of every kind, which notes what it is given."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def work(
        paths: Annotated[list[Path] | None, typer.Argument()] = None,
        *,
        name: str = "",
        count: Annotated[int, typer.Option(min=1, max=9)] = 2,
        share: Annotated[float, typer.Option(min=0.5)] = 1.0,
        colour: Colour = Colour.RED,
        maybe: Colour | None = None,
        where: Annotated[Path | None, typer.Option()] = None,
        there: Annotated[Path | None, typer.Option(exists=True)] = None,
        globs: Annotated[list[str] | None, typer.Option()] = None,
        loud: bool = False,
        level: Annotated[int, typer.Option("-v", count=True)] = 0,
    ) -> None:
        taken.append(dict(locals()))

    made = get_command(app)
    if plainly:
        take_plain_values(made)
    return made


def outcome(arguments: list[str], *, plainly: bool) -> object:
    """What the command was given, with the types; or how it was refused."""
    taken: list[dict[str, Any]] = []
    try:
        command(taken, plainly=plainly)(arguments, prog_name="work", standalone_mode=False)
    except Exception as error:  # noqa: BLE001  (whatever typer raises)
        return type(error).__name__, getattr(error, "message", str(error))
    values = taken[0]
    values.pop("taken", None)
    return {name: (type(value), value) for name, value in values.items()}


LINES = [
    "",
    "a.pth b/../c.pth .",
    "--name x --count 3 --share 0.75 --colour blue --maybe red --where here",
    "--globs a --globs b* --loud -vvv",
    "--count 0",
    "--count 10",
    "--count 1_0",
    "--count ３",
    "--count -1",
    "--count 2.5",
    "--count +3",
    "--share 0.1",
    "--share nan",
    "--share 1e0",
    "--colour green",
    "--colour RED",
    "--there /nowhere/at/all",
    "--there .",
    "--where -",
    "--no-loud",
    "--loud=yes",
    "--unknown",
    "--name",
]


@each("line", LINES)
def test_values_are_those_of_typer(line: str) -> None:
    arguments = line.split()
    assert outcome(arguments, plainly=True) == outcome(arguments, plainly=False)


@pytest.mark.parametrize("option", ["--name", "--where", "--colour"])
def test_empty_words_are_those_of_typer(option: str) -> None:
    assert outcome([option, ""], plainly=True) == outcome([option, ""], plainly=False)


def test_every_command_of_ours_takes_them() -> None:
    made = get_command(ours)
    take_plain_values(made)
    for one in made.commands.values():  # type: ignore[attr-defined]
        with typer.Context(one, info_name=one.name) as ctx:
            for parameter in one.get_params(ctx):
                if hasattr(parameter, "get_runtime_param"):  # as newer releases have it
                    assert parameter.get_runtime_param().__class__.__name__ == "_Plain"


def test_taking_them_again_changes_nothing() -> None:
    """Programs call commands of ours many times in one process."""
    made = get_command(ours)
    take_plain_values(made)
    before = made.get_params
    for _ in range(3):
        take_plain_values(made)
    assert made.get_params is before
