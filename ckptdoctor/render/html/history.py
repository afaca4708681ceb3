"""The metric over the epochs as one HTML file that needs nothing else: no link, no network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ckptdoctor.histories import History, Point
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Source
from ckptdoctor.render.html.plot import Tick, labels_of, padded, scale, ticks
from ckptdoctor.render.html.template import rendered
from ckptdoctor.render.set_aside import settings_words
from ckptdoctor.render.text import number, plural
from ckptdoctor.render.wording import brief, label
from ckptdoctor.report import RunReport
from ckptdoctor.survey import Chronicles

__all__ = ["history_html"]

_WIDE, _NARROW = (960.0, 360.0), (360.0, 280.0)
"""Pixels of the drawing; there are two: its letters must not shrink with a phone's screen."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 70.0, 18.0, 20.0, 40.0
_LEFT_NARROW = 48.0
_TICK_PX = 80.0
_WORD_PX = 90.0
"""Room that a word beside a mark takes."""
_MOST_MARKS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chart:
    """A run as a drawing; all in pixels.

    Attributes:
        path: the line of the metric.
        old: the line of the attempt that was left behind, or "".
        dots: x, y and the words of a point.
        best: x and y; None without one.
        best_anchor, collapse_anchor: on which side of its mark the word stands.
        decline: x and width of the epochs of the decline; None without one.
        collapse: x; None without one.
        x_ticks, y_ticks: of the axes.
    """

    path: str
    old: str
    dots: tuple[tuple[float, float, str], ...]
    best: tuple[float, float] | None
    decline: tuple[float, float] | None
    collapse: float | None
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    best_anchor: str
    collapse_anchor: str
    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float


def history_html(found: Chronicles) -> str:
    """The result of ``history``: a drawing a run, its points as a table, and the findings."""
    several = len(found.runs) > 1
    runs = [_run(run, named=several) for run in found.runs]
    findings = [
        (
            label(one.code),
            one.severity.label,
            brief(one.subject) if several else "",
            brief(one.message),
            brief(one.remedy, 600),
        )
        for one in found.findings
    ]
    notes = [brief(note, 600) for note in found.notes]
    set_aside = settings_words(found.set_aside, found.settings, found.findings)
    return rendered(
        "history.html.jinja", runs=runs, findings=findings, notes=notes, set_aside=set_aside
    )


def _run(run: RunReport, *, named: bool) -> dict[str, Any]:
    one = run.history
    metric = brief(one.metric, 60)
    return {
        "folder": brief(one.folder),
        "metric": metric,
        "title": f"{brief(run.name)}: {metric}" if named else metric,
        "word": one.clock.word,
        "summary": _summary(one),
        "next": run.next,
        "charts": [
            (kind, chart)
            for kind, size in (("wide", _WIDE), ("narrow", _NARROW))
            if (chart := _chart(one, *size)) is not None
        ],
        "points": [_row(point) for point in (*one.points, *one.superseded)],
    }


def _summary(history: History) -> list[tuple[str, str]]:
    """What there is to say before the drawing, as terms and words."""
    best, span, word = history.best, history.decline, history.clock.word
    words = {
        f"{word}s".capitalize(): f"{plural(len(history.points), word)} known",
        "Best": "" if best is None else f"{number(best.value)} at {history.clock.say(best.at)}",
        "Decline": "" if span is None else f"{history.clock.word}s {span.first} to {span.last}",
        "Collapse": "" if history.collapse is None else history.clock.say(history.collapse),
        "Logs": ", ".join(brief(path.name, 60) for path in history.logs),
        "Left behind": f"{plural(len(history.superseded), word)} of an earlier attempt"
        if history.superseded
        else "",
    }
    return [(term, text) for term, text in words.items() if text]


def _row(point: Point) -> tuple[str, str, str, str]:
    sources = {Source.LOG: "log", Source.CONTENTS: "contents", Source.FILENAME: "file name"}
    path = "" if point.path is None else brief(point.path.name, 80)
    return f"{point.at}", number(point.value), sources[point.source], path


def _chart(history: History, width: float, height: float) -> _Chart | None:
    every = (*history.points, *history.superseded)
    finite = [point for point in every if math.isfinite(point.value)]
    if not finite:
        return None
    low, high = padded([point.value for point in finite])
    epochs = [point.at for point in every]
    first, last = min(epochs), max(epochs)
    left = _LEFT if width > _NARROW[0] else _LEFT_NARROW
    right, bottom = width - _RIGHT, height - _BOTTOM
    x_of = scale(first, last, left + 8, right - 8)
    y_of = scale(low, high, bottom, _TOP)
    most = max(2, int((right - left) / _TICK_PX))
    values, at = ticks(low, high, 6), [t for t in ticks(first, last, most) if t == int(t)]
    span, best = history.decline, history.best

    def side(x: float | None) -> str:
        return "start" if x is not None and x - left < _WORD_PX else "end"

    best_at = None if best is None or not math.isfinite(best.value) else x_of(best.at)
    collapse = None if history.collapse is None else x_of(history.collapse)
    shown = [point for point in history.points if math.isfinite(point.value)]
    return _Chart(
        path=_line(shown, x_of, y_of),
        old=_line(
            [point for point in history.superseded if math.isfinite(point.value)], x_of, y_of
        ),
        dots=tuple(
            (x_of(p.at), y_of(p.value), f"{history.clock.say(p.at)}: {number(p.value)}")
            for p in shown[-_MOST_MARKS:]
        ),
        best=None if best is None or best_at is None else (best_at, y_of(best.value)),
        decline=None
        if span is None
        else (x_of(span.first), max(2.0, x_of(span.last) - x_of(span.first))),
        collapse=collapse,
        best_anchor=side(best_at),
        collapse_anchor=side(collapse),
        width=width,
        height=height,
        left=left,
        right=right,
        top=_TOP,
        bottom=bottom,
        x_ticks=tuple(Tick(at=x_of(value), label=f"{value:g}") for value in at),
        y_ticks=tuple(
            Tick(at=y_of(value), label=text)
            for value, text in zip(values, labels_of(values), strict=True)
        ),
    )


def _line(
    points: Sequence[Point], x_of: Callable[[float], float], y_of: Callable[[float], float]
) -> str:
    places = [f"{x_of(point.at):g} {y_of(point.value):g}" for point in points]
    return "M" + "L".join(places) if len(places) > 1 else ""
