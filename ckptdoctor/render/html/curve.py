"""The metric of a run over its epochs: what there is to plot, and what had to be left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from ckptdoctor.finding import Verdict
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Metric, MetricKind, Mode
from ckptdoctor.render.text import number, plural
from ckptdoctor.render.wording import brief, epoch_of
from ckptdoctor.report import CheckpointReport

__all__ = ["Curve", "Point", "curve_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A checkpoint with its place and its value."""

    x: int | float
    y: float
    verdict: Verdict
    label: str
    last_good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What there is to plot.

    Attributes:
        metric: its name, printable.
        kind: the files' own scores, or the run's best so far.
        mode: which direction is better; None where nobody knows.
        axis: what is counted from left to right.
        points: in the order of ``x``.
        left_out: what could not be drawn and why, in words; "" if nothing.
    """

    metric: str
    kind: MetricKind
    mode: Mode | None
    axis: str
    points: tuple[Point, ...]
    left_out: str


def curve_of(rows: Sequence[CheckpointReport], good: Path | None) -> Curve | None:
    """The metric that most of the checkpoints hold; None where there is nothing to draw.

    Args:
        rows: those of a run.
        good: the one to go on from.
    """
    rows = [row for row in rows if row.restored is None]  # a copy scored nothing of its own
    held = [(row, row.metadata.metric) for row in rows]
    names = Counter((metric.name, metric.kind) for _, metric in held if metric is not None)
    if not names:
        return None
    (name, kind), _ = names.most_common(1)[0]
    chosen = [
        (row, metric)
        for row, metric in held
        if metric is not None and (metric.name, metric.kind) == (name, kind)
    ]
    finite = [(row, metric) for row, metric in chosen if math.isfinite(metric.value)]
    axis, place = _axis([row for row, _ in finite])
    points = sorted(
        (_point(row, metric, x, good) for row, metric in finite if (x := place(row)) is not None),
        key=lambda point: point.x,
    )
    shown = brief(name, 40)
    reasons = {
        f"whose {shown} is not finite": len(chosen) - len(finite),
        f"without an {axis}": len(finite) - len(points),
        f"without {shown}": len(rows) - len(chosen),
    }
    return Curve(
        metric=shown,
        kind=kind,
        mode=chosen[0][1].mode,
        axis=axis,
        points=tuple(points),
        left_out=", ".join(
            f"{plural(count, 'checkpoint')} {why}" for why, count in reasons.items() if count
        ),
    )


def _axis(
    rows: Sequence[CheckpointReport],
) -> tuple[str, Callable[[CheckpointReport], int | float | None]]:
    """What to count: epochs, else steps, else the checkpoints themselves."""
    if any(epoch_of(row) is not None for row in rows):
        return "epoch", epoch_of
    if any(row.metadata.global_step is not None for row in rows):
        return "step", lambda row: row.metadata.global_step
    order = {row.path: at for at, row in enumerate(rows, start=1)}
    return "checkpoint", lambda row: order.get(row.path)


def _point(row: CheckpointReport, metric: Metric, x: float, good: Path | None) -> Point:
    return Point(
        x=x,
        y=metric.value,
        verdict=row.verdict,
        label=f"{brief(row.path.name, 80)}: {number(metric.value)}, {row.verdict.value}",
        last_good=row.path == good,
    )
