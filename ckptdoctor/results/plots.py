"""Plots by matplotlib, which is imported here and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ckptdoctor.difference import Difference
    from ckptdoctor.histories import History
    from ckptdoctor.report import RunReport

__all__ = ["plot_difference", "plot_histories", "plot_history"]

_MOST_LAYERS = 20


def _new_axes() -> Axes:
    """An empty plot.

    Raises:
        ModuleNotFoundError: matplotlib is not installed; the message says how to.
    """
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "plot() needs matplotlib: python -m pip install matplotlib", name="matplotlib"
        ) from error
    axes: Axes = plt.subplots()[1]
    return axes


def plot_histories(runs: Sequence[RunReport], axes: Axes | None = None) -> Axes:
    """The metric of each run over its time: a line a run, its best, its decline, its collapse.

    Args:
        runs: those to draw.
        axes: to draw into; None for new ones.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    axes = _new_axes() if axes is None else axes
    several = len(runs) > 1
    for run in runs:
        name = f"{run.name}: {run.history.metric}" if several else run.history.metric
        _plot_history(run.history, _plain(name), axes, several=several)
    if runs:
        axes.set_xlabel(runs[0].history.clock.word)
        axes.legend()
    return axes


def plot_history(history: History, axes: Axes | None = None) -> Axes:
    """The metric of one run over its time.

    Args:
        history: of the run.
        axes: to draw into; None for new ones.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    axes = _new_axes() if axes is None else axes
    _plot_history(history, _plain(history.metric), axes, several=False)
    axes.set_xlabel(history.clock.word)
    axes.legend()
    return axes


def _plot_history(history: History, name: str, axes: Axes, *, several: bool) -> None:
    known = [point for point in history.points if math.isfinite(point.value)]
    (line,) = axes.plot(
        [point.at for point in known], [point.value for point in known], marker=".", label=name
    )
    colour = line.get_color()
    best, span = history.best, history.decline
    said = f" of {name}" if several else ""
    if best is not None and math.isfinite(best.value):
        axes.plot([best.at], [best.value], "o", color=colour, fillstyle="none", markersize=12)
        axes.annotate(
            "best", (best.at, best.value), textcoords="offset points", xytext=(0, 10), ha="center"
        )
    if span is not None:
        axes.axvspan(span.first, span.last, alpha=0.15, color="C1", label=f"decline{said}")
    if history.collapse is not None:
        axes.axvline(history.collapse, linestyle="--", color="C3", label=f"collapse{said}")


def plot_difference(found: Difference, axes: Axes | None = None) -> Axes:
    """How far the layers moved, the twenty that moved most, as a share of their norm.

    Args:
        found: the difference.
        axes: to draw into; None for new ones.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    axes = _new_axes() if axes is None else axes
    moved = [
        (layer.relative, _plain(name))
        for name, layer in found.layers().items()
        if math.isfinite(layer.relative)
    ]
    shown = sorted(moved)[-_MOST_LAYERS:]
    axes.barh([name for _, name in shown], [relative for relative, _ in shown])
    axes.set_xlabel("moved by, of the norm before")
    return axes


def _plain(name: str) -> str:
    """A name from a file, without what matplotlib would take for a formula or for a secret."""
    from ckptdoctor.render.text import printable

    return printable(name).replace("$", r"\$").removeprefix("_")
