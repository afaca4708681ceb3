"""What is usual in a run, and when silence is too long."""

from __future__ import annotations

import pytest

from ckptdoctor.watch.pace import Pace


def beats(pace: Pace, *gaps: float, start: float = 0.0) -> float:
    now = start
    for gap in gaps:
        now += gap
        pace.beat(now)
    return now


def test_nothing_is_known_at_first() -> None:
    pace = Pace(3.0, 60.0)
    assert (pace.usual_s, pace.limit_s, pace.since(100.0)) == (None, None, 0.0)
    beats(pace, 10.0, 10.0, 10.0)
    assert pace.usual_s is None, "three beats have two gaps"


def test_the_usual_gap_is_the_median() -> None:
    pace = Pace(3.0, 0.0)
    now = beats(pace, 0.0, 100.0, 110.0, 90.0)
    assert pace.usual_s == 100.0
    assert pace.limit_s == 300.0
    assert pace.since(now + 7) == 7.0


def test_never_before_the_least() -> None:
    pace = Pace(3.0, 60.0)
    beats(pace, 0.0, 1.0, 1.0, 1.0)
    assert pace.limit_s == 60.0


def test_a_longer_gap_that_was_there_is_no_stall() -> None:
    pace = Pace(3.0, 0.0)
    beats(pace, 0.0, 1.0, 1.0, 200.0, 1.0)
    assert pace.limit_s == 300.0


def test_a_validation_is_remembered_once_it_was_there_twice() -> None:
    pace = Pace(3.0, 60.0)
    now = beats(pace, 0.0, *[5.0] * 10, 200.0, *[5.0] * 150)
    assert pace.limit_s == 60.0, "a machine that slept once is forgotten"
    beats(pace, 200.0, *[5.0] * 150, start=now)
    assert pace.limit_s == 300.0


def test_what_is_known_from_before_counts() -> None:
    pace = Pace(2.0, 0.0)
    pace.learn([60.0, 0.0, -5.0, 0.0, 60.0, 60.0])
    assert (pace.usual_s, pace.limit_s) == (60.0, 120.0)


def test_two_signs_at_one_moment_are_no_gap() -> None:
    pace = Pace(3.0, 0.0)
    beats(pace, *[0.0] * 10)
    assert pace.usual_s is None


@pytest.mark.parametrize("gap", [0.1, 5.0, 3600.0])
def test_a_steady_run_is_never_stalled(gap: float) -> None:
    pace = Pace(1.0, 0.0)
    beats(pace, *[gap] * 50)
    assert pace.limit_s is not None
    assert pace.limit_s > gap
