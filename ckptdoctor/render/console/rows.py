"""Checkpoints as rows of a table for a terminal, and which of them fit a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ckptdoctor.finding import Verdict
from ckptdoctor.render.console.screen import LOOK
from ckptdoctor.render.paths import common_folder, relative, shorten_apart
from ckptdoctor.render.sections import Section
from ckptdoctor.render.text import number, printable, shorten_middle
from ckptdoctor.render.wording import counted_by, headline, place_text, restored_words, verdicts
from ckptdoctor.report import CheckpointReport

__all__ = ["print_hidden", "rows_table", "selected"]

_ROOM_BESIDE_NAME = 50
_ROOM_FOR_METRIC_NAME = 10


def selected(
    section: Section, room: int | None
) -> tuple[list[CheckpointReport], list[CheckpointReport]]:
    """The rows of a section that fit into so many lines, and the others.

    The last good one comes first, then what is not well, the nearest to it first: that is where
    the collapse began; then the newest.

    Args:
        section: a run, or what lies beside.
        room: lines, one of them to say what is hidden; None for all that it takes.
    """
    rows = list(section.rows)
    if room is None or len(rows) <= room:
        return rows, []
    good = next((at for at, row in enumerate(rows) if row.path == section.good_path), len(rows))

    def priority(at: int) -> tuple[object, ...]:
        healthy = rows[at].verdict is Verdict.HEALTHY
        return (at != good, healthy, -at if healthy else abs(at - good))

    keep = set(sorted(range(len(rows)), key=priority)[: max(0, room - 1)])
    return (
        [row for at, row in enumerate(rows) if at in keep],
        [row for at, row in enumerate(rows) if at not in keep],
    )


def rows_table(section: Section, rows: Sequence[CheckpointReport], width: int) -> Table:
    """A row a checkpoint; what lies beside has no header, it stands under those that have.

    Args:
        section: a run, or what lies beside.
        rows: those of it that are shown.
        width: columns of the screen.
    """
    headed = not section.is_beside
    names = {row.metadata.metric.name for row in rows if row.metadata.metric is not None}
    shared = names.pop() if headed and len(names) == 1 else None  # named once, in the header
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=False, show_header=headed)
    table.add_column("")
    table.add_column("checkpoint", no_wrap=True)
    clock = counted_by(rows)
    table.add_column(clock.word, justify="right", no_wrap=True)
    head = shorten_middle(printable(shared or "metric"), 12)
    table.add_column(head, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("why", overflow="fold")
    aside = _ROOM_BESIDE_NAME + (_ROOM_FOR_METRIC_NAME if names else 0)
    shown = _names(rows, max(16, width - aside))
    cautions = {place.report.path: place.caution for place in section.ranking}
    for row in rows:
        is_good = row.path == section.good_path
        mark, name, *rest = _cells(row, shown[row.path], shared, cautions, is_good=is_good)
        place = place_text(row, clock)
        place = f"{clock.word} {place}" if place and not headed else place
        table.add_row(mark, name, Text(place), *rest)
    return table


def print_hidden(console: Console, rows: Sequence[CheckpointReport]) -> None:
    """How many rows are not shown, and what they are."""
    if rows:
        rest = f"  … and {len(rows)} more: {verdicts(rows)} (-v lists all)"
        console.print(Text(rest, "dim"))


def _names(rows: Sequence[CheckpointReport], width: int) -> dict[Path, str]:
    root = common_folder([row.path for row in rows])
    names = [printable(relative(row.path, root)) for row in rows]
    return dict(zip((row.path for row in rows), shorten_apart(names, width), strict=True))


def _cells(
    row: CheckpointReport,
    name: str,
    shared: str | None,
    cautions: Mapping[Path, str],
    *,
    is_good: bool,
) -> tuple[Text, ...]:
    mark, style = LOOK[row.verdict]
    metric = row.metadata.metric
    value = "" if metric is None else number(metric.value)
    if metric is not None and shared is None:
        value = f"{shorten_middle(printable(metric.name), 10)} {value}"
    why = "; ".join(filter(None, [headline(row.findings), restored_words(row)]))
    return (
        Text(mark, style),
        Text(name, "bold" if is_good else ""),
        Text(value),
        Text(row.verdict.value, style),
        Text(why or ("← last good" if is_good else cautions.get(row.path, ""))),
    )
