"""The benchmark of forms counts what it says it counts."""

from __future__ import annotations

from dataclasses import replace

from ckptdoctor.metadata import Mode
from tests.benchmarks.trend_forms import as_text, healthy_courses, tally
from tests.benchmarks.trend_prints import PRINTS, alarms
from tests.runs.logs.forms import FORMS, Form


def form(name: str) -> Form:
    return next(form for form in FORMS if form.name == name)


def test_a_form_that_is_read_right_raises_no_alarm() -> None:
    found = tally(form("json-lines"), healthy_courses(14))
    assert (found.runs, found.unread, found.alarms) == (14, 0, {})
    assert "forms with a false alarm: 0" in as_text([found])


def test_an_alarm_that_the_reading_makes_is_counted_a_run() -> None:
    """A form whose score falls to nothing at its end, whatever the run does."""
    sound = form("json-lines")
    found = tally(
        replace(sound, write=lambda course: sound.write(course) + _FALLEN), healthy_courses(3)
    )
    assert found.alarms["CD402"] == 3
    assert "CD402 in 3" in as_text([found])


_FALLEN = "".join(f'{{"epoch": {at}, "val_iou": 0.0001}}\n' for at in range(200, 206))


def test_what_is_not_read_is_counted_apart() -> None:
    found = tally(replace(form("json-lines"), write=lambda course: ""), healthy_courses(2))
    assert (found.unread, found.alarms) == (2, {})
    assert "forms of which nothing is read: 1" in as_text([found])


def test_few_digits_alone_raise_no_alarm() -> None:
    courses = healthy_courses(14)
    assert {
        (name, code) for name, how in PRINTS.items() for one in courses for code in alarms(one, how)
    } == set()
    fallen = [*courses[0], *[replace(courses[0][-1], score=0.1, val=9.0, train=9.0)] * 3]
    assert all("CD402" in alarms(fallen, how) for how in PRINTS.values() if how[0] is Mode.MAX)
