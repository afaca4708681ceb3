"""How far a figure lies outside its own past: courses of which the answer is plain."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.departure.past import (
    FEWEST,
    Lead,
    Past,
    Peers,
    RunningMedian,
    lead_of,
    leaps,
    peers_of,
    usual_distance,
)
from tests.costs import calls

SLOPE = [float(at) for at in range(30)]


def test_what_grows_by_and_by_is_held_against_what_was_some_checkpoints_ago() -> None:
    found = lead_of(SLOPE, 12)
    assert found is not None
    assert (found.sudden, found.grown, found.middle) == (1.0, 3.0, 4.5)
    assert found.noise == pytest.approx(1.4826)


def test_what_was_long_ago_counts_no_more() -> None:
    spike = [100.0, *SLOPE[1:]]
    near, far = lead_of(spike, 11), lead_of(spike, 12)
    assert near is not None
    assert far == lead_of(SLOPE, 12)
    assert near.grown == 11 - 100.0  # the oldest of those that count
    assert lead_of([*SLOPE[:3], 100.0, *SLOPE[4:]], 12) != far
    late = lead_of([*SLOPE[:10], 100.0, *SLOPE[11:]], 12)  # two checkpoints ago
    assert late is not None
    assert (late.sudden, late.grown) == (12 - 100.0, 3.0)


def test_a_figure_is_not_judged_before_enough_of_it_is_known() -> None:
    assert FEWEST == 5
    assert lead_of(SLOPE, 4) is None
    assert lead_of(SLOPE, 5) is not None
    assert lead_of([None, *SLOPE], 5) is None
    assert lead_of([None, *SLOPE], 6) == lead_of(SLOPE, 5)
    assert lead_of([*SLOPE[:6], None], 6) is None


def test_nothing_behind_a_checkpoint_is_looked_at() -> None:
    assert lead_of([*SLOPE[:13], 1e9, -1e9], 12) == lead_of(SLOPE, 12)
    assert leaps([*SLOPE[:6], 1e9], 5) == leaps(SLOPE[:6], 5)


def test_what_never_moved_has_some_noise_all_the_same() -> None:
    found = lead_of([1.0] * 10, 9)
    assert found == Lead(sudden=0.0, grown=0.0, middle=0.0, noise=0.05)


def test_a_multiple_of_all_changes_is_a_leap_and_what_starts_at_zero_makes_none() -> None:
    steady = [10.0, 11.0, 10.0, 11.0, 10.0, 11.0]
    assert not leaps(steady, 5)
    assert leaps([*steady, 15.0], 6)  # by 4, and never by more than 1
    assert not leaps([*steady, 13.0], 6)
    assert not leaps([*steady, 5.0], 6)  # what shrinks does not leap
    young = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 14.0]
    assert not leaps(young, 6)
    assert leaps([*young[:6], 30.0], 6)
    assert leaps([*steady, math.nan, 15.0], 7)
    assert not leaps([10.0, 20.0], 1)  # there is nothing to hold it against


def test_a_slow_climb_is_a_leap_over_some_checkpoints() -> None:
    level = [10.0 + 0.5 * (at % 2) for at in range(8)]
    climb = [*level, 11.2, 12.4, 13.6]
    assert [leaps(climb, at) for at in range(7, 11)] == [False, False, True, True]


def test_peers_are_their_medians_and_lie_apart_by_some_at_least() -> None:
    assert peers_of([]) == Peers(sudden=0.0, grown=0.0, middle=0.0, spread=0.1, around=0.1, count=0)
    found = peers_of(
        [Lead(sudden=s, grown=2 * s, middle=3 * s, noise=1.0) for s in (1.0, 2.0, 2.0, 9.0)]
    )
    assert (found.sudden, found.grown, found.middle, found.count) == (2.0, 4.0, 6.0, 4)
    assert found.around > found.spread > 0.1
    alike = peers_of([Lead(sudden=1.0, grown=1.0, middle=1.0, noise=1.0)] * 3)
    assert (alike.spread, alike.around) == (0.1, 0.1)


def test_the_way_of_a_few_elements_is_a_matter_of_chance() -> None:
    assert usual_distance(0.0, 100) == pytest.approx(0.2)
    assert usual_distance(0.0, 1) == pytest.approx(0.65)
    assert usual_distance(statistics.median(map(abs, [-2.0, 1.0, -1.0])), 100) == pytest.approx(
        1.4826
    )


_LOGS = st.lists(st.none() | st.floats(-50, 50), min_size=1, max_size=40)


@given(_LOGS, st.data())
def test_a_past_says_the_same_of_any_checkpoint_in_any_order(
    logs: list[float | None], data: st.DataObject
) -> None:
    past = Past(logs)
    places = data.draw(st.lists(st.integers(0, len(logs) - 1), max_size=12))
    assert [past.lead(at) for at in places] == [lead_of(logs, at) for at in places]


@given(st.lists(st.floats(-50, 50), min_size=1))
def test_a_running_median_is_that_of_all_so_far(values: list[float]) -> None:
    median = RunningMedian()
    for count, value in enumerate(values, 1):
        median.add(value)
        assert median.value == statistics.median(values[:count])


def test_a_longer_run_costs_no_more_a_checkpoint() -> None:
    def looked_at(count: int) -> Callable[[], None]:
        def look() -> None:
            past = Past([float(at % 7) for at in range(count)])
            assert all(past.lead(at) is not None for at in range(FEWEST, count))

        return look

    assert calls(looked_at(2000)) < 12 * calls(looked_at(200))
