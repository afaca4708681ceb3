"""Whether a run came back from what an alarm told of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from ckptdoctor.histories import Alarm, AlarmKind
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.lasting import came_back
from ckptdoctor.runs.trend.rates import RISE
from tests.each import each

NAN, INF = math.nan, math.inf
GOOD = [0.60, 0.61, 0.62, 0.63, 0.64, 0.645, 0.65]


def back(
    kind: AlarmKind,
    later: Sequence[float],
    *,
    name: str = "val_iou",
    value: float = 0.01,
    before: float | None = 0.65,
    mode: Mode = Mode.MAX,
    past: Sequence[float] = GOOD,
) -> bool:
    alarm = Alarm(
        kind=kind, name=name, at=8, since=8, value=value, before=before, message="it is wrong"
    )
    return came_back(alarm, past, later, mode)


@each("kind", AlarmKind)
def test_nothing_behind_it_and_what_is_not_finite_is_no_recovery(kind: AlarmKind) -> None:
    assert not back(kind, [])
    assert not back(kind, [0.65, NAN])
    assert not back(kind, [0.65, INF])


def test_nan_is_over_once_a_number_comes_but_a_loss_of_nothing_is_no_loss() -> None:
    for name, later, is_back in (
        ("loss", [0.5], True),
        ("loss", [0.0], False),
        ("val_iou", [0.0], True),
        ("loss", [0.0, 0.5], True),
    ):
        assert back(AlarmKind.NON_FINITE, later, name=name, value=NAN) is is_back


@each(
    ("before", "value", "last", "is_back"),
    [
        (1.0, 500.0, 2.9, True),
        (1.0, 500.0, 3.1, False),
        (-1.0, 5.0, 0.9, True),  # a third of the way, of a loss below zero
        (-1.0, 5.0, 1.1, False),
        (0.0, 3.0, 0.9, True),
        (0.0, 3.0, 1.1, False),
        (None, 3.0, 0.9, True),
        (0.0, 0.0, 0.0, True),
    ],
)
def test_an_exploded_loss_is_back_below_three_times_what_was_usual(
    before: float | None, value: float, last: float, is_back: bool
) -> None:
    found = back(AlarmKind.EXPLOSION, [900.0, last], name="loss", value=value, before=before)
    assert found is is_back


def test_a_loss_scale_is_back_once_it_is_larger() -> None:
    assert back(AlarmKind.SCALE, [1.0, 2.0], value=1.0)
    assert not back(AlarmKind.SCALE, [2.0, 1.0], value=1.0)


def test_a_rate_is_back_below_what_would_be_a_rise() -> None:
    assert back(AlarmKind.RATE, [0.1 * RISE * 0.99], before=0.1, value=9.0)
    assert not back(AlarmKind.RATE, [0.1 * RISE], before=0.1, value=9.0)
    assert not back(AlarmKind.RATE, [0.1], before=None, value=9.0)


def test_what_stood_still_is_back_once_it_moves() -> None:
    assert back(AlarmKind.FROZEN, [0.5, 0.51], value=0.5)
    assert not back(AlarmKind.FROZEN, [0.51, 0.5], value=0.5)


@pytest.mark.parametrize("kind", [AlarmKind.DECLINE, AlarmKind.COLLAPSE])
def test_a_fall_is_made_up_once_the_metric_was_as_good_as_before(kind: AlarmKind) -> None:
    assert back(kind, [0.1, 0.3, 0.65, 0.2])
    assert back(kind, [NAN, 0.1, 0.66, 0.2])
    assert not back(kind, [0.1, 0.2, 0.1])
    assert not back(kind, [0.1, 0.65], before=None)
    losses = [1.0, 0.9, 0.8, 0.7, 0.6, 0.55, 0.5]
    low = {"name": "val_loss", "mode": Mode.MIN, "past": losses, "value": 9.0, "before": 0.5}
    assert back(kind, [9.0, 0.5, 4.0], **low)  # type: ignore[arg-type]
    assert not back(kind, [9.0, 8.0], **low)  # type: ignore[arg-type]


def test_a_shift_is_made_up_by_one_value_that_regained_it() -> None:
    assert back(AlarmKind.SHIFT, [0.5, 0.65, 0.5], value=0.5)
    assert not back(AlarmKind.SHIFT, [0.5, 0.51, 0.5], value=0.5)
    assert not back(AlarmKind.SHIFT, [0.65, 0.65], value=0.5, before=None)
