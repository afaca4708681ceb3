"""A sudden, lasting fall to another level, and what only looks like one."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.histories import AlarmKind, Shift
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.lasting import came_back
from ckptdoctor.runs.trend.monitor import Monitor
from ckptdoctor.runs.trend.shift import ShiftDetector
from ckptdoctor.runs.trend.trend import trend_of


def level(value: float, count: int, noise: float, seed: int = 0) -> list[float]:
    rng = random.Random(seed)
    return [value + rng.gauss(0.0, noise) for _ in range(count)]


def learning(top: float, count: int, noise: float = 0.003) -> list[float]:
    rng = random.Random(1)
    return [
        top - 0.6 * top * math.exp(-5 * at / count) + rng.gauss(0.0, noise) for at in range(count)
    ]


GOOD = learning(0.902, 30)


def told(values: list[float], mode: Mode = Mode.MAX, rates: list[float] | None = None) -> list[int]:
    detector = ShiftDetector(mode)
    given_rates: list[float | None] = [*rates] if rates else [None] * len(values)
    return [
        at
        for at, (value, rate) in enumerate(zip(values, given_rates, strict=True))
        if detector.update(value, rate) is not None
    ]


@pytest.mark.parametrize("floor", [0.82, 0.70, 0.47])
def test_it_is_told_with_the_second_value_at_the_new_level(floor: float) -> None:
    fallen = [*GOOD, *level(floor, 10, 0.003, seed=2)]
    assert told(fallen) == [31]
    assert told(fallen[:31]) == [], "one value is an outlier still"
    trend = trend_of(dict(enumerate(fallen)), Mode.MAX)
    assert trend.shift is not None
    assert trend.shift.at == 30
    assert trend.shift.before == pytest.approx(0.90, abs=0.01)
    assert trend.shift.after == pytest.approx(floor, abs=0.01)
    assert trend.decline is None, "a new level is no decline"
    assert trend.speaks_against(35) == "since the fall at 30"
    assert trend.speaks_against(29) == ""


def test_a_large_fall_may_take_two_steps() -> None:
    assert told([*GOOD, 0.7, *level(0.47, 6, 0.003)]) == [32]


def test_a_loss_counts_by_its_factor() -> None:
    falling = [3.0 * math.exp(-at / 12) + 0.05 for at in range(40)]
    assert told([*falling, *level(0.26, 5, 0.002)], Mode.MIN) == [41]
    assert told([*falling, 0.16, 0.16, 0.16], Mode.MIN) == [], "6 % more is nothing"


def test_below_zero_it_counts_by_what_was_gained() -> None:
    loss = [-16.0 + 12 * math.exp(-at / 8) for at in range(35)]
    assert told([*loss, -12.1, -12.0, -12.2], Mode.MIN) == [36]
    assert told([*loss, -15.6, -15.6, -15.6], Mode.MIN) == []


def test_the_run_itself_is_told_of_live() -> None:
    monitor = Monitor("acc", Mode.MAX)
    values = [*GOOD, *level(0.82, 10, 0.003)]
    alarms = [
        alarm
        for epoch, value in enumerate(values, start=1)
        for alarm in monitor.update(epoch, {"acc": value})
    ]
    (alarm,) = (alarm for alarm in alarms if alarm.kind is AlarmKind.SHIFT)
    assert (alarm.at, alarm.since) == (32, 31)
    assert alarm.message.startswith("acc fell from 0.8")
    assert alarm.message.endswith("at epoch 31 and stays there")
    assert not came_back(alarm, GOOD, values[32:], Mode.MAX)
    assert came_back(alarm, GOOD, [0.87], Mode.MAX)


def test_a_decline_from_the_new_level_is_one() -> None:
    values = [*GOOD, *level(0.8, 16, 0.003), *(0.79 - 0.012 * at for at in range(8))]
    trend = trend_of(dict(enumerate(values)), Mode.MAX)
    assert trend.shift is not None
    assert trend.decline is not None
    assert trend.decline[0] > 30
    assert trend.decline[1] == len(values) - 1
    monitor = Monitor("acc", Mode.MAX)
    alarms = [
        alarm
        for epoch, value in enumerate(values)
        for alarm in monitor.update(epoch, {"acc": value})
    ]
    assert [alarm.kind for alarm in alarms] == [AlarmKind.SHIFT, AlarmKind.DECLINE]
    assert alarms[1].since >= 30


def test_what_falls_further_is_a_collapse_and_not_told_twice() -> None:
    monitor = Monitor("acc", Mode.MAX)
    values = [*GOOD, *level(0.1, 10, 0.003)]
    kinds = [
        alarm.kind
        for epoch, value in enumerate(values, start=1)
        for alarm in monitor.update(epoch, {"acc": value})
    ]
    assert kinds == [AlarmKind.COLLAPSE]


# -- what is none --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        [*GOOD, 0.6, 0.901, 0.9],  # one bad epoch
        [*GOOD, 0.80, 0.84, 0.87, 0.885, 0.9],  # it climbs already
        [*GOOD, *(0.9 - 0.004 * at for at in range(12))],  # a slow decline
        level(0.9, 60, 0.004),
        [*level(0.5, 20, 0.05), *level(0.4, 10, 0.05)],  # two deviations
    ],
)
def test_what_is_none(values: list[float]) -> None:
    assert told(values) == []


def test_a_loss_that_stays_at_more_than_twice_has_collapsed() -> None:
    falling = [1.4 - at / 40 for at in range(30)]
    high = dict(enumerate([*falling, *level(1.9, 5, 0.01)]))
    trend = trend_of(high, Mode.MIN)
    assert (trend.best, trend.collapse, trend.shift) == (29, 30, None)
    assert trend_of({**high, 35: 0.68}, Mode.MIN).collapse is None
    monitor = Monitor("val_loss", Mode.MIN)
    live = [a for at, value in high.items() for a in monitor.update(at, {"val_loss": value})]
    assert next(alarm.kind for alarm in live) is AlarmKind.COLLAPSE


def test_what_came_back_does_not_stand() -> None:
    away = [*GOOD, *level(0.8, 6, 0.003)]
    assert trend_of(dict(enumerate(away)), Mode.MAX).shift is not None
    assert trend_of(dict(enumerate([*away, *level(0.9, 4, 0.003)])), Mode.MAX).shift is None


def test_a_dip_like_one_before_counts_only_if_it_lasts_longer() -> None:
    dip = [*level(0.81, 7, 0.002), *level(0.9, 12, 0.003)]
    cycles = [*GOOD, *dip, *dip]
    assert told(cycles) == [31], "the second restart is known"
    stuck = [*cycles, *level(0.81, 25, 0.002)]
    late = told(stuck)[1:]
    assert len(late) == 1
    assert len(cycles) + 7 < late[0] < len(cycles) + 20
    deeper = [*cycles, *level(0.7, 3, 0.002)]
    assert told(deeper)[1:] == [len(cycles) + 1]


def test_a_rate_that_rises_with_the_fall_has_time_to_come_down() -> None:
    fall = level(0.81, 12, 0.002)
    schedule = [1e-3 * (1 - at / 30) + 1e-5 for at in range(30)]
    again = [1e-3 * (1 - at / 12) for at in range(12)]
    assert told([*GOOD, *fall], rates=[*schedule, *again])[:1] != [31]
    assert told([*GOOD, *fall], rates=[*schedule, *([schedule[-1]] * 12)]) == [31]
    stays = [*again, *([1e-5] * 3)]
    late = told([*GOOD, *fall, *level(0.81, 3, 0.002)], rates=[*schedule, *stays])
    assert len(late) == 1
    assert late[0] > 38


def test_it_stands_until_half_of_it_is_made_up_for() -> None:
    values = dict(enumerate([*GOOD, *level(0.8, 8, 0.002), 0.83]))
    shift = trend_of(values, Mode.MAX).shift
    assert isinstance(shift, Shift)
    assert trend_of({**values, 60: 0.87}, Mode.MAX).shift is None


@given(
    st.lists(st.floats(-1e300, 1e300), max_size=60),
    st.sampled_from(Mode),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_any_course_can_be_taken(values: list[float], mode: Mode, rate: float | None) -> None:
    detector = ShiftDetector(mode)
    for count, value in enumerate(values, start=1):
        found = detector.update(value, rate)
        if found is not None:
            assert 0 < found.at < count
            assert found.after < found.before if mode is Mode.MAX else found.after > found.before
