"""What a log prints again until the next value is known counts once."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.trend.repeated import printed_again

VALUES = [5.0, 3.0, 2.5, 2.0, 1.9, 1.7, 1.6, 1.5, 1.45, 1.4]


def by_step(values: list[float]) -> dict[int, float]:
    return {100 * (n + 1): value for n, value in enumerate(values)}


@pytest.mark.parametrize("often", [2, 3, 5])
def test_of_values_that_come_several_times_each_counts_once(often: int) -> None:
    series = by_step([value for value in VALUES for _ in range(often)])
    kept = [value for at, value in series.items() if at not in printed_again(series)]
    assert kept == VALUES


def test_the_first_may_begin_in_the_middle_and_the_last_be_unfinished() -> None:
    pairs = [value for value in VALUES for _ in range(2)]
    series = by_step(pairs[1:-1])
    assert [at for at in series if at not in printed_again(series)] == [100, *range(200, 1900, 200)]


def test_a_value_that_stays_is_thinned_as_the_others_are() -> None:
    series = by_step([value for value in VALUES for _ in range(2)] + [0.7] * 40)
    kept = [value for at, value in series.items() if at not in printed_again(series)]
    assert kept == VALUES + [0.7] * 20


def test_a_metric_that_rests_now_and_then_is_left_as_it_is() -> None:
    dice = random.Random(3)
    values = [round(0.7 + dice.gauss(0, 0.004), 2) for _ in range(120)]
    assert any(one == two for one, two in itertools.pairwise(values))
    assert printed_again(by_step(values)) == frozenset()


def test_nan_that_is_printed_twice_each_time_counts_once() -> None:
    series = by_step([value for value in (*VALUES, float("nan")) for _ in range(2)])
    assert max(at for at in series if at not in printed_again(series)) == 100 * (
        2 * len(VALUES) + 1
    )


@given(st.lists(st.floats(allow_nan=False), unique=True), st.randoms())
def test_of_values_that_all_differ_none_goes(values: list[float], chance: random.Random) -> None:
    chance.shuffle(values)
    assert printed_again(by_step(values)) == frozenset()
