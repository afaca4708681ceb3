"""Logs as programs print them are read as they were meant: the metric, every value, the verdict.

What is not held yet stands in `not_yet`; a name that holds must be taken out of it there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ckptdoctor.runs.wish import Wish
from ckptdoctor.survey import chronicles
from tests.each import each
from tests.runs.logs.forms import FORMS, Course, CourseKind, Form, Moment, make_course
from tests.runs.logs.forms.judge import alarming, misread, shortfalls, write
from tests.runs.logs.forms.spellings import INFINITE, INNOCENT, NOT_A_NUMBER
from tests.runs.logs.not_yet import NOT_ALONE, NOT_DECODED, NOT_FOUND, NOT_READ, NOT_SPELLED

_BY_NAME = {form.name: form for form in FORMS}
_CARRIERS = (
    "Epoch {e}: loss: {bad} | val_iou: {s}\n",
    "epoch={e} val_iou={s} loss={bad}\n",
    "Epoch {e} loss {bad} val_iou {s}\n",
    "{{'epoch': {e}, 'loss': {bad}, 'val_iou': {s}}}\n",
)
"""How a line holds a value."""
_SPELLINGS = {
    **{f"NaN: {who}": spelling for who, spelling in NOT_A_NUMBER.items()},
    **{f"infinity: {who}": spelling for who, spelling in INFINITE.items()},
}


_ENCODERS: dict[str, Callable[[str], bytes]] = {
    "UTF-16 of PowerShell": lambda text: text.replace("\n", "\r\n").encode("utf-16"),
    "UTF-16 the other way round": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "old Macs": lambda text: text.replace("\n", "\r").encode(),
    "no line end at the end": lambda text: text.rstrip().encode(),
    "zeros in front, of a log that was rotated": lambda text: b"\0" * 70_000 + text.encode(),
    "zeros behind, of a node that died": lambda text: text.encode() + b"\0" * 70_000,
}
_ENCODED = ("bars", "hugging-face", "json-lines", "lightning-csv", "keras-csv-logger")


_SOME = 4
"""Of how many forms one has every course read by default: how it is read, two of them tell."""


def _cases() -> Iterator[object]:
    for (number, form), kind in itertools.product(enumerate(FORMS), CourseKind):
        marks = _expected_to_fail(form.name, NOT_READ[kind])
        if number % _SOME and kind in (CourseKind.FINITE, CourseKind.EXPLOSION):
            marks.append(pytest.mark.slow)
        yield pytest.param(form, kind, id=f"{form.name} {kind.value}", marks=marks)


def _expected_to_fail(name: str, names: frozenset[str]) -> list[pytest.MarkDecorator]:
    return [pytest.mark.xfail(strict=True, reason="not read yet")] if name in names else []


@pytest.mark.parametrize(("form", "kind"), list(_cases()))
@pytest.mark.one_in(8)
def test_a_course_is_read_as_it_was_printed(form: Form, kind: CourseKind, tmp_path: Path) -> None:
    assert shortfalls(form, make_course(kind, form.name), tmp_path) == []


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(form, id=name, marks=_expected_to_fail(name, NOT_FOUND))
        for name, form in {form.file: form for form in reversed(FORMS)}.items()
    ],
)
@pytest.mark.one_in(3)
def test_a_log_of_that_name_is_found_where_it_lies(form: Form, tmp_path: Path) -> None:
    write(form, make_course(CourseKind.STORY, form.name), tmp_path)
    found = chronicles([tmp_path], Wish())
    assert [path.name for history in found.histories for path in history.logs] == [form.file]


@pytest.mark.parametrize(
    ("who", "spelling"),
    [
        pytest.param(who, spelling, id=who, marks=_expected_to_fail(who, NOT_SPELLED))
        for who, spelling in _SPELLINGS.items()
    ],
)
@pytest.mark.one_in(3)
def test_what_is_no_number_is_told_however_it_is_spelled(
    who: str, spelling: str, tmp_path: Path
) -> None:
    """The score goes on as before, so that nothing else can tell."""
    scores = [round(0.4 + 0.01 * at, 3) for at in range(20)]
    path = tmp_path / "train.log"
    for line in _CARRIERS:
        text = (
            line.format(e=at, s=f"{score:.3f}", bad=spelling if at > 12 else f"{2.5 - at / 9:.3f}")
            for at, score in enumerate(scores)
        )
        path.write_text("".join(text), encoding="utf-8")
        found = chronicles([], Wish(logs=(path,)))
        assert found.histories, line
        history = found.histories[0]
        assert history.metric == "val_iou", line
        assert [point.value for point in history.points] == scores, line
        bad = history.values[13]["loss"]
        assert not math.isfinite(bad), line
        assert math.isnan(bad) == who.startswith("NaN"), line
        assert "CD404" in {finding.code for finding in found.findings}, line


@each("line", list(INNOCENT.values()), ids=list(INNOCENT))
def test_words_that_only_look_like_it_are_no_finding(line: str, tmp_path: Path) -> None:
    path = tmp_path / "train.log"
    path.write_text(
        "".join(f"Epoch {at}: loss: {2.5 - at / 9:.3f}\n{line}\n" for at in range(1, 20)),
        encoding="utf-8",
    )
    assert alarming(path) == []


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, id=name, marks=_expected_to_fail(name, NOT_ALONE))
        for name in (
            "step-lines",
            "nanogpt",
            "hugging-face",
            "keras-2",
            "ultralytics-detect",
            "mmseg-1-by-iteration",
            "lightning-csv",
            "detectron2-json",
            "bars",
        )
    ],
)
@pytest.mark.parametrize("crlf", [False, True], ids=["lf", "crlf"])
@pytest.mark.one_in(3)
def test_an_unfinished_log_says_what_it_has(name: str, tmp_path: Path, *, crlf: bool) -> None:
    """Cut in the middle of a line, as a log is that is still being written."""
    form, course = _BY_NAME[name], make_course(CourseKind.HEALTHY, name)
    text = form.write(course.moments)
    text = text[: len(text) * 7 // 10]
    path = tmp_path / form.file
    path.write_text(text.replace("\n", "\r\n") if crlf else text, encoding="utf-8", newline="")
    (history,) = chronicles([], Wish(logs=(path,))).histories
    answer = form.answers[0]
    shown = [answer.shown(moment) for moment in course.moments]
    told = [point.value for point in history.points]
    assert len(told) >= len(shown) // 2
    assert told[:-1] == pytest.approx(shown[: len(told) - 1])
    assert alarming(path) == []


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        pytest.param(
            encoding,
            name,
            id=f"{encoding} {name}",
            marks=_expected_to_fail(f"{encoding} {name}", NOT_DECODED),
        )
        for encoding, name in itertools.product(_ENCODERS, _ENCODED)
    ],
)
@pytest.mark.one_in(4)
def test_what_a_log_says_does_not_depend_on_its_bytes(
    encoding: str, name: str, tmp_path: Path
) -> None:
    form, course = _BY_NAME[name], make_course(CourseKind.STORY, name)
    raw = _ENCODERS[encoding](form.write(course.moments))
    path = tmp_path / form.file
    path.write_bytes(raw)
    assert misread(form, course, path) == []


def test_every_form_has_a_name_and_a_source_of_its_own() -> None:
    assert len(_BY_NAME) == len(FORMS)
    assert all(form.source for form in FORMS)


@pytest.mark.parametrize("kind", list(CourseKind))
def test_the_courses_are_what_they_are_called(kind: CourseKind) -> None:
    """The oracle itself: what is best and when it falls is so in every measure that is printed."""
    for form in FORMS:
        course = make_course(kind, form.name)
        assert _is_sane(course)
        for answer in form.answers:
            shown = [answer.shown(moment) for moment in course.moments]
            finite = [value for value in shown if value is not None and math.isfinite(value)]
            if course.peak is None or not finite:
                continue
            best = shown[course.peak]
            assert best in (max(finite), min(finite)), form.name
            assert finite.count(best) == 1, form.name


def _is_sane(course: Course) -> bool:
    def measures(moment: Moment) -> tuple[float, float, float]:
        return moment.score, -moment.train, -moment.val

    if course.peak is None or course.fall is None:
        return course.kind is CourseKind.HEALTHY
    best = measures(course.moments[course.peak])
    others = (one for at, one in enumerate(course.moments) if at != course.peak)
    is_best = all(
        not value >= top for one in others for value, top in zip(measures(one), best, strict=True)
    )
    return is_best and course.peak < course.fall < len(course.moments)
