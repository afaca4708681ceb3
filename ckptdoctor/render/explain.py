"""What a finding means, for a person and for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.text import Text

from ckptdoctor.render.console.screen import SEVERITY_STYLE, Screen, drawn
from ckptdoctor.render.machine.as_json import dump
from ckptdoctor.rules import FAMILIES, Rule

__all__ = ["explain_json", "explain_text", "list_text"]

_WIDEST = 88  # columns of running text that are still pleasant to read


def explain_text(rules: Sequence[type[Rule]], screen: Screen) -> str:
    """The pages of some rules."""
    console = screen.console()
    width = min(console.width, _WIDEST)
    for number, rule in enumerate(rules):
        if number:
            console.print()
        console.print(
            Text.assemble(
                (f"{rule.code} ", "bold"),
                (rule.severity.label, SEVERITY_STYLE[rule.severity]),
                (f"  {rule.title()}", "bold"),
            )
        )
        for paragraph in rule.meaning().split("\n\n"):
            console.print()
            console.print(_filled(paragraph, width), soft_wrap=True)
        console.print()
        console.print(Text("What to do:", "bold"))
        console.print(_filled(rule.remedy(), width), soft_wrap=True)
    return drawn(console)


def _filled(paragraph: str, width: int) -> str:
    plain = " ".join(paragraph.replace("`", "").split())
    return textwrap.fill(
        plain, width - 2, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )


def list_text(rules: Sequence[type[Rule]], screen: Screen) -> str:
    """A line for each rule, by family."""
    console = screen.console()
    for prefix, family in FAMILIES.items():
        if not any(rule.code.startswith(prefix) for rule in rules):
            continue
        console.print(Text(f"{prefix}xx  {family}", "bold"))
        for rule in rules:
            if rule.code.startswith(prefix):
                console.print(
                    Text.assemble(
                        f"  {rule.code}  ",
                        (f"{rule.severity.label:<8}", SEVERITY_STYLE[rule.severity]),
                        rule.title(),
                    )
                )
    if screen.verbosity >= 0:
        console.print(Text("\nThe page of one:  ckptdoctor explain CODE", "dim"))
    return drawn(console)


def explain_json(rules: Sequence[type[Rule]]) -> str:
    """The rules as JSON."""
    return dump(
        {
            "schema_version": 1,
            "rules": [
                {
                    "code": rule.code,
                    "severity": rule.severity.label,
                    "family": FAMILIES[rule.code[:3]],
                    "title": rule.title(),
                    "meaning": rule.meaning(),
                    "remedy": rule.remedy(),
                }
                for rule in rules
            ],
        }
    )
