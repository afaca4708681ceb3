"""Columns of a table for a terminal: figures under each other, and lists where there is no room."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from ckptdoctor.metadata import Metric
from ckptdoctor.render.text import number, printable, shorten_middle

__all__ = ["NARROW", "aligned", "list_table", "metric_text"]

NARROW = 60
"""Columns; in fewer a table of checkpoints would leave its last column a few letters."""


def aligned(head: str, cells: Sequence[str]) -> tuple[str, list[str]]:
    """The head of a column and its cells, all of one width, the decimal points under each other.

    A cell ends with its figure; no digit is added, for it would claim to be known.
    """
    most = max(map(_behind, cells), default=0)
    padded = [
        cell + " " * (most - _behind(cell)) if cell[-1:].isdigit() else cell for cell in cells
    ]
    width = max(map(cell_len, (head, *padded)), default=0)
    return _right(head, width), [_right(cell, width) for cell in padded]


def _behind(cell: str) -> int:
    """How many columns the figure takes from its point on; 0 for one without."""
    figure = cell.rpartition(" ")[2]
    return len(figure) - figure.find(".") if "." in figure and figure[-1].isdigit() else 0


def _right(text: str, width: int) -> str:
    return " " * (width - cell_len(text)) + text


def metric_text(metric: Metric | None, shared: str | None) -> str:
    """The metric of a checkpoint; "" where it has none.

    Args:
        metric: of the checkpoint.
        shared: the name that the head of the column tells; None where each has its own.
    """
    if metric is None:
        return ""
    name = "" if shared else f"{shorten_middle(printable(metric.name), 10)} "
    return f"{name}{number(metric.value)}"


def list_table(rows: Sequence[tuple[Text, Text, Sequence[Text]]]) -> Table:
    """A mark and a name a row, and below it what is said of it, a line each, broken between words.

    Args:
        rows: mark, name, and what is said; what is empty is left out.
    """
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_header=False)
    table.add_column("", no_wrap=True)
    table.add_column("", overflow="fold")
    for mark, name, said in rows:
        table.add_row(mark, name)
        for words in filter(None, said):
            table.add_row("", words)
    return table
