"""The pictures of an autopsy in pixels: modules over checkpoints, and values over the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ckptdoctor.histories import History, Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.postmortem.document import Autopsy, Worst
from ckptdoctor.render.html.plot import Tick, labels_of, padded, scale, ticks
from ckptdoctor.render.text import number, printable, shorten_middle

__all__ = ["Cell", "Chart", "Event", "HeatMap", "Spark", "charts_of", "heat_map", "spark_of"]

_STEPS = (0.15, 0.5, 1.1, 2.0)
"""Logs of ratios at which a cell gets the next shade: times 1.2, 1.6, 3 and 7."""
_ROW_PX = 17
_TOP_PX, _BOTTOM_PX = 8, 34
_CHAR_PX = 7.3
_LEAST_LABEL_PX = 26.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A module at a checkpoint: where, its shade (``p4`` far above, ``n4`` far below), words."""

    x: float
    y: float
    shade: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """All of them; all in pixels."""

    width: int
    height: int
    cell_width: float
    cell_height: float
    left: float
    labels: tuple[tuple[float, str], ...]
    ticks: tuple[Tick, ...]
    cells: tuple[Cell, ...]


def heat_map(found: Autopsy, width: int, name_chars: int) -> HeatMap | None:
    """The modules over the checkpoints; None where there are none.

    Args:
        found: the autopsy.
        width: of the picture.
        name_chars: the letters that the name of a module may take.
    """
    heat, course = found.heat, found.course
    if not heat.rows or len(heat.columns) < 2:
        return None
    names = [shorten_middle(printable(course.short(row.module)), name_chars) for row in heat.rows]
    left = 8.0 + _CHAR_PX * max(map(len, names))
    cell = round((width - left - 4.0) / len(heat.columns), 2)
    cells = [
        Cell(
            x=round(left + at * cell, 2),
            y=float(_TOP_PX + number_ * _ROW_PX),
            shade=_shade(value),
            words=f"{name}, {course.say(heat.columns[at])}: {_times(value)}",
        )
        for number_, (row, name) in enumerate(zip(heat.rows, names, strict=True))
        for at, value in enumerate(row.values)
    ]
    height = _TOP_PX + len(heat.rows) * _ROW_PX
    every = max(1, math.ceil(_LEAST_LABEL_PX / cell))
    marks = [
        Tick(at=round(left + (at + 0.5) * cell, 1), label=_place(found, place))
        for at, place in enumerate(heat.columns)
        if at % every == 0
    ]
    return HeatMap(
        width=width,
        height=height + _BOTTOM_PX,
        cell_width=cell,
        cell_height=_ROW_PX,
        left=left,
        labels=tuple((float(_TOP_PX + at * _ROW_PX + 12.5), name) for at, name in enumerate(names)),
        ticks=tuple(marks),
        cells=tuple(cells),
    )


def _place(found: Autopsy, place: int) -> str:
    at = found.course.moments[place].at
    return str(place) if at is None else f"{at:g}"


def _shade(value: float | None) -> str:
    if value is None:
        return "none"
    if math.isinf(value):
        return "bad"
    step = sum(abs(value) >= limit for limit in _STEPS)
    return f"{'p' if value > 0 else 'n'}{step}" if step else "zero"


