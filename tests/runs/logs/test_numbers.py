"""Numbers out of cells and JSON values, which of many rows are kept, and lines that count."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from ckptdoctor.histories import Position
from ckptdoctor.runs.logs.ahead import LinesAhead
from ckptdoctor.runs.logs.counted import CountedLines
from ckptdoctor.runs.logs.numbers import epoch_in, number, numbers, position, step_in
from ckptdoctor.runs.logs.thinning import Thinning
from tests.each import each

NAN = math.nan


@each(
    ("value", "found"),
    [
        (3, 3.0),
        ("3", 3.0),
        ("64.1%", 64.1),
        ("tensor(0.5)", 0.5),
        (9.9e11, 9.9e11),
        (1e12, None),
        (-1e12, None),
        (NAN, None),
        ("inf", None),
        (True, None),
        (None, None),
        ([3], None),
        ("text", None),
        ("1" * 500, None),
        ({"mean": 0.5, "num": 3}, 0.5),
        ({"mean": 0.5}, None),
    ],
)
def test_what_a_count_may_be(value: object, found: float | None) -> None:
    assert number(value) == found


@each(
    ("row", "epoch", "step"),
    [
        ({"epoch": 3}, 3, None),
        ({"epoch": "2.50"}, 2.5, None),
        ({"current_epoch": 4.0, "step": 7}, 4, 7),
        ({"epoch": NAN, "current_epoch": 4}, None, None),  # the first name counts
        ({"global_step": "", "step": 9.0}, None, 9),
        ({"step": None, "iter": 5}, None, 5),
        ({"step": -1}, None, None),
        ({"snapshot_pkl": "network-snapshot-000200.pkl"}, None, 200),
        ({"loss": 1}, None, None),
    ],
)
def test_the_moment_of_a_row(
    row: Mapping[str, object], epoch: Position | None, step: int | None
) -> None:
    assert (epoch_in(row), step_in(row)) == (epoch, step)
    assert type(epoch_in(row)) is type(epoch)
    assert type(position(3.0)) is int


@each(
    ("row", "values"),
    [
        ({"epoch": 3, "loss": 0.5, "note": "x", "on": True}, {"loss": 0.5}),
        ({"Epoch": 3.5, "Epochs": 2, "loss": "0.5"}, {"Epoch": 3.5, "loss": 0.5}),
        ({"val": {"iou": 0.5, "by": {"dice": 0.6}}}, {"val/iou": 0.5, "val/by/dice": 0.6}),
        ({"loss": {"mean": 0.5, "num": 10}}, {"loss": 0.5}),
        ({"iou": [0.5, NAN, 0.7]}, {"iou": 0.6}),
        ({"iou": [0.5, "x"], "sizes": [1, 2]}, {}),
        ({"coco_eval": [0.4, *[0.1] * 11]}, {"coco_eval AP": 0.4}),
        ({"coco_eval": [0.4, 0.1]}, {}),
        ({"phase": "val", "iou": 0.5, "lr": 0.1}, {"val iou": 0.5, "lr": 0.1}),
        ({"split": "Train", "iou": 0.5, "val_iou": 0.4}, {"train iou": 0.5, "val_iou": 0.4}),
        ({"phase": "warmup", "iou": 0.5}, {"iou": 0.5}),
        ({"phase": 3, "mode": "test", "iou": 0.5}, {"phase": 3.0, "test iou": 0.5}),
    ],
)
def test_the_values_of_a_row(row: Mapping[str, object], values: Mapping[str, float]) -> None:
    assert dict(numbers(row)) == pytest.approx(dict(values))


def test_of_classes_of_which_none_is_there_the_mean_is_not_known() -> None:
    ((name, value),) = numbers({"iou": [NAN, NAN]})
    assert name == "iou"
    assert math.isnan(value)


def test_rows_within_rows_are_read_to_a_depth() -> None:
    row: dict[str, object] = {"iou": 0.5}
    for _ in range(5):
        row = {"a": row, "iou": 0.5}
    assert list(dict(numbers(row))) == ["a/a/a/iou", "a/a/iou", "a/iou", "iou"]


# -- which rows are kept -------------------------------------------------------------------------


def kept(thinning: Thinning, count: int, *, ask_first: bool) -> list[int]:
    return [at for at in range(count) if not (ask_first and thinning.skips()) and thinning.takes()]


@pytest.mark.parametrize("ask_first", [False, True])
def test_all_are_kept_at_first_and_then_ever_fewer(ask_first: bool) -> None:
    thinning = Thinning(4)
    full = [thinning.is_full]
    assert kept(thinning, 4, ask_first=ask_first) == [0, 1, 2, 3]
    assert [*full, thinning.is_full] == [False, True]
    found = kept(Thinning(4), 60, ask_first=ask_first)
    assert found == [0, 1, 2, 3, 5, 7, 9, 11, 15, 19, 23, 27, 31, 39, 47, 55]
    then = kept(Thinning(4, then=2), 24, ask_first=ask_first)
    assert then == [0, 1, 2, 3, 5, 7, 11, 15, 23]


# -- lines that name no moment -------------------------------------------------------------------


def counted(*lines: str) -> list[tuple[object, object, dict[str, float]]]:
    reader = CountedLines()
    for line in lines:
        reader.take(line.encode())
    return [(row.epoch, row.step, dict(row.values)) for row in reader.rows()]


def test_a_number_and_a_value_a_line_are_the_losses_of_epochs() -> None:
    falling = [f"{at} {1.0 / (at + 1):.3f}" for at in range(6)]
    assert counted(*falling)[:2] == [(0, None, {"loss": 1.0}), (1, None, {"loss": 0.5})]
    assert counted(*falling[:4]) == []  # too few to be anything
    rising = [f"({at}, {at / 10})" for at in range(1, 6)]
    assert counted(*rising)[0] == (1, None, {"value": 0.1})
    assert counted(*rising, "some words") == counted(*rising)


def test_numbers_that_do_not_count_up_from_the_beginning_are_of_something_else() -> None:
    assert counted(*(f"{at} 0.5" for at in range(2, 9))) == []
    assert counted(*(f"{at} 0.5" for at in (1, 2, 3, 4, 5, 7))) == []
    assert counted(*(f"{at} 0.5" for at in (1, 2, 3, 4, 5, 1))) == []
    assert counted(*(f"{at} {'0.5':>90}" for at in range(1, 9))) == []


# -- lines above their epoch ---------------------------------------------------------------------


def test_a_line_above_the_first_epoch_shows_that_such_lines_belong_to_the_next() -> None:
    ahead = LinesAhead()
    assert not ahead.holds(b"bar")
    assert ahead.takes(b"bar")
    ahead.keep(b"bar nan", b"bar 1")
    assert ahead.holds(b"bar ")  # of nan, the letters are no part of a shape
    assert ahead.named(has_values=True) == {}  # the first tells the shape alone
    assert ahead.expected
    assert ahead.takes(b"bar ")
    assert not ahead.takes(b"another")
    ahead.keep(b"bar ", b"bar 2")
    assert ahead.named(has_values=True) == {b"bar ": b"bar 2"}
    assert ahead.expected


def test_where_the_line_of_the_epoch_says_nothing_or_comes_every_batch_they_do_not() -> None:
    silent = LinesAhead()
    silent.keep(b"bar ", b"bar 1")
    silent.named(has_values=False)
    assert not silent.expected
    assert not silent.takes(b"bar ")
    batches = LinesAhead()
    batches.keep(b"bar ", b"bar 1")
    batches.named(has_values=True)
    batches.again()
    batches.again()
    assert batches.expected
    batches.again()
    assert not batches.expected
