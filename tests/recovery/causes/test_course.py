"""Rates over a run, and where they jump."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ckptdoctor.recovery.causes.course import RateCourse
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey
from tests.each import each
from tests.recovery.causes.dead_runs import dead_run


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


@pytest.mark.parametrize("told", [1, 2])
def test_rates_are_those_of_the_log_once_it_tells_of_two(told: int, tmp_path: Path) -> None:
    """And never some of the log's and some of the files', which may be an epoch apart."""
    folder = dead_run(tmp_path / "run", [0.3, 0.4, 0.5], rates=[0.1, 0.2, 0.3])
    log = folder / "train.log"
    lines = log.read_text().replace("lr: 0.", "lr: 0.0").splitlines()
    log.write_text("\n".join(lines[:told] + [one.partition(" | lr")[0] for one in lines[told:]]))
    (report,) = survey(discover([folder])).runs
    expected = [0.01, 0.02] if told == 2 else [0.1, 0.2, 0.3]
    assert [rate for _, rate in RateCourse.of(report.run).rates] == pytest.approx(expected)
