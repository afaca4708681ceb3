"""A restart plan for a person at a terminal: the recommended command first, ready to be copied."""

from __future__ import annotations

import textwrap

from rich.console import Console
from rich.text import Text

from ckptdoctor.recovery.plan import Option, Plan
from ckptdoctor.recovery.rewrite import Change
from ckptdoctor.recovery.timeline import Timeline
from ckptdoctor.render.console.screen import Screen, drawn
from ckptdoctor.render.text import number, printable

__all__ = ["plan_text"]

_LONG_LINE = 76


def plan_text(plan: Plan, screen: Screen) -> str:
    """The result of ``plan``. Commands are printed whole, in lines that a shell takes as they are.

    Args:
        plan: the options.
        screen: where it is shown.
    """
    console = screen.console()
    if not plan.options:
        console.print(Text("There is no checkpoint to go on from, and no command to start.", "red"))
    for at, option in enumerate(plan.options):
        if at:
            console.print()
        full = screen.verbosity > 0 or option.recommended
        _print_option(console, option, full=full and screen.verbosity >= 0)
    if plan.timeline is not None:
        _print_words(console, "Target:", _timeline(plan.timeline))
    if screen.verbosity >= 0:
        for note in plan.notes:
            _print_words(console, "Note:", note)
    return drawn(console)


def _print_option(console: Console, option: Option, *, full: bool) -> None:
    mark = " (recommended)" if option.recommended else ""
    style = "bold green" if option.recommended else "bold"
    console.print(Text(f"{option.name}: {printable(option.title)}{mark}", style))
    for line in _lines_of(option.command):
        console.print(Text(f"  {line}"), soft_wrap=True)
    if not full:
        return
    for change in option.changes:
        _print_words(console, "  change", _change(change))
    for reason in option.reasons:
        _print_words(console, "  why", reason)
    for warning in option.warnings:
        _print_words(console, "  mind", warning)


def _print_words(console: Console, label: str, words: str) -> None:
    room = max(20, console.width - 10)
    for at, line in enumerate(textwrap.wrap(printable(words), room)):
        console.print(Text.assemble((f"{label if at == 0 else '':<9} ", "dim"), line))


def _change(change: Change) -> str:
    if change.after is None:
        value = "" if change.before is None else f" {change.before}"
        return f"without {change.flag}{value}: {change.reason}"
    if change.before is None:
        return f"{change.flag} {change.after} (new): {change.reason}"
    return f"{change.flag} {change.before} -> {change.after}: {change.reason}"


def _lines_of(command: str) -> list[str]:
    """The command in lines; a long one that the user did not break is left whole, to be copied."""
    return [printable(line) for line in command.split("\n")]


def _timeline(timeline: Timeline) -> str:
    what = f"{number(timeline.target)}"
    low, high = timeline.low, timeline.high
    if low is None:
        return f"{what}: no estimate. {timeline.method.removeprefix('none: ').capitalize()}"
    if low == high == 0:
        return f"{what}: {timeline.method}"
    many = f"{low} to {high} epochs" if high is not None and high != low else f"{low} epochs"
    if high is None:
        many = f"{low} epochs or more, perhaps never"
    took = ""
    if timeline.epoch_s is not None:
        least = _duration(low * timeline.epoch_s)
        most = "" if high in (None, low) else f" to {_duration((high or 0) * timeline.epoch_s)}"
        took = f", {least}{most}"
    return f"{what} in about {many}{took}. From {timeline.method}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
