"""Values that stand still to the last digit: when that is no chance any more."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from ckptdoctor.histories import Clock
from ckptdoctor.runs.trend.standstill import Standstill

FINE = [0.5012, 0.5134, 0.5101, 0.5235, 0.5342, 0.5298, 0.5401, 0.5512, 0.5467, 0.5555, 0.5678]
"""Moves by a hundred times what is printed."""


def told(
    values: Sequence[float],
    *,
    name: str = "val_iou",
    clock: Clock = Clock.EPOCH,
    losses: Sequence[float] = (),
) -> list[int]:
    """After how many same values it was told, each time."""
    watch = Standstill(name, clock)
    found = []
    for at, value in enumerate(values):
        row = {name: value} | ({"loss": losses[at]} if losses else {})
        many = watch.update(row)
        if many is not None:
            found.append(many)
    return found


def test_nan_stands_for_nothing() -> None:
    """One that is read out of JSON is the same object each time, which a list finds equal."""
    assert told([*FINE, *[math.nan] * 60]) == []


def test_it_is_told_once_after_six() -> None:
    assert told([*FINE, *[0.5701] * 5]) == []
    assert told([*FINE, *[0.5701] * 6]) == [6]
    assert told([*FINE, *[0.5701] * 60]) == [6]
    assert told([*FINE, *[0.5701] * 6, 0.6, *[0.5902] * 6]) == [6, 6]


def test_a_value_that_changes_begins_it_anew() -> None:
    assert told([*FINE, *[0.5701] * 5, 0.5702, *[0.5701] * 5]) == []


def test_all_losses_have_to_stand_too() -> None:
    values = [*FINE, *[0.5701] * 8]
    still = [*(1.0 - one for one in FINE), *[0.4123] * 8]
    assert told(values, losses=still) == [6]
    moving = [1.0 - 0.0123 * at for at in range(len(values))]
    assert told(values, losses=moving) == []


def test_a_loss_alone_is_not_what_the_run_is_judged_by() -> None:
    watch = Standstill("val_iou", Clock.EPOCH)
    assert [watch.update({"loss": 0.5123}) for _ in range(20)] == [None] * 20
    assert [watch.update({"lr": 0.1}) for _ in range(20)] == [None] * 20


@pytest.mark.parametrize("end", [0.0, 1.0, 100.0])
def test_nothing_and_all_are_ends_where_a_score_may_stay(end: float) -> None:
    assert told([*FINE, *[end] * 40]) == []


def test_the_fewer_digits_are_printed_the_longer_it_takes() -> None:
    coarse = [0.50, 0.53, 0.51, 0.55, 0.52, 0.56, 0.54, 0.58, 0.55, 0.59, 0.56]
    (many,) = told([*coarse, *[0.58] * 40])
    assert 6 < many < 20
    hidden = [0.50, 0.51, 0.50, 0.51, 0.52, 0.51, 0.52, 0.53, 0.52, 0.53, 0.52]
    assert told([*hidden, *[0.52] * 60]) == []  # it moves by no more than is printed


def test_the_last_moves_count_for_themselves() -> None:
    """What converges moves less and less, and stands in the end."""
    calm = [0.10, 0.20, 0.30, 0.40, 0.50, 0.60, 0.70, 0.80, 0.81, 0.82, 0.83]
    assert told([*calm, *[0.83] * 60]) == []


def test_ten_moves_count_and_none_before_them() -> None:
    """Five small ones and then five large ones; the small one before those is of no account."""
    small = [0.50, 0.51, 0.52, 0.53, 0.54, 0.55, 0.56]
    large = [0.62, 0.55, 0.63, 0.57, 0.64]
    assert len(told([*small, *large, *[0.64] * 60])) == 1


def test_since_the_beginning_the_digits_have_to_do() -> None:
    assert told([0.5123] * 60) == [6]
    assert told([0.51] * 60) == [15]
    assert told([512.0] * 60) == [15]
    assert told([0.0051] * 60) == [15]


def test_of_steps_a_training_loss_has_to_stand_for_a_hundred() -> None:
    assert told([2.3456] * 150, name="loss", clock=Clock.STEP) == [100]
    assert told([2.3456] * 150, name="val_loss", clock=Clock.STEP) == [6]
    assert told([0.3456] * 150, name="val_iou", clock=Clock.STEP) == [6]
    assert told([2.3456] * 150, name="loss") == [6]
