"""The result of ``inspect`` for a person at a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from ckptdoctor.checkpoint import TensorRecord, TensorStats
from ckptdoctor.finding import Verdict
from ckptdoctor.metadata import count_text
from ckptdoctor.render.console.screen import LOOK, Screen, drawn, print_finding
from ckptdoctor.render.text import bytes_text, number, plural, printable, shorten_middle
from ckptdoctor.report import CheckpointReport

__all__ = ["inspect_text"]

_MAX_TENSORS = 20


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
    mark, style = LOOK[report.verdict]
    console.print(Text(f"{mark} {printable(report.path)}", f"bold {style}"))
    console.print(_facts(report))
    for finding in report.findings[: None if screen.verbosity > 0 else 8]:
        print_finding(console, finding)
    if len(report.findings) > 8 and screen.verbosity <= 0:
        console.print(Text(f"  … and {plural(len(report.findings) - 8, 'finding')} (-v)", "dim"))
    limit = len(shown) if everything else _MAX_TENSORS
    if shown and screen.verbosity >= 0:
        console.print()
        console.print(_tensor_table(report, shown[:limit], console.width))
        if len(shown) > limit:
            console.print(Text(f"  … and {plural(len(shown) - limit, 'tensor')} (--all)", "dim"))
    return drawn(console)


def _facts(report: CheckpointReport) -> Text:
    data, totals = report.metadata, report.tensors
    facts = [
        f"{report.verdict.value}",
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
    if report.verdict is not Verdict.UNREADABLE:
        facts.append(f"{totals.nan} NaN, {totals.inf} Inf")
    return Text("  " + " · ".join(facts))


def _tensor_table(report: CheckpointReport, shown: Sequence[TensorRecord], width: int) -> Table:
    header = ["tensor", "dtype", "shape", "min", "max", "NaN", "Inf", "first bad"]
    rows = [
        [
            printable(tensor.fqn),
            tensor.dtype,
            shorten_middle("×".join(map(str, tensor.shape)) or "scalar", 14),
            *_figures(tensor, report.stats.get(tensor.fqn)),
        ]
        for tensor in shown
    ]
    taken = sum(max(map(len, column)) + 1 for column in zip(*rows, header, strict=True))
    longest = max(len(row[0]) for row in rows)
    name_width = max(20, width - taken + max(longest, len(header[0])))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name in header:
        right = name in ("min", "max", "NaN", "Inf")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for tensor, (name, *figures) in zip(shown, rows, strict=True):
        stats = report.stats.get(tensor.fqn)
        bad = tensor.lost or (stats is not None and stats.non_finite > 0)
        table.add_row(shorten_middle(name, name_width), *figures, style="red" if bad else "")
    return table


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
