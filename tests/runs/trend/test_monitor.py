"""A run epoch by epoch, and what is said of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.history import AlarmKind
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.decline import DeclineDetector
from ckptdoctor.runs.trend.monitor import Monitor
from ckptdoctor.runs.trend.noise import deviation, noise_of

SOUND = [0.50 + at / 500 for at in range(12)]


def alarms(
    values: list[dict[str, float]], mode: Mode = Mode.MAX, metric: str = "iou", first: int = 80
) -> list[tuple[int, AlarmKind]]:
    monitor = Monitor(metric, mode)
    return [
        (at, alarm.kind)
        for at, row in enumerate(values)
        for alarm in monitor.update(first + at, row)
    ]


def ious(*values: float) -> list[dict[str, float]]:
    return [{"iou": value} for value in values]


def test_the_guides_own_examples() -> None:
    healthy = [{"Loss": 0.2234, "iou": 0.6434}, {"Loss": 0.2198, "iou": 0.6467}]
    assert alarms(healthy) == []
    warning = ious(*SOUND, 0.5101, 0.4834, 0.4500)
    assert alarms(warning) == [(14, AlarmKind.DECLINE)]
    explosion = [{"Loss": 0.2234, "iou": 0.6434}, {"Loss": 15.3456, "iou": 0.0123}]
    assert alarms(explosion) == [(1, AlarmKind.EXPLOSION), (1, AlarmKind.COLLAPSE)]


@pytest.mark.parametrize(
    ("rows", "kinds"),
    [
        (ious(*SOUND, math.nan), [AlarmKind.NON_FINITE]),
        ([{"loss": 0.5}, {"loss": math.inf}, {"loss": math.nan}], [AlarmKind.NON_FINITE]),
        ([{"loss": 0.0, "grad_norm": math.nan}], [AlarmKind.NON_FINITE]),
        (ious(math.nan, math.nan, 0.5, 0.6), []),  # a metric that was not computed at first
        (ious(*SOUND, 0.1, 0.1, 0.1), [AlarmKind.COLLAPSE]),
        (ious(*SOUND, *[0.123] * 8), [AlarmKind.COLLAPSE, AlarmKind.FROZEN]),
        (ious(*SOUND, *[1.0] * 8), []),  # as good as it gets
        ([{"other": 5.0}, {"other": math.nan}], []),
        ([{"loss": -1.0 - at / 100} for at in range(8)] + [{"loss": 30.0}], [AlarmKind.EXPLOSION]),
    ],
)
def test_what_is_told(rows: list[dict[str, float]], kinds: list[AlarmKind]) -> None:
    assert [kind for _, kind in alarms(rows)] == kinds


def test_a_loss_that_is_the_metric_and_stays_high() -> None:
    falling = [{"val_loss": 1.0 - at / 50} for at in range(12)]
    risen = [{"val_loss": 2.5}, {"val_loss": 2.4}]
    told = alarms([*falling, *risen], Mode.MIN, "val_loss")
    assert told == [(13, AlarmKind.COLLAPSE)]
    spike = [{"val_loss": 2.5}, {"val_loss": 0.77}]
    assert alarms([*falling, *spike], Mode.MIN, "val_loss") == []


def test_a_young_score_near_zero_jumps_about() -> None:
    young = ious(0.02, 0.008, 0.03, 0.011, 0.024, 0.05, 0.1, 0.2)
    assert alarms(young, first=0) == []
    assert alarms(ious(0.5, 0.1), first=80) == [(1, AlarmKind.COLLAPSE)]


def test_a_restart_goes_on_from_what_was_known() -> None:
    monitor = Monitor("iou", Mode.MAX)
    for at, value in enumerate(SOUND):
        assert monitor.update(80 + at, {"iou": value}) == []
    told = [
        alarm.kind
        for at, value in enumerate((0.521, 0.520, 0.519, 0.518))
        for alarm in monitor.update(88 + at, {"iou": value})
    ]
    assert told == [AlarmKind.DECLINE], "right after a change the rule of three stands alone"


def test_a_dip_that_the_metric_came_back_from_before_is_no_decline() -> None:
    dip = [0.50, 0.47, 0.46, 0.455, 0.47, 0.49]
    values = [*SOUND, *dip, *(0.53 + at / 500 for at in range(8))]
    first = alarms(ious(*values))
    again = alarms(ious(*values, *(value + 0.03 for value in dip)))
    assert again == first, "the second dip is no deeper"


def test_noise_is_that_of_one_value() -> None:
    assert noise_of([1.0, 2.0]) is None
    assert noise_of([float(at) for at in range(20)]) == 0.0, "a straight line has none"
    assert deviation([]) == deviation([1.0]) == 0.0
    jumpy = noise_of([0.0, 1.0] * 10)
    assert jumpy is not None
    assert 0.5 < jumpy < 2.0


@given(st.lists(st.floats(-1e6, 1e6), max_size=60), st.booleans())
def test_any_course_can_be_taken(values: list[float], young: bool) -> None:
    detector = DeclineDetector(young=young)
    told = [found for value in values if (found := detector.update(value)) is not None]
    for found in told:
        assert 0 <= found.best < found.at < len(values)
        assert values[found.at] < values[found.best]


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["iou", "loss", "grad_norm"]), st.floats(), max_size=3),
        max_size=30,
    ),
    st.sampled_from(list(Mode)),
)
def test_no_values_are_fatal(rows: list[dict[str, float]], mode: Mode) -> None:
    for at, kind in alarms(rows, mode):
        assert kind in AlarmKind
        assert 0 <= at < len(rows)
