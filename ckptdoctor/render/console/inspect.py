"""The result of ``inspect`` for a person at a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ckptdoctor.checkpoint import TensorRecord, TensorStats
from ckptdoctor.finding import Verdict
from ckptdoctor.metadata import count_text
from ckptdoctor.render.console.columns import NARROW, list_table
from ckptdoctor.render.console.screen import LOOK, Screen, drawn, print_finding, print_hanging
from ckptdoctor.render.text import bytes_text, number, plural, printable, shorten_middle
from ckptdoctor.report import CheckpointReport, PartReport

__all__ = ["inspect_text"]

_MAX_TENSORS = 20
_MAX_PARTS = 12
_NONE = number(None)
_LEAST_NAME, _ROOM_BESIDE_PART = 20, 47


def inspect_text(
    report: CheckpointReport, shown: list[TensorRecord], screen: Screen, *, everything: bool
) -> str:
    """The result of ``inspect``.

    Args:
        report: with its details kept.
        shown: the tensors that were asked for, non-finite ones first.
        screen: what is written to.
        everything: list them all, not only the first.
    """
    console = screen.console()
    mark, style = LOOK[report.verdict] if report.told_verdict is not None else ("·", "")
    console.print(Text(f"{mark} {printable(report.path)}", f"bold {style}"))
    print_hanging(console, _facts(report), 2)
    for finding in report.findings[: None if screen.verbosity > 0 else 8]:
        print_finding(console, finding)
    if len(report.findings) > 8 and screen.verbosity <= 0:
        console.print(Text(f"  … and {plural(len(report.findings) - 8, 'finding')} (-v)", "dim"))
    limit = len(shown) if everything else _MAX_TENSORS
    if report.parts and screen.verbosity >= 0:
        console.print()
        _print_parts(console, report.parts, everything=everything)
    if shown and screen.verbosity >= 0:
        console.print()
        console.print(_tensor_table(report, shown[:limit], console.width))
        if len(shown) > limit:
            console.print(Text(f"  … and {plural(len(shown) - limit, 'tensor')} (--all)", "dim"))
    return drawn(console)


def _facts(report: CheckpointReport) -> Text:
    data, totals = report.metadata, report.tensors
    facts = [
        "not examined" if report.told_verdict is None else report.told_verdict.value,
        report.format or "no known format",
        bytes_text(report.nbytes),
        plural(totals.count, "tensor"),
    ]
    if data.epoch is not None and data.epoch_source is not None:
        facts.append(f"epoch {count_text(data.epoch)} (from {data.epoch_source.value})")
    if data.global_step is not None:
        facts.append(f"step {data.global_step}")
    if data.metric is not None:
        facts.append(f"{printable(data.metric.name)} {number(data.metric.value)}")
    if report.headers_only:
        facts.append("headers only, no tensor read")
    elif report.verdict is not Verdict.UNREADABLE:
        facts.append(f"{totals.nan} NaN, {totals.inf} Inf")
    return Text("  " + " · ".join(facts))


def _print_parts(console: Console, parts: Sequence[PartReport], *, everything: bool) -> None:
    """The files that the checkpoint consists of; those that are not well come first."""
    rows = sorted(parts, key=lambda one: -one.verdict.rank)
    limit = len(rows) if everything else _MAX_PARTS
    if console.width < NARROW:
        console.print(list_table([_part_item(one, console.width) for one in rows[:limit]]))
    else:
        console.print(_part_table(rows[:limit], console.width))
    if len(rows) > limit:
        console.print(Text(f"  … and {plural(len(rows) - limit, 'part')} (--all)", "dim"))


def _part_item(one: PartReport, width: int) -> tuple[Text, Text, Sequence[Text]]:
    mark, style = LOOK[one.verdict]
    name = shorten_middle(printable(one.part.name), width - 3)
    known = (one.part.role.value, one.format, bytes_text(one.nbytes), one.verdict.value)
    return Text(mark, style), Text(name, style), [Text(", ".join(filter(None, known)))]


def _part_table(parts: Sequence[PartReport], screen_width: int) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("  part", no_wrap=True)
    table.add_column("role", no_wrap=True)
    table.add_column("format", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    width = max(_LEAST_NAME, screen_width - _ROOM_BESIDE_PART)
    for one in parts:
        mark, style = LOOK[one.verdict]
        name = shorten_middle(printable(one.part.name), width)
        role, size = one.part.role.value, bytes_text(one.nbytes)
        table.add_row(
            Text(f"{mark} {name}", style), role, one.format or "–", size, one.verdict.value
        )
    return table


def _tensor_table(report: CheckpointReport, shown: Sequence[TensorRecord], width: int) -> Table:
    header = ["tensor", "dtype", "shape", "min", "max", "NaN", "Inf", "first bad"]
    if report.headers_only:
        header[3:] = ["size", "role"]
    rows = [
        [
            printable(tensor.fqn),
            tensor.dtype,
            shorten_middle("×".join(map(str, tensor.shape)) or "scalar", 14),
            *(
                _described(tensor)
                if report.headers_only
                else _figures(tensor, report.stats.get(tensor.fqn))
            ),
        ]
        for tensor in shown
    ]
    if width < NARROW:
        return list_table(
            [
                _plain_item(tensor, width, row[1:])
                if report.headers_only
                else _item(tensor, report.stats.get(tensor.fqn), width, row[1:])
                for tensor, row in zip(shown, rows, strict=True)
            ]
        )
    taken = sum(max(map(len, column)) + 1 for column in zip(*rows, header, strict=True))
    longest = max(len(row[0]) for row in rows)
    name_width = max(20, width - taken + max(longest, len(header[0])))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name in header:
        right = name in ("min", "max", "NaN", "Inf", "size")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for tensor, (name, *figures) in zip(shown, rows, strict=True):
        bad = _is_bad(tensor, report.stats.get(tensor.fqn))
        table.add_row(shorten_middle(name, name_width), *figures, style="red" if bad else "")
    return table


def _is_bad(tensor: TensorRecord, stats: TensorStats | None) -> bool:
    return tensor.lost or (stats is not None and stats.non_finite > 0)


def _described(tensor: TensorRecord) -> list[str]:
    return ["lost" if tensor.lost else bytes_text(tensor.nbytes), tensor.role.value]


def _plain_item(
    tensor: TensorRecord, width: int, row: Sequence[str]
) -> tuple[Text, Text, list[Text]]:
    """A tensor of which the header alone was read, for a list."""
    dtype, shape, *others = row
    name = shorten_middle(printable(tensor.fqn), max(16, width - 3))
    said = ", ".join([f"{dtype} {shape}", *others])
    return (
        Text("✗" if tensor.lost else "·", "red" if tensor.lost else "dim"),
        Text(name),
        [Text(said)],
    )


def _item(
    tensor: TensorRecord, stats: TensorStats | None, width: int, row: Sequence[str]
) -> tuple[Text, Text, list[Text]]:
    """A tensor for a list: its name, and below its dtype, its shape and what was found."""
    bad = _is_bad(tensor, stats)
    dtype, shape, low, high, nan, inf, first = row
    span = f"{low} to {high}" if high and high != _NONE else "" if high else low
    counts = [f"{count} {kind}" for count, kind in ((nan, "NaN"), (inf, "Inf")) if count]
    place = f"first at {first}" if first else ""
    found = ", ".join(filter(None, [f"{dtype} {shape}", span, *counts, place]))
    name = shorten_middle(printable(tensor.fqn), max(16, width - 3))
    return Text("✗" if bad else "·", "red" if bad else "dim"), Text(name), [Text(found)]


def _figures(tensor: TensorRecord, stats: TensorStats | None) -> list[str]:
    if stats is None:
        return ["lost" if tensor.lost else "–", "", "", "", ""]
    index = stats.first_bad_index
    return [
        number(stats.min),
        number(stats.max),
        str(stats.nan or ""),
        str(stats.inf or ""),
        "" if index is None else shorten_middle(str(list(index)), 14),
    ]
