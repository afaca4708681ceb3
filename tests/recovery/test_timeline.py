"""Epochs to a target, where the run's own pace carries an estimate."""

from __future__ import annotations

import pytest

from ckptdoctor.histories import History, Point
from ckptdoctor.metadata import Mode, Source
from ckptdoctor.recovery.timeline import timeline_of


def history(values: list[float], mode: Mode = Mode.MAX, epoch_s: float | None = None) -> History:
    points = tuple(
        Point(at=epoch, epoch=epoch, value=value, source=Source.LOG)
        for epoch, value in enumerate(values, start=1)
    )
    return History(metric="iou", mode=mode, points=points, epoch_s=epoch_s)


def test_a_steady_pace() -> None:
    found = timeline_of(history([0.5 + e / 100 for e in range(21)], epoch_s=60.0), 21, 0.8)
    assert (found.low, found.high, found.epoch_s) == (10, 10, 60.0)
    assert "quartiles" in found.method


def test_a_pace_that_slows_down_is_a_range() -> None:
    values = [0.7 * (1 - 0.9**e) for e in range(1, 25)]
    found = timeline_of(history(values), 24, 0.68)
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < found.high


def test_a_loss_falls() -> None:
    found = timeline_of(history([1.0 - e / 50 for e in range(20)], Mode.MIN), 20, 0.42)
    assert (found.low, found.high) == (10, 10)


def test_what_lies_behind_the_checkpoint_does_not_count() -> None:
    values = [0.5 + e / 100 for e in range(15)] + [0.01] * 5
    assert timeline_of(history(values), 15, 0.74).low == 10


@pytest.mark.parametrize(
    ("values", "start", "target", "why"),
    [
        ([0.5, 0.6], 2, 0.9, "too few"),
        ([0.5] * 20, 20, 0.9, "hardly rising"),
        ([0.5 - e / 100 for e in range(20)], 20, 0.9, "hardly rising"),
        ([0.5 + e / 10_000 for e in range(20)], 20, 0.9, "hardly rising"),
        ([0.5 + e / 100 for e in range(20)], None, 0.9, "not known"),
    ],
)
def test_where_the_data_does_not_carry_one(
    values: list[float], start: int | None, target: float, why: str
) -> None:
    found = timeline_of(history(values), start, target)
    assert (found.low, found.high) == (None, None)
    assert why in found.method
    assert timeline_of(None, 5, 0.9).low is None


def test_a_target_that_was_reached() -> None:
    found = timeline_of(history([0.5 + e / 100 for e in range(20)]), 20, 0.6)
    assert (found.low, found.high) == (0, 0)


def test_a_slow_end_may_never_get_there() -> None:
    values = [0.5 + e / 100 for e in range(10)] + [0.59, 0.591, 0.589, 0.59] * 3
    found = timeline_of(history(values), 22, 0.65)
    assert found.low is not None
    assert found.high is None
