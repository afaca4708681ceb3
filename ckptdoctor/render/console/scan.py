"""The result of ``scan`` for a person at a terminal: 80 columns, readable without colour."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.metadata import count_text
from ckptdoctor.render.console.screen import LOOK, SEVERITY_STYLE, Screen, drawn, print_finding
from ckptdoctor.render.paths import common_folder, relative
from ckptdoctor.render.text import bytes_text, number, plural, printable, shorten_middle
from ckptdoctor.report import CheckpointReport, Report
from ckptdoctor.rules import ALL_RULES

__all__ = ["scan_text"]

_LABELS = {rule.code: rule.label for rule in ALL_RULES}
_MAX_ROWS = 14
_MAX_NOTES = 4
_MAX_PER_CODE = 3


def scan_text(report: Report, screen: Screen) -> str:
    """The result of ``scan``: what to go on from first, then the table; it fits 24 lines."""
    console = screen.console()
    console.print(_summary(report))
    _print_last_good(console, report)
    for finding in report.findings:
        _print_run_finding(console, finding)
    if screen.verbosity >= 0:
        room = _MAX_ROWS - len(report.findings)
        shown, hidden = _selected(report, screen.verbosity, room)
        console.print()
        console.print(_scan_table(shown, report, console.width))
        if hidden:
            rest = f"  … and {len(hidden)} more: {_counts(hidden)} (-v lists all)"
            console.print(Text(rest, "dim"))
        if screen.verbosity > 0:
            _print_findings(console, report, everything=screen.verbosity > 1)
        else:
            _print_unreadable(console, shown, _MAX_ROWS - len(shown))
    return drawn(console)


def _selected(
    report: Report, verbosity: int, room: int
) -> tuple[list[CheckpointReport], list[CheckpointReport]]:
    """The rows that fit a screen, and the others.

    The last good one comes first, then what is not well, the nearest to it first: that is where
    the collapse began; then the newest.
    """
    rows = list(report.checkpoints)
    if verbosity > 0 or len(rows) <= room:
        return rows, []
    good = next((at for at, row in enumerate(rows) if _is_last_good(row, report)), len(rows))

    def priority(at: int) -> tuple[object, ...]:
        healthy = rows[at].verdict is Verdict.HEALTHY
        return (at != good, healthy, -at if healthy else abs(at - good))

    keep = set(sorted(range(len(rows)), key=priority)[: room - 1])  # one line says what is hidden
    return (
        [row for at, row in enumerate(rows) if at in keep],
        [row for at, row in enumerate(rows) if at not in keep],
    )


def _is_last_good(row: CheckpointReport, report: Report) -> bool:
    return report.last_good is not None and row.path == report.last_good.path


def _counts(rows: Sequence[CheckpointReport]) -> str:
    """How many of each verdict: ``3 healthy, 2 corrupt``."""
    counts = Counter(row.verdict for row in rows)
    return ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])


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
    root = common_folder([row.path for row in rows])
    cautions = {place.report.path: place.caution for place in report.ranking}
    name_width = max(16, width - (50 if shared is not None or not metrics else 60))
    for row in rows:
        mark, style = LOOK[row.verdict]
        best = _is_last_good(row, report)
        name = shorten_middle(printable(relative(row.path, root)), name_width)
        data = row.metadata
        metric = number(data.metric.value) if data.metric is not None else ""
        if data.metric is not None and shared is None:
            metric = f"{shorten_middle(printable(data.metric.name), 10)} {metric}"
        epoch = data.epoch if data.epoch is not None else data.name_epoch
        table.add_row(
            Text(mark, style),
            Text(name, "bold" if best else ""),
            Text("" if epoch is None else count_text(epoch)),
            Text(metric),
            Text(row.verdict.value, style),
            Text(_why(row) or ("← last good" if best else cautions.get(row.path, ""))),
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
    first = f"{code} {_LABELS.get(code, '')}".rstrip()
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
    line = Text(f"{plural(len(report.checkpoints), 'checkpoint')}, {bytes_text(total)}: ")
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
    command = report.next
    if command:
        console.print(Text.assemble("Next:      ", (command, "bold")), soft_wrap=True)


def _print_run_finding(console: Console, finding: Finding) -> None:
    label = f"{finding.severity.label}:".capitalize()
    words = textwrap.wrap(f"{finding.code} {printable(finding.message)}", console.width - 11)
    for head, line in zip_longest([label], words, fillvalue=""):
        console.print(Text.assemble((f"{head:<10} ", SEVERITY_STYLE[finding.severity]), line))


def _print_unreadable(console: Console, rows: Sequence[CheckpointReport], room: int) -> None:
    """What the files are that are no checkpoints, and what to do about them."""
    unreadable = [row for row in rows if row.verdict is Verdict.UNREADABLE and row.findings]
    most = max(1, min(_MAX_NOTES, room // 2))
    if unreadable:
        console.print()
    for row in unreadable[:most]:
        finding = row.findings[0]
        console.print(
            Text.assemble(
                ("! ", "red"),
                f"{printable(row.path)}: {printable(finding.message)}. {printable(finding.remedy)}",
            )
        )
    if len(unreadable) > most:
        console.print(Text(f"  … and {len(unreadable) - most} more (-v)", "dim"))


def _print_findings(console: Console, report: Report, *, everything: bool) -> None:
    """The findings by file; of many with one code the first few."""
    for row in report.checkpoints:
        if row.findings:
            console.print(Text(f"\n{printable(row.path)}", "bold"))
        totals = Counter(finding.code for finding in row.findings)
        seen: Counter[str] = Counter()
        for finding in row.findings:
            seen[finding.code] += 1
            if everything or seen[finding.code] <= _MAX_PER_CODE:
                print_finding(console, finding)
            elif seen[finding.code] == totals[finding.code]:
                rest = totals[finding.code] - _MAX_PER_CODE
                console.print(Text(f"  {finding.code} … and {rest} more like this (-vv)", "dim"))
    codes = {finding.code for finding in report.all_findings()}
    if codes:
        console.print(Text(f"\nWhat a code means:  ckptdoctor explain {min(codes)}", "dim"))
