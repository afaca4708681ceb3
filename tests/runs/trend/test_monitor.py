"""A run epoch by epoch, and what is said of it."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.histories import AlarmKind, Clock
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.decline import DeclineDetector
from ckptdoctor.runs.trend.monitor import Monitor
from ckptdoctor.runs.trend.noise import deviation, noise_of
from tests.each import each

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


@each(
    ("rows", "kinds"),
    [
        (ious(*SOUND, math.nan), [AlarmKind.NON_FINITE]),
        ([{"loss": 0.5}, {"loss": math.inf}, {"loss": math.nan}], [AlarmKind.NON_FINITE]),
        ([{"loss": 0.0, "grad_norm": math.nan}], [AlarmKind.NON_FINITE]),
        (ious(math.nan, math.nan, 0.5, 0.6), []),  # a metric that was not computed at first
        (ious(*SOUND, 0.1, 0.1, 0.1), [AlarmKind.COLLAPSE]),
        (ious(*SOUND, *[0.1234] * 8), [AlarmKind.COLLAPSE, AlarmKind.FROZEN]),
        (ious(*SOUND, *[1.0] * 8), []),  # as good as it gets
        ([{"other": 5.0}, {"other": math.nan}], []),
        ([{"loss": -1.0 - at / 100} for at in range(8)] + [{"loss": 30.0}], [AlarmKind.EXPLOSION]),
    ],
)
def test_what_is_told(rows: list[dict[str, float]], kinds: list[AlarmKind]) -> None:
    assert [kind for _, kind in alarms(rows)] == kinds


def test_all_that_goes_wrong_at_one_position_is_told() -> None:
    row = {"iou": 0.5, "loss": 0.5, "val_loss": 0.6, "lr": 0.1, "loss_scale": 65536.0}
    rows = [row | {"iou": 0.5 + 0.01 * at, "loss": 1.0 - 0.05 * at} for at in range(10)]
    bad = {"iou": 0.01, "loss": math.nan, "val_loss": 99.0, "lr": 9.0, "loss_scale": 1.0}
    assert alarms([*rows, bad]) == [
        (10, AlarmKind.NON_FINITE),
        (10, AlarmKind.EXPLOSION),
        (10, AlarmKind.COLLAPSE),
        (10, AlarmKind.SCALE),
        (10, AlarmKind.RATE),
    ]


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


# -- loss scales, few digits, games --------------------------------------------------------------


def scales(*values: float, name: str = "loss_scale") -> list[tuple[int, AlarmKind]]:
    return alarms([{name: value} for value in values])


def test_a_loss_scale_that_fell_to_its_end_is_told_once() -> None:
    fallen = [2.0**n for n in range(16, -1, -1)]
    assert scales(*fallen, 1.0, 1.0) == [(16, AlarmKind.SCALE)]
    assert scales(*fallen, 2.0, 1.0) == [(16, AlarmKind.SCALE), (18, AlarmKind.SCALE)]
    assert scales(*fallen[:-1]) == [], "not there yet"


def test_a_scale_that_was_never_more_is_not_scaled() -> None:
    assert scales(1.0, 1.0, 1.0) == []
    assert scales(0.5, 1.0) == []


def test_what_a_scaler_falls_to_is_told_without_what_it_was() -> None:
    assert scales(1.0, name="reduced loss scale") == [(0, AlarmKind.SCALE)]
    assert scales(2.0, name="reduced loss scale") == []


def test_the_scale_that_a_name_only_begins_with_is_none() -> None:
    assert scales(8.0, 1.0, name="loss_scaler_growth") == []
    assert scales(8.0, 1.0, name="amp/loss scale") == [(1, AlarmKind.SCALE)]


def still(value: float, count: int) -> list[AlarmKind]:
    rows = [{"iou": 0.4 + at / 100} for at in range(3)] + [{"iou": value}] * count
    return [kind for _, kind in alarms(rows)]


def test_few_digits_do_not_stand_still_so_soon() -> None:
    assert still(0.4321, 5) == []
    assert still(0.4321, 6) == [AlarmKind.FROZEN]
    assert still(0.43, 14) == []
    assert still(0.43, 15) == [AlarmKind.FROZEN]


def test_the_loss_of_a_step_may_come_again_for_long() -> None:
    monitor = Monitor("loss", Mode.MIN, Clock.STEP)
    told = [alarm for at in range(99) for alarm in monitor.update(at, {"loss": 0.4321})]
    assert told == []
    assert [alarm.kind for alarm in monitor.update(99, {"loss": 0.4321})] == [AlarmKind.FROZEN]
    validated = Monitor("val_loss", Mode.MIN, Clock.STEP)
    told = [alarm for at in range(6) for alarm in validated.update(at, {"val_loss": 0.4321})]
    assert [alarm.at for alarm in told] == [5]


@each(
    "name",
    ["surrogate_loss", "policy_loss", "actor_loss", "entropy_loss", "critic loss", "g_gan_loss"],
)
def test_the_losses_of_a_game_float_about(name: str) -> None:
    assert alarms([{name: value} for value in (0.5, 0.4, 0.5, 0.4, 0.5, 90.0)]) == []
    assert alarms([{name: value} for value in (0.5, 0.4, math.nan)]) == [(2, AlarmKind.NON_FINITE)]


def test_a_loss_that_stays_worse_than_at_its_start_has_exploded() -> None:
    trained = [{"loss": 1.45 - 0.25 * (1 - 0.9**n)} for n in range(30)]
    lost = [{"loss": 9.8}] * 3
    assert alarms([*trained, *lost]) == [(32, AlarmKind.EXPLOSION)]
    assert alarms([*trained, *lost[:2], *trained[-5:], *lost[:2]]) == []
    assert alarms([{"loss": 10.4}, *trained, *lost]) == []  # where it began


def test_a_loss_whose_name_only_holds_such_letters_explodes() -> None:
    rows = [{"loss/organ_total": value} for value in (0.5, 0.4, 0.5, 0.4, 0.5, 90.0)]
    assert alarms(rows) == [(5, AlarmKind.EXPLOSION)]


def test_a_name_that_has_to_be_finite_although_it_says_nothing() -> None:
    monitor = Monitor("", also=["G_GAN"])
    told = [
        alarm.name
        for at, value in enumerate((0.5, math.nan, math.nan))
        for alarm in monitor.update(at, {"G_GAN": value, "other": value})
    ]
    assert told == ["G_GAN"]