def _times(value: float | None) -> str:
    if value is None:
        return "not known"
    if math.isinf(value):
        return "NaN or Inf"
    return f"{math.exp(min(value, 700.0)):.3g} times what was usual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened: where, in pixels, what kind it is, and its name."""

    x: float
    kind: str
    label: str
    anchor: str
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A value over the run; all in pixels."""

    title: str
    word: str
    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    path: str
    dots: tuple[tuple[float, float, str], ...]
    shade: tuple[float, float] | None
    events: tuple[Event, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


_MOST_DOTS = 300
_WIDE = 30.0
_TOP, _LOW, _RIGHT = 50.0, 30.0, 12.0


def charts_of(found: Autopsy, width: int) -> list[Chart]:
    """The metric with what happened, the learning rate, the loss scale; those that are known."""
    history = found.history
    metric = [(point.at, point.value) for point in history.points]
    given = [
        (history.metric, metric, 260, True, False),
        ("learning rate", list(found.rates), 150, False, True),
        ("loss scale", list(found.scales), 150, False, True),
    ]
    charts = []
    for title, points, height, events, logs in given:
        finite = [(at, value) for at, value in points if math.isfinite(value)]
        if len(finite) > 1:
            charts.append(_chart(found, title, finite, (width, height), events=events, logs=logs))
    return charts


def _chart(
    found: Autopsy,
    title: str,
    points: Sequence[tuple[Position, float]],
    size: tuple[int, int],
    *,
    events: bool,
    logs: bool,
) -> Chart:
    width, height = size
    history = found.history
    every_value = [value for _, value in points]
    is_log = logs and min(every_value) > 0.0 and max(every_value) > _WIDE * min(every_value)
    shown = [(at, math.log10(value) if is_log else value) for at, value in points]
    low, high = padded([value for _, value in shown])
    values = ticks(low, high, max(3, height // 60))
    labels = [f"{10**value:.3g}" for value in values] if is_log else labels_of(values)
    left = 14.0 + 7.0 * max(map(len, labels))
    right, top, bottom = width - _RIGHT, _TOP if events else 12.0, height - _LOW
    every = [*(at for at, _ in points), *_positions(history)]
    x_of, y_of = scale(min(every), max(every), left + 6, right - 6), scale(low, high, bottom, top)
    places = [(x_of(at), y_of(value)) for at, value in shown]
    span = history.decline if events else None
    marks = ticks(min(every), max(every), max(2, width // 80))
    return Chart(
        title=printable(title),
        word=history.clock.word,
        width=width,
        height=height,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        path="M" + "L".join(f"{x:g} {y:g}" for x, y in places),
        dots=tuple(
            (x, y, f"{history.clock.say(at)}: {number(value)}")
            for (x, y), (at, value) in zip(places[-_MOST_DOTS:], points[-_MOST_DOTS:], strict=True)
        ),
        shade=None
        if span is None
        else (x_of(span.first), max(2.0, x_of(span.last) - x_of(span.first))),
        events=tuple(_events(found, x_of, right)) if events else (),
        x_ticks=tuple(Tick(at=x_of(at), label=f"{at:g}") for at in marks if at == int(at)),
        y_ticks=tuple(
            Tick(at=y_of(value), label=label) for value, label in zip(values, labels, strict=True)
        ),
    )


def _positions(history: History) -> list[Position]:
    return [history.last_at] if history.last_at is not None else []


def _events(found: Autopsy, x_of: Callable[[float], float], right: float) -> list[Event]:
    """Best, first departure, collapse; each on a line of its own, so that words do not meet."""
    history = found.history
    told: list[tuple[Position, str, str]] = []
    if history.best is not None:
        told.append((history.best.at, "good", "best"))
    if found.departures:
        at = found.course.moments[found.departures[0].place].at
        if at is not None:
            told.append(
                (at, "warn", "first outside its past" if found.stands_out else "NaN in all")
            )
    if history.collapse is not None:
        told.append((history.collapse, "bad", "collapse"))
    made = []
    for number_, (at, kind, label) in enumerate(told):
        x = x_of(at)
        anchor = "end" if x > right / 2 else "start"
        made.append(Event(x=x, kind=kind, label=label, anchor=anchor, y=12.0 + 14.0 * number_))
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """A tensor over the run, as small as a word: two paths, and where it left its past."""

    width: int
    height: int
    path: str
    x: float


def spark_of(one: Worst, width: int = 150, height: int = 26) -> Spark:
    """The logs of its figure."""
    logs = [math.log(value) if 0.0 < value < math.inf else None for value in one.values]
    known = [value for value in logs if value is not None] or [0.0]
    x_of = scale(0, max(1, len(logs) - 1), 2, width - 2)
    y_of = scale(min(known), max(known), height - 3, 3)
    path, pen = [], "M"
    for at, value in enumerate(logs):
        if value is None:
            pen = "M"
            continue
        path.append(f"{pen}{x_of(at):g} {y_of(value):g}")
        pen = "L"
    return Spark(width=width, height=height, path="".join(path), x=x_of(one.place))
