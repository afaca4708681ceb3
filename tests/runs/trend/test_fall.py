"""What is lost, also of metrics that are negative or cross zero; and what counts as come back."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.histories import AlarmKind
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.fall import Gained, is_back, is_fall, is_risen
from ckptdoctor.runs.trend.monitor import Monitor
from ckptdoctor.runs.trend.trend import trend_of
from tests.each import each


def told(values: list[float], mode: Mode, first: int = 1) -> list[tuple[int, AlarmKind]]:
    monitor = Monitor("score", mode)
    return [
        (at, alarm.kind)
        for at, value in enumerate(values)
        for alarm in monitor.update(first + at, {"score": value})
    ]


def saturating(start: float, end: float, count: int, noise: float = 0.0) -> list[float]:
    rng = random.Random(3)
    return [
        end + (start - end) * math.exp(-3 * at / count) + rng.gauss(0.0, noise)
        for at in range(count)
    ]


SI_SNR_LOSS = saturating(-3.0, -15.0, 14, 0.15)
ELBO = saturating(-900.0, -90.0, 20, 1.5)
REWARD = saturating(-210.0, 25.0, 30, 6.0)


@each(
    ("sound", "fallen", "mode"),
    [
        (SI_SNR_LOSS, [2.1, 2.0], Mode.MIN),  # from below zero to above
        (SI_SNR_LOSS, [-4.0, -3.9], Mode.MIN),  # still negative, most is lost
        (ELBO, [-800.0, -790.0], Mode.MAX),
        ([-value for value in ELBO], [790.0 * 2, 790.0 * 2], Mode.MIN),  # a positive loss, as ever
        (REWARD, [-190.0, -180.0], Mode.MAX),
        ([-1e6, -4e3, -700.0, *ELBO], [-3000.0, -2900.0], Mode.MAX),  # the first values are huge
    ],
)
def test_a_collapse_below_zero(sound: list[float], fallen: list[float], mode: Mode) -> None:
    values = [*sound, *fallen]
    assert (len(sound), AlarmKind.COLLAPSE) in told(values, mode)
    assert trend_of(dict(enumerate(values, start=1)), mode).collapse == len(sound) + 1
    assert [kind for _, kind in told(sound, mode)] == []
    assert trend_of(dict(enumerate(sound, start=1)), mode).collapse is None


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        ([*REWARD, 12.0, 4.0, 18.0], Mode.MAX),  # a third of the best, a tenth of the way
        ([*SI_SNR_LOSS, -12.5, -14.9], Mode.MIN),
        ([-0.3, 0.2, -0.1, 0.25, -0.2, 0.1, 0.3, -0.25, 0.2], Mode.MAX),  # noise about zero
        ([-0.69, -0.2, -0.05, -0.1, -0.03, -0.06, -0.02], Mode.MAX),
    ],
)
def test_no_collapse_below_zero(values: list[float], mode: Mode) -> None:
    assert AlarmKind.COLLAPSE not in [kind for _, kind in told(values, mode)]
    assert trend_of(dict(enumerate(values, start=1)), mode).collapse is None


def test_a_run_that_goes_on_from_a_plateau_is_judged_by_its_values() -> None:
    plateau = [-14.02, -14.0, -14.05, -13.98, -14.01]
    resumed = {80 + at: value for at, value in enumerate([*plateau, -2.0, -2.1])}
    assert trend_of(resumed, Mode.MIN).collapse == 85


@pytest.mark.parametrize(
    ("blown", "kinds"),
    [([3.5, 3.6], [AlarmKind.EXPLOSION]), ([-9.0, -9.0], []), ([-14.9, -14.8], [])],
)
def test_an_explosion_of_a_loss_below_zero(blown: list[float], kinds: list[AlarmKind]) -> None:
    monitor = Monitor("", Mode.MIN)
    rows = [{"train_loss": value} for value in (*SI_SNR_LOSS, *blown)]
    found = [alarm for at, row in enumerate(rows) for alarm in monitor.update(at, row)]
    assert [alarm.kind for alarm in found] == kinds
    assert all(alarm.at == len(SI_SNR_LOSS) for alarm in found)


def test_a_run_that_came_back_has_not_collapsed() -> None:
    story = [0.60, 0.61, 0.62, 0.625, 0.63, 0.64, 0.01, 0.3, 0.62]
    assert trend_of(dict(enumerate(story, start=80)), Mode.MAX).collapse is None
    assert trend_of(dict(enumerate(story[:-1], start=80)), Mode.MAX).collapse == 86
    again = [*story, 0.02]
    assert trend_of(dict(enumerate(again, start=80)), Mode.MAX).collapse == 89
    loss = [0.30, 0.2, 0.15, 0.12, 0.11, 0.10, 4.0, 0.9, 0.11]
    assert trend_of(dict(enumerate(loss, start=80)), Mode.MIN).collapse is None
    assert trend_of(dict(enumerate(loss[:-1], start=80)), Mode.MIN).collapse == 86


def test_a_decline_that_was_made_up_for_is_none() -> None:
    declined = [0.50, 0.60, 0.59, 0.57, 0.54, 0.52]
    assert trend_of(dict(enumerate(declined, start=80)), Mode.MAX).decline == (82, 85)
    back = [*declined, 0.56, 0.597]
    assert trend_of(dict(enumerate(back, start=80)), Mode.MAX).decline is None


@each(
    ("value", "best", "mode", "is_one"),
    [
        (0.29, 0.6, Mode.MAX, True),
        (0.31, 0.6, Mode.MAX, False),
        (6.1, 0.6, Mode.MIN, True),
        (5.9, 0.6, Mode.MIN, False),
        (-5.0, 0.0, Mode.MAX, False),  # shares say nothing of what is not above zero
        (-5.0, -1.0, Mode.MAX, False),
        (5.0, 0.0, Mode.MIN, False),
        (5.0, -1.0, Mode.MIN, False),
    ],
)
def test_a_fall_is_half_of_the_best_or_ten_times_it(
    value: float, best: float, mode: Mode, *, is_one: bool
) -> None:
    assert is_fall(value, best, mode) is is_one


def test_what_stands_at_twice_what_is_usual_has_risen_where_less_is_better() -> None:
    risen = [is_risen(value, 0.5, Mode.MIN) for value in (0.9, 1.0, 1.1)]
    assert risen == [False, False, True]
    assert not is_risen(1.1, 0.5, Mode.MAX)
    assert not is_risen(1.1, 0.0, Mode.MIN)
    assert not is_risen(1.1, -0.5, Mode.MIN)


def test_what_a_run_came_back_from_before_it_may_come_back_from_again() -> None:
    gained = Gained(Mode.MAX)
    for at in range(40):
        gained.update(-100.0 if at == 20 else -100.0 + 2 * at)  # 38 below the best before
    assert not gained.is_lost(-75.0, young=False)  # 53 below, and half of what was gained is 39
    assert gained.is_lost(-85.0, young=False)


def test_back_is_within_the_noise_or_nine_tenths_of_the_way() -> None:
    still = [0.8, 0.8, 0.8]
    noisy = [0.8 + 0.02 * (-1) ** at for at in range(12)]

    def back(value: float, before: list[float]) -> bool:
        return is_back(value, best=0.8, lowest=0.7, before=before, mode=Mode.MAX)

    assert [back(value, still) for value in (0.78, 0.791, 0.8)] == [False, True, True]
    assert back(0.76, noisy)


@given(st.lists(st.floats(-1e9, 1e9), max_size=40), st.floats(-1e9, 1e9), st.sampled_from(Mode))
def test_what_is_better_than_everything_is_never_lost(
    values: list[float], value: float, mode: Mode
) -> None:
    gained = Gained(mode)
    for known in values:
        gained.update(known)
    best = max(values, default=value) if mode is Mode.MAX else min(values, default=value)
    if gained.is_lost(value, young=False):
        assert value < best if mode is Mode.MAX else value > best
