"""``ckptdoctor explain``: what a finding means, why, and what to do."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.options import NoColorOption, OutputOption

__all__ = ["explain"]


class _Format(Enum):
    """How an explanation is written."""

    TABLE = "table"
    JSON = "json"


def explain(
    codes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CODE",
            help="Codes such as CD201, or words such as NaN; none for the list of all.",
        ),
    ] = None,
    *,
    fmt: Annotated[
        _Format, typer.Option("--format", "-f", help="How to write it.")
    ] = _Format.TABLE,
    output: OutputOption = None,
    no_color: NoColorOption = False,
) -> int:
    """Explain a finding: what it means, how sure it is, and what to do.

    With no code, every code on a line; with a word, every code that speaks of it.
    """
    from ckptdoctor.cli.output import write_result
    from ckptdoctor.render.console.screen import Screen
    from ckptdoctor.render.explain import explain_json, explain_text, list_text
    from ckptdoctor.rules import all_rules, find_rules

    found = [find_rules(code) for code in codes or []]
    chosen = list(dict.fromkeys(rule for rules in found for rule in rules))
    is_list = any(len(rules) > 1 for rules in found)
    screen = Screen(colour=False if no_color or output is not None else None)
    if fmt is _Format.JSON:
        text = explain_json(chosen or all_rules())
    else:
        whole = chosen and not is_list
        text = explain_text(chosen, screen) if whole else list_text(chosen or all_rules(), screen)
    write_result(text, output)
    return Exit.OK
