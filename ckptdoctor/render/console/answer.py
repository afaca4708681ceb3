"""What a person at a terminal came for: the last good checkpoint, the next step, what is wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from rich.console import Console
from rich.text import Text

from ckptdoctor.finding import Finding
from ckptdoctor.render.console.screen import SEVERITY_STYLE, print_hanging
from ckptdoctor.render.sections import Section, logs_words
from ckptdoctor.render.set_aside import settings_words
from ckptdoctor.render.text import printable
from ckptdoctor.report import Report
from ckptdoctor.survey import Chronicles

__all__ = ["print_last_good", "print_next", "print_notes", "print_run_findings", "print_set_aside"]

_INDENT = 11
_MAX_NOTES = 3


def print_last_good(console: Console, run: Section) -> None:
    """The checkpoint to go on from, why, and the logs that were believed."""
    logs, good = logs_words(run.run), run.last_good
    if good is None:
        console.print(Text("No checkpoint here is fit to go on from.", "bold red"))
        if logs:
            console.print(Text(f"{'':<{_INDENT}}{logs}"), soft_wrap=True)
        console.print("Look into an earlier run:  ckptdoctor scan OTHER_FOLDER")
        return
    path = printable(good.path)
    console.print(Text.assemble("Last good: ", (path, "bold green")), soft_wrap=True)
    reason = printable(good.reason)
    lines = [f"{reason}; {logs}"] if logs else [reason]
    if len(lines[0]) > console.width - _INDENT and logs:
        lines = [reason, logs]
    for line in lines:
        print_hanging(console, Text(f"{'':<{_INDENT}}{line}"), _INDENT)


def print_next(console: Console, run: Section) -> None:
    """The command to go on with, to be copied: never wrapped."""
    if run.next:
        console.print(Text.assemble("Next:      ", (run.next, "bold")), soft_wrap=True)


def print_run_findings(
    console: Console, findings: Sequence[Finding], most: int | None = None
) -> None:
    """What is wrong with a run as a whole, a label and a sentence each."""
    for finding in findings[:most]:
        label = f"{finding.severity.label}:".capitalize()
        words = f"{finding.code} {printable(finding.message)}"
        _print_labelled(console, label, words, SEVERITY_STYLE[finding.severity])
    if most is not None and len(findings) > most:
        rest = f"{'':<{_INDENT}}… and {len(findings) - most} more (-v)"
        console.print(Text(rest, "dim"))


def print_set_aside(console: Console, found: Report | Chronicles) -> None:
    """What the user wants neither shown nor counted, and by which file."""
    counted = found.all_findings() if isinstance(found, Report) else found.findings
    if words := settings_words(found.set_aside, found.settings, counted):
        console.print(Text(words[:1].upper() + words[1:], "dim"))


def print_notes(console: Console, notes: Sequence[str], *, all_of_them: bool) -> None:
    """What was not understood, and which logs were not believed."""
    shown = notes if all_of_them else notes[:_MAX_NOTES]
    for note in shown:
        _print_labelled(console, "Note:", printable(note), "yellow")
    if len(shown) < len(notes):
        rest = f"{'':<{_INDENT}}… and {len(notes) - len(shown)} more notes (-v)"
        console.print(Text(rest, "dim"))


def _print_labelled(console: Console, label: str, sentence: str, style: str) -> None:
    words = textwrap.wrap(sentence, console.width - _INDENT)
    for head, line in zip_longest([label], words, fillvalue=""):
        console.print(Text.assemble((f"{head:<10} ", style), line))
