"""What a log prints to few digits is neither a standstill nor a change."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from ckptdoctor.histories import Clock
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.fall import is_back
from ckptdoctor.runs.trend.noise import noise_of
from ckptdoctor.runs.trend.resolution import resolution_of
from ckptdoctor.runs.trend.standstill import Standstill
from ckptdoctor.runs.trend.trend import trend_of
from tests.each import each


def converging(seed: int, noise: float) -> list[float]:
    """A score that rises to 0.55 and stays there."""
    rng = random.Random(seed)
    return [0.55 * (1.0 - 0.8 ** (at + 1)) + rng.gauss(0.0, noise) for at in range(80)]


def stood(values: list[float]) -> list[int]:
    watch = Standstill("iou", Clock.EPOCH)
    return [at for at, value in enumerate(values) if watch.update({"iou": value}) is not None]


@each(
    ("values", "expected"),
    [
        ([0.55, 0.5, 0.47], 0.01),
        ([64.1, 63.0], 0.1),
        ([1316.8, 1320.0], 0.1),
        ([100 * 0.549, 100 * 0.5316], 0.01),  # a percentage that a program made of a share
        ([3e-07, 2.5e-07], 1e-08),
        ([], 0.0),
    ],
)
def test_the_last_digit_is_the_resolution(values: list[float], expected: float) -> None:
    assert resolution_of(values) == pytest.approx(expected)


def test_of_a_share_that_is_printed_in_full_it_is_one_sample() -> None:
    right = [13, 21, 22, 20, 25, 24, 26, 25, 27]
    assert resolution_of([count / 30 for count in right]) == pytest.approx(1 / 30)
    rng = random.Random(4)
    assert resolution_of([rng.random() for _ in range(20)]) < 1e-6


@pytest.mark.parametrize("noise", [0.001, 0.004, 0.012])
def test_the_noise_is_that_of_the_values_however_they_are_printed(noise: float) -> None:
    rng = random.Random(7)
    values = [0.6 + rng.gauss(0.0, noise) for _ in range(400)]
    printed = [round(value, 2) for value in values]
    told = noise_of(printed, 0.01)
    assert told is not None
    assert 0.6 * noise <= told <= max(2.0 * noise, 0.004)


def test_a_score_that_the_print_hides_does_not_stand_still() -> None:
    for seed in range(30):
        values = converging(seed, 0.002)
        assert stood([round(value, 2) for value in values]) == []


@pytest.mark.parametrize("digits", [3, 4, 6])
def test_one_that_froze_does(digits: int) -> None:
    values = [round(value, digits) for value in converging(1, 0.006)]
    (at,) = stood([*values[:40], *values[40:41] * 12])
    assert at <= 40 + 12


@pytest.mark.parametrize("printed", [lambda v: round(v, 2), lambda v: float(f"{v:.3g}")])
def test_what_rounding_adds_is_no_fall(printed: Callable[[float], float]) -> None:
    for seed in range(20):
        values = dict(enumerate(map(printed, converging(seed, 0.003)), start=1))
        trend = trend_of(values, Mode.MAX)
        assert (trend.decline, trend.shift, trend.collapse) == (None, None, None)


def test_a_decline_shows_in_two_digits_as_well() -> None:
    values = [round(value, 2) for value in converging(2, 0.002)[:40]]
    values += [round(0.55 - 0.02 * at, 2) for at in range(1, 6)]
    trend = trend_of(dict(enumerate(values, start=1)), Mode.MAX)
    assert trend.decline is not None
    assert trend.decline[1] == 45


def test_the_last_digit_below_the_best_is_as_good_as_back() -> None:
    before = [0.7, 0.7, 0.71, 0.71, 0.71, 0.71, 0.71, 0.71, 0.71, 0.71]
    assert is_back(0.70, best=0.71, lowest=0.66, before=before, mode=Mode.MAX)
    assert not is_back(0.68, best=0.71, lowest=0.66, before=before, mode=Mode.MAX)
