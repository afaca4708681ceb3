"""A curve as the lines and marks of a plot, in pixels; the template draws them."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import MetricKind, Mode
from ckptdoctor.render.html.curve import Curve, Point
from ckptdoctor.render.text import number

__all__ = ["Drawing", "Mark", "Tick", "draw", "labels_of", "padded", "scale", "ticks"]

_LARGEST = sys.float_info.max
_TOP, _BOTTOM, _RIGHT = 30, 44, 16
_CHAR_PX = 7
_MARK_PX = 12
_MAX_SPREAD = 200
"""Points; where they are more, those that fall on one place stay there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A place on an axis, in pixels, and what stands there."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A checkpoint in pixels, and to which side of it words have room."""

    x: float
    y: float
    anchor: str
    point: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A plot in pixels.

    Attributes:
        width: of the whole.
        height: of the whole.
        left: where the plot begins, right of the labels.
        right: where it ends.
        top: where it begins.
        bottom: where it ends, above the labels.
        x_ticks: on the lower edge.
        y_ticks: on the left edge.
        marks: the checkpoints, the last good one on top.
        scores: the path that joins the files' own scores; "" for a running best.
        best: the path of steps that is the best so far; "" where no direction is better.
    """

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    scores: str
    best: str


def draw(curve: Curve, width: int, height: int) -> Drawing:
    """The curve in a box of so many pixels."""
    low, high = padded([point.y for point in curve.points])
    first, last = (curve.points[0].x, curve.points[-1].x) if curve.points else (0, 0)
    values = ticks(low, high, max(2, height // 55))
    labels = labels_of(values)
    left, right = 18.0 + _CHAR_PX * max(map(len, labels), default=0), float(width - _RIGHT)
    bottom = float(height - _BOTTOM)
    x_of = scale(first, last, left + _MARK_PX, right - _MARK_PX)
    y_of = scale(low, high, bottom, _TOP)
    places = [(x_of(point.x), y_of(point.y)) for point in curve.points]
    steps = [(x, y_of(best)) for (x, _), best in zip(places, _best(curve), strict=False)]
    epochs = {round(tick) for tick in ticks(first, last, max(2, int(right - left) // 60))}
    return Drawing(
        width=width,
        height=height,
        left=left,
        right=right,
        top=_TOP,
        bottom=bottom,
        x_ticks=tuple(Tick(at=x_of(at), label=number(at)) for at in sorted(epochs)),
        y_ticks=tuple(
            Tick(at=y_of(value), label=label) for value, label in zip(values, labels, strict=True)
        ),
        marks=_marks(curve.points, places, left, right),
        scores=_line(places) if curve.kind is MetricKind.SCORE and len(places) > 1 else "",
        best=_steps(steps) if len(steps) > 1 else "",
    )


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round figures from ``low`` to ``high``, about so many; always finite, in order, once each."""
    raw = (high / 2 - low / 2) / most * 2
    if raw < 1e-300:  # all the same, or too near to each other to divide
        return [low]
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next((f * magnitude for f in (1, 2, 5, 10) if f * magnitude >= raw), raw)
    if not math.isfinite(step):
        return [low, high]
    first = math.ceil(low / step)
    rounded = {(first + at) * step for at in range(2 * most + 2)}
    return sorted(tick for tick in rounded if low <= tick <= high) or [low]


def padded(values: Sequence[float]) -> tuple[float, float]:
    """The range to show: a little more than that of the values, and never empty."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    margin = (high / 2 - low / 2) * 0.16 or abs(low) * 0.1 or 1.0
    return max(low - margin, -_LARGEST), min(high + margin, _LARGEST)


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """From a value to pixels; halved on the way, so that no difference overflows."""
    span = high / 2 - low / 2

    def to_pixels(value: float) -> float:
        share = (value / 2 - low / 2) / span if span else 0.5
        return round(start + share * (end - start), 1)

    return to_pixels


def labels_of(values: Sequence[float]) -> list[str]:
    """The figures with as many digits as tell them apart, and no more."""
    for digits in range(3, 17):
        labels = [f"{value:.{digits}g}" for value in values]
        if len(set(labels)) == len(values):
            return labels
    return [repr(value) for value in values]


def _best(curve: Curve) -> list[float]:
    """The best so far at each point; a running best is that already."""
    values = [point.y for point in curve.points]
    if curve.kind is MetricKind.RUNNING_BEST:
        return values
    if curve.mode is None:
        return []
    return list(accumulate(values, max if curve.mode is Mode.MAX else min))


def _marks(
    points: Sequence[Point], places: Sequence[tuple[float, float]], left: float, right: float
) -> tuple[Mark, ...]:
    """The checkpoints; those that would hide each other side by side."""
    cells = [(round(x / _MARK_PX), round(y / _MARK_PX)) for x, y in places]
    many, met = Counter(cells), Counter[tuple[int, int]]()
    marks = []
    for point, (x, y), cell in zip(points, places, cells, strict=True):
        aside = 0.0
        if len(points) <= _MAX_SPREAD:
            aside = (met[cell] - (many[cell] - 1) / 2) * _MARK_PX
        met[cell] += 1
        at = round(min(max(x + aside, left), right), 1)
        anchor = "start" if at - left < 40 else "end" if right - at < 40 else "middle"
        marks.append(Mark(x=at, y=y, anchor=anchor, point=point))
    return tuple(sorted(marks, key=lambda mark: mark.point.last_good))


def _line(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in places)


def _steps(places: Sequence[tuple[float, float]]) -> str:
    (x, y), *others = places
    return f"M{x:g} {y:g}" + "".join(f"H{x:g}V{y:g}" for x, y in others)
