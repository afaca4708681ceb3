"""What falls short when a log in some form is read back, through what `history` itself uses."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ckptdoctor.finding import Finding, Severity
from ckptdoctor.histories import History, Point
from ckptdoctor.runs.wish import Wish
from ckptdoctor.survey import chronicles
from tests.runs.logs.forms.courses import Course, CourseKind
from tests.runs.logs.forms.form import Answer, Form, Place

__all__ = ["alarming", "misread", "shortfalls", "write"]

_ANY_OF = {
    CourseKind.STORY: {"CD304", "CD402", "CD403", "CD404"},
    CourseKind.FINITE: {"CD402", "CD403"},
    CourseKind.EXPLOSION: {"CD402", "CD403"},
}
_MOST_SHOWN = 3


def write(form: Form, course: Course, folder: Path) -> Path:
    """The log of a course in a form."""
    path = folder / form.file
    path.write_text(form.write(course.moments), encoding="utf-8", newline="")
    return path


def alarming(path: Path) -> list[str]:
    """The findings of a log that warn or worse: what a healthy run must not have."""
    found = chronicles([], Wish(logs=(path,)))
    return [
        f"{finding.code} {finding.message}"
        for finding in found.findings
        if finding.severity is not Severity.INFO
    ]


def shortfalls(form: Form, course: Course, folder: Path) -> list[str]:
    """What is not as it should be, a sentence each; [] where all is well.

    Args:
        form: how the log is written.
        course: what it tells.
        folder: where to write it.
    """
    return misread(form, course, write(form, course, folder))


def misread(form: Form, course: Course, path: Path) -> list[str]:
    """The same of a log that is written already."""
    found = chronicles([], Wish(logs=(path,)))
    if not found.histories:
        return ["nothing is read"]
    history = found.histories[0]
    fitting = [answer for answer in form.answers if re.search(answer.metric, history.metric)]
    if not fitting:
        patterns = " or ".join(dict.fromkeys(f"/{answer.metric}/" for answer in form.answers))
        return [f"judged by {history.metric!r}, {patterns} expected"]
    every = (
        [*_wrong_points(one, course, history.points), *_wrong_best(one, course, history)]
        for one in fitting
    )
    return [*min(every, key=len), *_wrong_codes(form, course, found.findings)]


def _wrong_codes(form: Form, course: Course, findings: Sequence[Finding]) -> Iterator[str]:
    """What is found in a healthy course, or not in another."""
    told = [one for one in findings if one.severity is not Severity.INFO]
    wanted = _ANY_OF.get(course.kind)
    if wanted is None:
        yield from (f"{one.code} {one.message}" for one in told)
    elif not wanted & {one.code for one in told} and not (
        form.hides_nan and course.kind is CourseKind.STORY
    ):
        codes = ", ".join(sorted({one.code for one in told})) or "none"
        yield f"none of {', '.join(sorted(wanted))} but {codes}"


def _wrong_points(answer: Answer, course: Course, points: Sequence[Point]) -> Iterator[str]:
    """Values that are wrong, missing, or of no moment."""
    wanted = {at: answer.shown(moment) for at, moment in enumerate(course.moments)}
    if all(value is None for value in wanted.values()):
        return
    wrong = []
    left = list(points)
    for at, value in wanted.items():
        mine = [point for point in left if _is_at(point, answer.place(at))]
        left = [point for point in left if point not in mine]
        if value is None:
            continue
        if not mine:
            wrong.append(f"no value at {_said(answer.place(at))}, {value:g} expected")
        elif not _same(mine[-1].value, value):
            wrong.append(f"{mine[-1].value:g} at {_said(answer.place(at))}, {value:g} expected")
    for point in left:
        if not any(value is not None and _same(point.value, value) for value in wanted.values()):
            wrong.append(f"{point.value:g} at {_said(Place(epoch=point.epoch, step=point.step))}")
    yield from wrong[:_MOST_SHOWN]
    if len(wrong) > _MOST_SHOWN:
        yield f"{len(wrong) - _MOST_SHOWN} more wrong values"


def _wrong_best(answer: Answer, course: Course, history: History) -> list[str]:
    if course.peak is None:
        return []
    place, value = answer.place(course.peak), answer.shown(course.moments[course.peak])
    best = history.best
    if best is None:
        return [f"no best, {_said(place)} expected"]
    if _is_at(best, place) if value is None else _same(best.value, value):
        return []
    here = _said(Place(epoch=best.epoch, step=best.step))
    return [f"the best is {best.value:g} at {here}, {_said(place)} expected"]


def _is_at(point: Point, place: Place) -> bool:
    """By the step, where both know one; a place that knows both may be told by its epoch alone."""
    if place.step is not None and point.step is not None and point.step == place.step:
        return True
    return (
        place.epoch is not None
        and point.epoch is not None
        and math.isclose(point.epoch, place.epoch, abs_tol=1e-6)
    )


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or (math.isnan(a) and math.isnan(b))


def _said(place: Place) -> str:
    told = {"epoch": place.epoch, "step": place.step}
    return ", ".join(f"{name} {at:g}" for name, at in told.items() if at is not None) or "nowhere"
