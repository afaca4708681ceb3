"""Several runs for a person at a terminal: a block each, or of many runs a row each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ckptdoctor.finding import Verdict
from ckptdoctor.metadata import count_text
from ckptdoctor.render.console.answer import (
    print_next,
    print_notes,
    print_run_findings,
    print_set_aside,
)
from ckptdoctor.render.console.columns import NARROW, aligned, list_table, metric_text
from ckptdoctor.render.console.rows import print_below, rows_table, selected
from ckptdoctor.render.console.screen import LEAST_LINES, Screen, drawn, height, summary_line
from ckptdoctor.render.paths import relative, shorten_apart
from ckptdoctor.render.sections import BESIDE, Section, logs_words, sections, what_is_wrong
from ckptdoctor.render.text import printable, shorten_middle
from ckptdoctor.render.wording import brief, epoch_of, label, verdicts
from ckptdoctor.report import CheckpointReport, Report

__all__ = ["several_text"]

_MOST_BLOCKS = 3
_ROOMS = ((8, 8), (6, 6), (4, 4), (3, 4), (3, 3), (2, 3), (0, 4), (0, 3), (0, 2), (0, 0))
"""Rows of a run that is well, and of one that is not."""
_TALL_ROOMS = ((48, 48), (32, 32), (20, 20), (12, 12))
_MAX_BESIDE = 2
_MAX_FINDINGS = 2
_MOST_NEXT = 5
_NOTHING = "none is fit to go on from"


def several_text(report: Report, screen: Screen) -> str:
    """What each run adds up to, its last good checkpoint, its next command, its rows."""
    runs = [one for one in sections(report) if not one.is_beside]
    many = len(runs) > _MOST_BLOCKS
    if screen.verbosity < 0:
        return _quiet(report, runs, screen)
    if screen.verbosity > 0:
        table = _runs(report, runs, screen, None) if many else _head(report, screen)
        return table + _blocks(runs, screen, None) + _tail(report, screen)
    draw = _drawing_runs(report, runs, screen) if many else _drawing_blocks(report, runs, screen)
    for text in draw:
        if height(text, screen) <= screen.lines():
            break
    return text


def _drawing_blocks(report: Report, runs: Sequence[Section], screen: Screen) -> Iterator[str]:
    """The runs with fewer and fewer rows, those of runs that are well first."""
    head, tail = _head(report, screen), _tail(report, screen)
    for rooms in (*(_TALL_ROOMS if screen.lines() > LEAST_LINES else ()), *_ROOMS):
        yield head + _blocks(runs, screen, rooms) + tail


def _drawing_runs(report: Report, runs: Sequence[Section], screen: Screen) -> Iterator[str]:
    """The table of runs with fewer and fewer of them."""
    tail = _tail(report, screen)
    for room in range(min(len(runs), screen.lines()), 0, -1):
        yield _runs(report, runs, screen, room) + tail


def _head(report: Report, screen: Screen) -> str:
    console = screen.console()
    console.print(summary_line(report))
    print_set_aside(console, report)
    return drawn(console)


def _tail(report: Report, screen: Screen) -> str:
    """What lies beside the runs, and what was not believed."""
    console = screen.console()
    everything = screen.verbosity > 0
    beside = next((one for one in sections(report) if one.is_beside), Section())
    shown, hidden = selected(beside, None if everything else _MAX_BESIDE)
    if beside.rows:
        console.print(Text(f"\n{BESIDE.capitalize()}:", "dim"))
        console.print(rows_table(beside, shown, console.width))
    print_below(console, shown, hidden)
    print_notes(console, report.notes, all_of_them=everything)
    return drawn(console)


def _quiet(report: Report, runs: Sequence[Section], screen: Screen) -> str:
    """The sum, and a line a run."""
    console = screen.console()
    console.print(summary_line(report))
    print_set_aside(console, report)
    for run in runs:
        line = Text.assemble((brief(run.name, 80), "bold"), ": ")
        if run.last_good is None:
            line.append(_NOTHING, "bold red")
        else:
            reason = brief(run.last_good.reason)
            line.append("last good ").append(printable(run.last_good.path), "bold green")
            line.append(f" ({reason})")
        for code in dict.fromkeys(finding.code for finding in run.findings):
            line.append(f"; {label(code)}")
        console.print(line, soft_wrap=True)
    return drawn(console)


# -- a block a run -------------------------------------------------------------------------------


def _blocks(runs: Sequence[Section], screen: Screen, rooms: tuple[int, int] | None) -> str:
    """Each run with its answer and so many of its rows; all of them for None."""
    console = screen.console()
    for run in runs:
        _print_block(console, run, None if rooms is None else rooms[not run.is_well])
    return drawn(console)


def _print_block(console: Console, run: Section, room: int | None) -> None:
    facts = "; ".join(filter(None, [verdicts(run.rows), logs_words(run.run)]))
    name = shorten_middle(printable(run.name), max(16, console.width - len(facts) - 2))
    console.print(Text.assemble("\n", (name, "bold"), f": {facts}"))
    good = run.last_good
    if good is None:
        console.print(Text.assemble("Last good: ", (_NOTHING, "bold red")))
    else:
        path, reason = printable(good.path), printable(good.reason)
        line = Text.assemble("Last good: ", (path, "bold green"))
        if len(line) + len(reason) + 3 <= console.width:
            console.print(line.append(f" ({reason})"))
        else:
            console.print(line, soft_wrap=True)
            console.print(Text(f"           {reason}"))
    print_next(console, run)
    print_run_findings(console, run.findings, None if room is None else _MAX_FINDINGS)
    shown, hidden = selected(run, room)
    if shown:
        console.print(rows_table(run, shown, console.width))
        print_below(console, shown, hidden)


# -- a row a run ---------------------------------------------------------------------------------


def _runs(report: Report, runs: Sequence[Section], screen: Screen, room: int | None) -> str:
    """A table of runs, and the commands of those that need one.

    Where there are more than fit, those that something is wrong with are shown first.
    """
    console = screen.console()
    console.print(summary_line(report))
    print_set_aside(console, report)
    console.print()
    shown = list(runs)
    if room is not None and len(runs) > room:
        order = sorted(range(len(runs)), key=lambda at: (runs[at].is_well, at))
        keep = set(order[: max(0, room - 1)])
        shown = [run for at, run in enumerate(runs) if at in keep]
    console.print(_runs_table(shown, console.width))
    if len(shown) < len(runs):
        left = [run for run in runs if run not in shown]
        well = sum(run.is_well for run in left)
        rest = f"  … and {len(left)} more runs, {well} of them well (-v lists all)"
        console.print(Text(rest, "dim"))
    troubled = [run for run in runs if run.next]
    told = troubled if room is None else troubled[:_MOST_NEXT]
    for run in told:
        print_next(console, run)
    if len(told) < len(troubled):
        rest = f"{'':<11}… and {len(troubled) - len(told)} more (-v)"
        console.print(Text(rest, "dim"))
    return drawn(console)


def _runs_table(runs: Sequence[Section], width: int) -> Table:
    """A row a run; on a narrow screen a list."""
    goods = [_good_row(run) for run in runs]
    if width < NARROW:
        return list_table([_item(run, row, width) for run, row in zip(runs, goods, strict=True)])
    metrics = [None if row is None else row.metadata.metric for row in goods]
    names = {metric.name for metric in metrics if metric is not None}
    shared = names.pop() if len(names) == 1 else None
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=False)
    table.add_column("")
    for head in ("run", "healthy", "last good"):
        table.add_column(head, no_wrap=True)
    table.add_column("epoch", justify="right", no_wrap=True)
    head = shorten_middle(printable(shared or "metric"), 12)
    head, values = aligned(head, [metric_text(metric, shared) for metric in metrics])
    table.add_column(Text(head), no_wrap=True)
    table.add_column("what is wrong", overflow="fold")
    called = shorten_apart([printable(run.name) for run in runs], max(16, width // 5))
    files = [
        ""
        if run.run is None or row is None
        else printable(relative(row.path, os.fspath(run.run.path)))
        for run, row in zip(runs, goods, strict=True)
    ]
    cells = zip(runs, called, goods, shorten_apart(files, max(16, width // 4)), values, strict=True)
    for run, name, row, file, value in cells:
        healthy = sum(one.verdict is Verdict.HEALTHY for one in run.rows)
        epoch = None if row is None else epoch_of(row)
        table.add_row(
            _mark(run),
            Text(name, "" if run.is_well else "bold"),
            Text(f"{healthy} of {len(run.rows)}"),
            Text(file or "none", "" if file else "red"),
            Text("" if epoch is None else count_text(epoch)),
            Text(value),
            Text(what_is_wrong(run)),
        )
    return table


def _item(run: Section, good: CheckpointReport | None, width: int) -> tuple[Text, Text, list[Text]]:
    """A run for a list: its name, and below its last good checkpoint and what is wrong."""
    healthy = sum(one.verdict is Verdict.HEALTHY for one in run.rows)
    facts = [f"{healthy} of {len(run.rows)} healthy"]
    if good is None:
        facts.append("last good: none")
    else:
        facts.append(f"last good: {shorten_middle(printable(good.path.name), max(16, width - 14))}")
        epoch = epoch_of(good)
        facts += [] if epoch is None else [f"epoch {count_text(epoch)}"]
        facts += [metric_text(good.metadata.metric, None)] if good.metadata.metric else []
    name = Text(shorten_middle(printable(run.name), max(16, width - 3)), "bold")
    return _mark(run), name, [Text(", ".join(facts)), Text(what_is_wrong(run))]


def _mark(run: Section) -> Text:
    if run.is_well:
        return Text("✓", "green")
    return Text("✗", "red") if run.last_good is None else Text("!", "yellow")


def _good_row(run: Section) -> CheckpointReport | None:
    return next((row for row in run.rows if row.path == run.good_path), None)
