"""The result of ``scan`` for a person at a terminal: 80 columns, readable without colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from ckptdoctor.finding import Verdict
from ckptdoctor.render.console.answer import (
    print_last_good,
    print_next,
    print_notes,
    print_run_findings,
    print_set_aside,
)
from ckptdoctor.render.console.rows import print_below, rows_table, selected
from ckptdoctor.render.console.screen import (
    LEAST_LINES,
    Screen,
    drawn,
    height,
    print_finding,
    print_hanging,
    summary_line,
)
from ckptdoctor.render.console.several import several_text
from ckptdoctor.render.sections import BESIDE, Section, sections
from ckptdoctor.render.text import printable
from ckptdoctor.report import CheckpointReport, Report
from ckptdoctor.rules.rescue import rescue_command

__all__ = ["scan_text"]

_MAX_ROWS = 14  # of 24 lines
_FEWEST_ROWS = 3
_MAX_BESIDE = 3
_MAX_NOTES = 4
_MAX_PER_CODE = 3


def scan_text(report: Report, screen: Screen) -> str:
    """The result of ``scan``: what to go on from first, then the table; it fits the screen."""
    if len(report.runs) > 1:
        return several_text(report, screen) + _findings_text(report, screen)
    most = screen.lines()
    room = _MAX_ROWS + max(0, most - LEAST_LINES)
    room -= len(report.findings) + len(report.notes) + bool(report.set_aside)
    while True:
        text = _one_run(report, screen, room)
        too_many = height(text, screen) - most
        if screen.verbosity != 0 or too_many <= 0 or room <= _FEWEST_ROWS:
            return text + _findings_text(report, screen)
        room = max(_FEWEST_ROWS, room - too_many)


def _one_run(report: Report, screen: Screen, room: int) -> str:
    console = screen.console()
    console.print(summary_line(report))
    print_set_aside(console, report)
    every = sections(report)
    run = next((one for one in every if not one.is_beside), Section())
    beside = next((one for one in every if one.is_beside), Section())
    print_last_good(console, run)
    print_next(console, run)
    print_run_findings(console, run.findings)
    if screen.verbosity < 0:
        return drawn(console)
    print_notes(console, report.notes, all_of_them=screen.verbosity > 0)
    everything = screen.verbosity > 0
    strays, more = selected(beside, None if everything else _MAX_BESIDE)
    room -= len(strays) + bool(beside.rows) + bool(more)
    shown, hidden = selected(run, None if everything else max(_FEWEST_ROWS, room))
    console.print()
    console.print(rows_table(run, shown, console.width))
    print_below(console, shown, hidden)
    if beside.rows:
        console.print(Text(f"  {BESIDE}:", "dim"))
        console.print(rows_table(beside, strays, console.width))
        print_below(console, strays, more)
    if not everything:
        _print_unreadable(console, [*shown, *strays], room - len(shown))
    return drawn(console)


def _print_unreadable(console: Console, rows: Sequence[CheckpointReport], room: int) -> None:
    """What the files are that are no checkpoints, and what to do about them."""
    unreadable = [row for row in rows if row.verdict is Verdict.UNREADABLE and row.findings]
    most = max(1, min(_MAX_NOTES, room // 2))
    if unreadable:
        console.print()
    for row in unreadable[:most]:
        finding = row.findings[0]
        words = f"{printable(row.path)}: {printable(finding.message)}. {printable(finding.remedy)}"
        print_hanging(console, Text.assemble(("! ", "red"), words), 2)
    if len(unreadable) > most:
        console.print(Text(f"  … and {len(unreadable) - most} more (-v)", "dim"))


def _findings_text(report: Report, screen: Screen) -> str:
    """The findings by file, where they are asked for; of many with one code the first few."""
    if screen.verbosity < 1:
        return ""
    console = screen.console()
    for row in report.checkpoints:
        if row.findings:
            console.print(Text(f"\n{printable(row.path)}", "bold"))
        totals = Counter(finding.code for finding in row.findings)
        seen: Counter[str] = Counter()
        for finding in row.findings:
            seen[finding.code] += 1
            if screen.verbosity > 1 or seen[finding.code] <= _MAX_PER_CODE:
                print_finding(console, finding)
            elif seen[finding.code] == totals[finding.code]:
                rest = totals[finding.code] - _MAX_PER_CODE
                console.print(Text(f"  {finding.code} … and {rest} more like this (-vv)", "dim"))
        rescue = rescue_command(row.path, row.findings)
        if rescue:
            console.print(Text.assemble("To rescue it:  ", (rescue, "bold")), soft_wrap=True)
    codes = {finding.code for finding in report.all_findings()}
    if codes:
        console.print(Text(f"\nWhat a code means:  ckptdoctor explain {min(codes)}", "dim"))
    return drawn(console)
