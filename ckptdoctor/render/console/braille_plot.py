"""A curve in the terminal, of braille dots, with an axis that fits its columns."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ckptdoctor.histories import History
from ckptdoctor.render.html.plot import labels_of, padded, ticks

if TYPE_CHECKING:
    from plotille import Canvas

__all__ = ["plot_lines"]

_MARGIN = 2
_TICK_EVERY = 14  # columns


def plot_lines(history: History, width: int, height: int) -> list[str]:
    """The metric over the epochs; ``●`` the best, ``▼`` the collapse or NaN, ``·`` left behind.

    Args:
        history: of one place there is no curve, and nothing is drawn.
        width: columns in all.
        height: lines, the axis of the epochs among them.
    """
    finite = [point for point in history.points if math.isfinite(point.value)]
    old = [point for point in history.superseded if math.isfinite(point.value)]
    epochs = [p.at for p in (*history.points, *history.superseded)]
    if not finite or len(set(epochs)) == 1:
        return []
    from plotille import Canvas

    low, high = padded([point.value for point in (*finite, *old)])
    marks = ticks(low, high, max(2, (height - 2) // 2))
    names = labels_of(marks)
    gutter = max(len(name) for name in names) + 1
    columns, rows = max(10, width - gutter - _MARGIN), height - 2
    first, last = min(epochs), max(epochs)
    margin = max((last - first) / columns, 0.5)
    canvas = Canvas(
        width=columns, height=rows, xmin=first - margin, xmax=last + margin, ymin=0, ymax=1
    )
    _draw(canvas, [(point.at, _share(point.value, low, high)) for point in finite])
    for point in old:
        canvas.point(point.at, _share(point.value, low, high))
    drawn = [list(line) for line in canvas.plot().splitlines()]
    grid = _Grid(drawn, first - margin, last + margin, low, high)
    _mark(grid, history, low)
    at_row = {grid.row(value): name for value, name in zip(marks, names, strict=True)}
    lines = [
        f"{at_row.get(row, ''):>{gutter - 1}} {'┤' if row in at_row else '│'}{''.join(cells)}"
        for row, cells in enumerate(drawn)
    ]
    return [*lines, *_epoch_axis(grid, first, last, gutter)]


class _Grid:
    """Characters by row and column, and where a value lies among them."""

    def __init__(
        self, cells: list[list[str]], left: float, right: float, low: float, high: float
    ) -> None:
        self.cells = cells
        self._left, self._right, self._low, self._high = left, right, low, high

    def column(self, epoch: float) -> int:
        """The column of an epoch."""
        width = len(self.cells[0])
        return min(width - 1, int((epoch - self._left) / (self._right - self._left) * width))

    def row(self, value: float) -> int:
        """The row of a value, 0 at the top."""
        height = len(self.cells)
        share = _share(value, self._low, self._high)
        return height - 1 - max(0, min(height - 1, int(share * height)))

    def put(self, epoch: float, value: float, character: str) -> None:
        """A character in the place of a point."""
        self.cells[self.row(value)][self.column(epoch)] = character


def _share(value: float, low: float, high: float) -> float:
    """Where a value lies between two, from 0 to 1; halved on the way, so that nothing overflows."""
    return (value / 2 - low / 2) / (high / 2 - low / 2)


def _draw(canvas: Canvas, places: Sequence[tuple[float, float]]) -> None:
    for (x, y), (next_x, next_y) in itertools.pairwise(places):
        canvas.line(x, y, next_x, next_y)
    if len(places) == 1:
        canvas.point(*places[0])


def _mark(grid: _Grid, history: History, low: float) -> None:
    """The best, the collapse, and every epoch whose value is no number, along the bottom."""
    for point in history.points:
        if not math.isfinite(point.value):
            grid.put(point.at, low, "✗")
    if history.collapse is not None:
        value = history.value_at(history.collapse)
        known = value is not None and math.isfinite(value)
        grid.put(history.collapse, value if known and value is not None else low, "▼")
    if history.best is not None and math.isfinite(history.best.value):
        grid.put(history.best.at, history.best.value, "●")


def _epoch_axis(grid: _Grid, first: float, last: float, gutter: int) -> list[str]:
    width = len(grid.cells[0])
    axis, under = ["─"] * width, [" "] * width
    free = 0
    for tick in ticks(first, last, max(1, width // _TICK_EVERY)):
        name, column = f"{tick:g}", grid.column(tick)
        start = min(max(free, column - len(name) // 2), width - len(name))
        if tick != int(tick) or start < free:
            continue
        axis[column] = "┬"
        under[start : start + len(name)] = name
        free = start + len(name) + 1
    pad = " " * gutter
    return [f"{pad}└{''.join(axis)}", f"{pad} {''.join(under)}".rstrip()]
