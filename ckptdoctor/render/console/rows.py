"""Checkpoints as rows of a table for a terminal, and which of them fit a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ckptdoctor.finding import Verdict
from ckptdoctor.render.console.columns import NARROW, aligned, list_table, metric_text
from ckptdoctor.render.console.screen import LOOK, print_hanging
from ckptdoctor.render.paths import common_folder, relative, shorten_apart
from ckptdoctor.render.sections import Section
from ckptdoctor.render.text import plural, printable, shorten_middle
from ckptdoctor.render.wording import (
    counted_by,
    other_codes,
    place_text,
    restored_words,
    verdicts,
    why_not_healthy,
)
from ckptdoctor.report import CheckpointReport

__all__ = ["print_below", "rows_table", "selected"]

_INDENT = 4
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

    On a narrow screen it is a list, each file with what is said of it below its name.

    Args:
        section: a run, or what lies beside.
        rows: those of it that are shown.
        width: columns of the screen.
    """
    headed = not section.is_beside
    names = {row.metadata.metric.name for row in rows if row.metadata.metric is not None}
    shared = names.pop() if headed and len(names) == 1 else None  # named once, in the header
    clock = counted_by(rows)
    cautions = {place.report.path: place.caution for place in section.ranking}
    if width < NARROW:
        return list_table(_listed(section, rows, clock.word, cautions, width))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, expand=False, show_header=headed)
    table.add_column("")
    table.add_column("checkpoint", no_wrap=True)
    table.add_column(clock.word, justify="right", no_wrap=True)
    head = shorten_middle(printable(shared or "metric"), 12) if headed else ""
    head, values = aligned(head, [metric_text(row.metadata.metric, shared) for row in rows])
    table.add_column(Text(head), no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("why", overflow="fold")
    aside = _ROOM_BESIDE_NAME + (_ROOM_FOR_METRIC_NAME if names else 0)
    shown = _names(rows, max(16, width - aside))
    for row, value in zip(rows, values, strict=True):
        is_good = row.path == section.good_path
        mark, name, *rest = _cells(row, shown[row.path], value, cautions, is_good=is_good)
        place = place_text(row, clock)
        place = f"{clock.word} {place}" if place and not headed else place
        table.add_row(mark, name, Text(place), *rest)
    return table


def print_below(
    console: Console, shown: Sequence[CheckpointReport], hidden: Sequence[CheckpointReport]
) -> None:
    """What a sum in the rows means, and how many rows are not shown, and what they are."""
    others = max((other_codes(row.findings) for row in shown), default=0)
    if others:
        words = f"  +{others}: {plural(others, 'other code')} as well (-v tells all)"
        print_hanging(console, Text(words, "dim"), _INDENT)
    if hidden:
        rest = f"  … and {len(hidden)} more: {verdicts(hidden)} (-v lists all)"
        print_hanging(console, Text(rest, "dim"), _INDENT)


def _names(rows: Sequence[CheckpointReport], width: int) -> dict[Path, str]:
    root = common_folder([row.path for row in rows])
    names = [printable(relative(row.path, root)) for row in rows]
    return dict(zip((row.path for row in rows), shorten_apart(names, width), strict=True))


def _listed(
    section: Section,
    rows: Sequence[CheckpointReport],
    word: str,
    cautions: Mapping[Path, str],
    width: int,
) -> list[tuple[Text, Text, Sequence[Text]]]:
    """Each checkpoint with what is said of it, for a list."""
    clock, shown = counted_by(rows), _names(rows, max(16, width - 3))
    listed: list[tuple[Text, Text, Sequence[Text]]] = []
    for row in rows:
        is_good = row.path == section.good_path
        mark, name, value, verdict, why = _cells(
            row, shown[row.path], metric_text(row.metadata.metric, None), cautions, is_good=is_good
        )
        place = place_text(row, clock)
        known = [Text(f"{word} {place}") if place else Text(), value, verdict]
        listed.append((mark, name, [Text(", ").join(filter(None, known)), why]))
    return listed


def _cells(
    row: CheckpointReport,
    name: str,
    value: str,
    cautions: Mapping[Path, str],
    *,
    is_good: bool,
) -> tuple[Text, ...]:
    mark, style = LOOK[row.verdict]
    why = "; ".join(filter(None, [why_not_healthy(row), restored_words(row)]))
    return (
        Text(mark, style),
        Text(name, "bold" if is_good else ""),
        Text(value),
        Text(row.verdict.value, style),
        Text(why or ("← last good" if is_good else cautions.get(row.path, ""))),
    )
