"""A line is read by what was learned of its like as if it were searched: nothing may differ."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.logs import known_lines
from ckptdoctor.runs.logs.known_lines import mark_of, values_of
from ckptdoctor.runs.logs.marks import find_mark
from ckptdoctor.runs.logs.pairs import values_in
from tests.runs.logs.forms import FORMS, CourseKind, Form, make_course

NAMES = (
    "loss",
    "val_loss",
    "mAP50",
    "mAP_0.5:0.95",
    "top-1",
    "dice [",
    "acc",
    "Epoch",
    "step",
    "lr",
)
BETWEEN = (" ", ": ", "=", " | ", ", ", "/", " (", "] ", "-", " .5: ", "->")
NUMBERS = (
    "%.4f",
    "%.0f",
    "%d",
    "%.1e",
    "%.2f%%",
    "-%.3f",
    "nan",
    "0,%d",
    "1,%03d",
    "(%.3f)",
    "%d/%d",
)


def told(line: bytes) -> tuple[object, object]:
    """What is read of a line by what was learned."""
    values = values_of(line, "val", commas=False, is_bare=False)
    return repr(list(values.items())), mark_of(line, in_words=False)


def searched(line: bytes) -> tuple[object, object]:
    """What is read of it by searching."""
    values = values_in(line.decode("utf-8", "replace"), "val")
    return repr(list(values.items())), find_mark(line, in_words=False)


def wrong(lines: Iterable[bytes]) -> list[bytes]:
    return [line for line in lines if told(line) != searched(line)]


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_lines, "_VALUES", known_lines._Values())
    monkeypatch.setattr(known_lines, "_MARKS", known_lines._Marks())


@pytest.mark.one_in(40)
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_each_line_of_a_form_says_the_same(form: Form) -> None:
    courses = (CourseKind.STORY, CourseKind.HEALTHY)
    text = "".join(form.write(make_course(kind, form.name).moments) for kind in courses)
    assert wrong(line for line in re.split(rb"[\r\n]+", text.encode()) if line) == []


@given(st.data())
def test_lines_of_one_shape_say_the_same(data: st.DataObject) -> None:
    pieces = st.tuples(*map(st.sampled_from, (NAMES, BETWEEN, NUMBERS)))
    row = "".join(map("".join, data.draw(st.lists(pieces, min_size=1, max_size=4))))
    count = len(re.findall(r"(?<!%)%[.\d]*[dfe]", row))
    digits = st.lists(st.integers(0, 999), min_size=count, max_size=count)
    rows = data.draw(st.lists(digits, min_size=3, max_size=8))
    lines = [(row % tuple(numbers)).encode() for numbers in rows for _ in range(2)]
    assert wrong(lines) == []


def test_a_line_that_was_learned_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b"step %d | loss 0.%04d | mAP50 0.%d" % (at, at, at) for at in range(1000, 1010)]
    for line in lines[:2]:
        told(line)
    monkeypatch.setattr(known_lines, "values_in", None)
    monkeypatch.setattr(known_lines, "find_mark", None)
    values = values_of(lines[7], "val", commas=False, is_bare=False)
    assert values == {"val loss": 0.1007, "val mAP50": 0.1007}
    mark = mark_of(lines[7], in_words=False)
    assert mark is not None
    assert mark.step == 1007


def test_digits_of_a_name_tell_lines_apart() -> None:
    lines = [b"mAP%d: 0.%d" % (iou, value) for iou in (50, 75) for value in range(10, 20)]
    assert wrong(lines) == []
    found = values_of(b"mAP75: 0.31", "", commas=False, is_bare=False)
    assert found == {"mAP75": 0.31}


def test_what_is_made_of_several_numbers_is_reckoned_anew() -> None:
    lines = [b"accuracy: %d/10000" % right for right in range(9000, 9005)]
    lines += [b"dice [0.%d, 0.5, nan]" % value for value in range(10, 15)]
    assert wrong(lines) == []


def test_a_point_behind_an_epoch_ends_a_sentence() -> None:
    lines = [b"Epoch: %d. step: %d." % (at, 3 * at) for at in range(10, 16)]
    assert wrong(lines) == []


def test_each_nan_is_one_of_its_own() -> None:
    one, two, three = (
        values_of(line, "", commas=False, is_bare=False)["loss"]
        for line in (b"loss: nan", b"loss: nan", b"loss: nan")
    )
    assert one is not two
    assert two is not three


def test_where_nothing_pays_off_no_more_is_learned() -> None:
    """A log of lines that come twice each costs little more than one whose lines come once."""
    values = known_lines._Values()
    read = 0

    class Counting(known_lines._Values):
        def read(self, line: bytes, *how: object) -> dict[str, float]:
            nonlocal read
            read += 1
            return values.read(line, *how)

    counting = Counting()
    lines = [b"loss%s: 0.5" % (b"x" * (at % 390)) + b"y" * (at // 390) for at in range(1200)]
    for line in lines:
        counting.of(line[:399], "", False, False)
        counting.of(line[:399], "", False, False)
    assert read < 2 * len(lines) * 1.2
