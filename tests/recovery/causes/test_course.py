"""Rates over a run, and where they jump."""

from __future__ import annotations

import math

import pytest

from ckptdoctor.recovery.causes.course import RateCourse
from tests.each import each


def course(*rates: float) -> RateCourse:
    return RateCourse(tuple(enumerate(rates, start=1)))


WARM_UP = [1e-5, 0.02, 0.04, 0.06, 0.08, 0.1]
COSINE = [0.1 * 0.5 * (1 + math.cos(math.pi * at / 10)) for at in range(10)]


@pytest.mark.parametrize(
    ("rates", "at"),
    [
        ([0.1] * 6 + [3.0] * 4, 7),  # gamma of 30
        ([0.1, 0.09, 0.08, 0.07, 0.5, 0.45], 5),  # a resume at the full rate
        ([0.01, 0.02, 0.03, 0.6, 0.6], 4),  # out of a warm-up
        ([*COSINE, 1.2, 1.17], 11),  # a cycle many times the first
    ],
)
def test_a_jump_is_found_where_it_is(rates: list[float], at: int) -> None:
    jumps = course(*rates).jumps()
    assert [jump.at for jump in jumps] == [at]
    assert jumps[0].times == pytest.approx(rates[at - 1] / rates[at - 2])


@each(
    "rates",
    [
        WARM_UP,
        [*WARM_UP, *COSINE[1:]],
        [0.004, 0.015, 0.045, 0.08, 0.1, 0.09],  # one cycle of few epochs
        [0.1, 0.03, 0.01, 0.003],
        [0.1] * 8,
        [],
        [0.1],
    ],
)
def test_no_schedule_jumps(rates: list[float]) -> None:
    assert course(*rates).jumps() == []


def test_before_and_behind_a_position() -> None:
    rates = course(1.0, 2.0, 3.0, 4.0)
    assert rates.until(3).last == 2.0
    assert rates.since(3).rates == ((3, 3.0), (4, 4.0))
    assert (rates.top, rates.lowest) == (4.0, 1.0)
    assert rates.is_rising
    assert not course(1.0, 2.0, 1.5).is_rising
    assert not course(1.0, 1.0).is_rising
