"""How much a metric jumps about: courses of which the noise is known."""

from __future__ import annotations

import random
import statistics

import pytest

from ckptdoctor.runs.trend.noise import deviation, noise_of
from ckptdoctor.runs.trend.resolution import ROUNDED


def course(sigma: float, count: int = 400, slope: float = 0.0, digits: int = 12) -> list[float]:
    chance = random.Random(3)
    return [round(slope * at + chance.gauss(0.0, sigma), digits) for at in range(count)]


def test_it_is_the_standard_deviation_of_one_value() -> None:
    assert noise_of(course(0.01)) == pytest.approx(0.01, rel=0.15)
    assert noise_of(course(3.0)) == pytest.approx(3.0, rel=0.15)


def test_a_slope_and_one_bad_epoch_leave_it_alone() -> None:
    plain = noise_of(course(0.01))
    assert noise_of(course(0.01, slope=0.5)) == pytest.approx(plain)
    bad = course(0.01)
    bad[200] = 50.0
    assert noise_of(bad) == pytest.approx(plain, rel=0.02)


def test_of_too_few_values_nothing_is_said() -> None:
    values = course(0.01)
    assert noise_of(values[:7]) is None
    assert noise_of(values[:8]) is not None
    assert noise_of([]) is None


def test_a_course_without_any_noise_has_none() -> None:
    assert noise_of([0.1 * at for at in range(20)]) == pytest.approx(0.0, abs=1e-12)


def test_what_alternates_is_noise() -> None:
    found = noise_of([0.5, 0.6] * 10)
    assert found == pytest.approx(1.4826 * 0.2 / 6**0.5)


@pytest.mark.parametrize("sigma", [0.004, 0.01, 0.02])
def test_values_printed_to_few_digits_have_the_noise_that_they_had(sigma: float) -> None:
    assert noise_of(course(sigma, digits=2), 0.01) == pytest.approx(sigma, rel=0.35)


def test_it_is_no_less_than_what_rounding_has() -> None:
    assert noise_of([0.5] * 20, 0.01) == pytest.approx(ROUNDED * 0.01)
    assert noise_of([0.5] * 20) == 0.0


def test_the_deviation_is_told_by_the_median_and_not_by_the_farthest() -> None:
    values = course(2.0)
    assert deviation(values) == pytest.approx(statistics.pstdev(values), rel=0.15)
    assert deviation([1.0, 2.0, 3.0, 1e9]) == pytest.approx(1.4826)
    assert deviation([5.0]) == deviation([]) == 0.0
    assert deviation([1.0, 3.0]) == pytest.approx(1.4826)
