"""The result of ``scan`` for a person at a terminal: 80 columns, readable without colour."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.render.screen import LOOK, Screen, drawn, print_finding
from ckptdoctor.render.text import bytes_text, number, plural, printable, shorten_middle
from ckptdoctor.report import CheckpointReport, Report

__all__ = ["next_command", "scan_text"]

_SHORT = {
    "CD101": "not a checkpoint",
    "CD102": "cut",
    "CD103": "checksum mismatch",
    "CD104": "damaged structure",
    "CD106": "runs code",
    "CD107": "over the limits",
    "CD108": "cannot be read",
    "CD109": "changed meanwhile",
    "CD201": "NaN in weights",
    "CD202": "Inf in weights",
    "CD301": "optimizer state",
    "CD304": "loss scale",
    "CD305": "EMA",
}
_MAX_ROWS = 15
_MAX_NOTES = 4


def scan_text(report: Report, screen: Screen) -> str:
    """The result of ``scan``: the table, what it adds up to, and the exact next command."""
    console = screen.console()
    if screen.verbosity >= 0:
        shown, hidden = _selected(report, screen.verbosity)
        console.print(_scan_table(shown, report, console.width))
        if hidden:
            console.print(
                Text(f"  … and {plural(hidden, 'healthy checkpoint')} (-v lists all)", "dim")
            )
        if screen.verbosity > 0:
            _print_findings(console, report)
        else:
            _print_unreadable(console, shown)
    console.print(_summary(report))
    _print_last_good(console, report)
    return drawn(console)


def _selected(report: Report, verbosity: int) -> tuple[list[CheckpointReport], int]:
    """The rows that fit a screen: everything that is not well, the last good one, the newest."""
    rows = list(report.checkpoints)
    if verbosity > 0 or len(rows) <= _MAX_ROWS:
        return rows, 0
    keep = {
        index
        for index, row in enumerate(rows)
        if row.verdict is not Verdict.HEALTHY
        or (report.last_good is not None and row.path == report.last_good.path)
    }
    for index in range(len(rows) - 1, -1, -1):
        if len(keep) >= _MAX_ROWS:
            break
        keep.add(index)
    return [rows[index] for index in sorted(keep)], len(rows) - len(keep)


def _scan_table(rows: Sequence[CheckpointReport], report: Report, width: int) -> Table:
    metrics = {row.metadata.metric.name for row in rows if row.metadata.metric is not None}
    shared = metrics.pop() if len(metrics) == 1 else None  # named once, in the header
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=False)
    table.add_column("")
    table.add_column("checkpoint", no_wrap=True)
    table.add_column("epoch", justify="right", no_wrap=True)
    table.add_column(
        shorten_middle(printable(shared or "metric"), 12), justify="right", no_wrap=True
    )
    table.add_column("verdict", no_wrap=True)
    table.add_column("why", overflow="fold")
    root = _common_folder([row.path for row in rows])
    name_width = max(16, width - (50 if shared is not None or not metrics else 60))
    for row in rows:
        mark, style = LOOK[row.verdict]
        best = report.last_good is not None and row.path == report.last_good.path
        name = shorten_middle(printable(_relative(row.path, root)), name_width)
        data = row.metadata
        metric = number(data.metric.value) if data.metric is not None else ""
        if data.metric is not None and shared is None:
            metric = f"{shorten_middle(printable(data.metric.name), 10)} {metric}"
        epoch = data.epoch if data.epoch is not None else data.name_epoch
        table.add_row(
            Text(mark, style),
            Text(name, "bold" if best else ""),
            Text("" if epoch is None else str(epoch)),
            Text(metric),
            Text(row.verdict.value, style),
            Text("← last good" if best and not _why(row) else _why(row)),
        )
    return table


def _why(row: CheckpointReport) -> str:
    """What the verdict rests on: the worst code in words, and how many others there are."""
    serious = [finding for finding in row.findings if finding.severity >= Severity.WARNING]
    if not serious:
        return ""
    worst = max(finding.severity for finding in serious)
    counts = Counter(finding.code for finding in serious)
    graded = sorted({finding.code for finding in serious if finding.severity is worst})
    code = next((code for code in graded if code.startswith("CD2")), graded[0])
    first = f"{code} {_SHORT.get(code, '')}".rstrip()
    if counts[code] > 1:
        first += f" ×{counts[code]}"
    others = len(set(counts) - {code})
    return first + (f" +{others}" if others else "")


def _summary(report: Report) -> Text:
    parts = [
        Text(f"{count} {verdict.value}", LOOK[verdict][1])
        for verdict in Verdict
        if (count := report.count(verdict))
    ]
    total = sum(row.nbytes for row in report.checkpoints)
    line = Text(f"\n{plural(len(report.checkpoints), 'checkpoint')}, {bytes_text(total)}: ")
    return line + Text(", ").join(parts)


def _print_last_good(console: Console, report: Report) -> None:
    good = report.last_good
    if good is None:
        console.print(Text("No checkpoint here is fit to go on from.", "bold red"))
        console.print("Look into an earlier run:  ckptdoctor scan OTHER_FOLDER")
        return
    path = printable(good.path)
    console.print(Text.assemble("Last good: ", (path, "bold green")), soft_wrap=True)
    console.print(Text(f"           {printable(good.reason)}"))
    command = next_command(report)
    if command:
        console.print(Text.assemble("Next:      ", (printable(command), "bold")), soft_wrap=True)


def next_command(report: Report) -> str:
    """The command that makes the last good checkpoint the one to resume from; "" if all is well."""
    good = report.last_good
    if good is None or all(row.verdict is Verdict.HEALTHY for row in report.checkpoints):
        return ""
    suffix = "".join(good.path.suffixes[-1:]) or ".pth"
    destination = good.path.with_name(f"best_model_clean{suffix}")
    return f"cp -n {shlex.quote(str(good.path))} {shlex.quote(str(destination))}"


def _print_unreadable(console: Console, rows: Sequence[CheckpointReport]) -> None:
    """What the files are that are no checkpoints, and what to do about them."""
    unreadable = [row for row in rows if row.verdict is Verdict.UNREADABLE and row.findings]
    if unreadable:
        console.print()
    for row in unreadable[:_MAX_NOTES]:
        finding = row.findings[0]
        console.print(
            Text.assemble(
                ("! ", "red"),
                f"{printable(row.path)}: {printable(finding.message)}. {printable(finding.remedy)}",
            )
        )
    if len(unreadable) > _MAX_NOTES:
        console.print(Text(f"  … and {len(unreadable) - _MAX_NOTES} more (-v)", "dim"))


def _print_findings(console: Console, report: Report) -> None:
    for row in report.checkpoints:
        if row.findings:
            console.print(Text(f"\n{printable(row.path)}", "bold"))
        for finding in row.findings:
            print_finding(console, finding)


def _common_folder(paths: Sequence[Path]) -> str:
    folders = {str(path.parent) for path in paths}
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:  # absolute and relative paths, or two drives
        return ""


def _relative(path: Path, root: str) -> str:
    return os.path.relpath(path, root) if root else str(path)
