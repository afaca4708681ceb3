"""Declines and collapses of a metric."""

from __future__ import annotations

import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.histories import Position
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.trend import Trend, trend_of
from ckptdoctor.runs.wish import Wish
from ckptdoctor.survey import chronicles
from tests.each import each

STORY = {
    85: 0.6408,
    86: 0.6410,
    87: 0.6411,
    88: 0.6413,
    89: 0.6371,
    90: 0.6345,
    91: 0.6312,
    92: 0.6274,
    97: 0.5742,
    98: 0.0022,
    99: math.nan,
}


def test_the_story() -> None:
    trend = trend_of(STORY, Mode.MAX)
    assert trend == Trend(best=88, decline=(89, 97), collapse=98)
    assert trend.speaks_against(88) == ""
    assert trend.speaks_against(90) == "in the decline 89–97"
    assert trend.speaks_against(98) == trend.speaks_against(150) == "since the collapse at 98"


@each(
    ("values", "mode", "decline", "collapse"),
    [
        ([0.1, 0.2, 0.3, 0.4], Mode.MAX, None, None),
        ([0.5, 0.49, 0.48, 0.5], Mode.MAX, None, None),  # two in a row are noise
        ([0.5, 0.49, 0.48, 0.47], Mode.MAX, (1, 3), None),
        ([0.5, 0.6, 0.59, 0.58, 0.57, 0.58], Mode.MAX, (2, 4), None),
        ([0.5, 0.2], Mode.MAX, None, 1),
        ([0.5, math.nan], Mode.MAX, None, 1),
        ([0.5, 0.4, 0.3, 0.2], Mode.MIN, None, None),
        ([0.2, 0.3, 0.4, 0.5], Mode.MIN, (1, 3), None),
        ([0.2, 15.3], Mode.MIN, None, 1),
        ([0.11, 0.006, 0.3, 0.5], Mode.MAX, None, None),  # it came back
        ([0.11, 0.006, 0.3, 0.5, math.nan, 0.0], Mode.MAX, None, 4),
        ([0.5, math.nan, 0.6], Mode.MAX, None, None),
        ([math.nan, math.nan], Mode.MAX, None, None),
        ([], Mode.MAX, None, None),
    ],
)
def test_shapes(
    values: list[float], mode: Mode, decline: tuple[int, int] | None, collapse: int | None
) -> None:
    trend = trend_of(dict(enumerate(values, start=80)), mode)
    assert trend.decline == (decline and (80 + decline[0], 80 + decline[1]))
    assert trend.collapse == (None if collapse is None else 80 + collapse)


def test_the_first_scores_of_a_net_are_noise() -> None:
    falling = [0.031, 0.027, 0.022, 0.018]
    assert trend_of(dict(enumerate(falling)), Mode.MAX).decline is None
    assert trend_of(dict(enumerate(falling, start=80)), Mode.MAX).decline == (81, 83)


def test_the_first_guesses_of_a_net_may_be_halved_but_not_lost() -> None:
    guessed = [0.305, 0.141, 0.164, 0.18]
    assert trend_of(dict(enumerate(guessed)), Mode.MAX).collapse is None
    assert trend_of(dict(enumerate(guessed, start=80)), Mode.MAX).collapse == 81
    assert trend_of(dict(enumerate([0.64, 0.002])), Mode.MAX).collapse == 1
    assert trend_of(dict(enumerate([0.64] * 6 + [0.2])), Mode.MAX).collapse == 6


def test_zeros_have_no_noise_and_the_largest_numbers_no_sum() -> None:
    assert trend_of(dict(enumerate([0.0] * 10 + [1.0])), Mode.MIN).best == 0
    assert trend_of(dict(enumerate([0.0] * 5 + [8.99e307] * 2)), Mode.MIN).best == 0


@given(st.dictionaries(st.integers(0, 200), st.floats()), st.sampled_from(list(Mode)))
def test_any_curve_has_a_trend_that_makes_sense(points: dict[Position, float], mode: Mode) -> None:
    trend = trend_of(points, mode)
    if trend.decline is not None and trend.best is not None:
        first, last = trend.decline
        assert trend.best < first <= last
        assert points[first] != points[trend.best]
    if trend.best is not None:
        assert trend.speaks_against(trend.best) == ""


@each(
    "name",
    [
        *("val_wer", "Word Error Rate", "test error rate", "equal error rate", "miss rate"),
        *("false_positive_rate", "eval/collision_rate", "val/violation_rate"),
    ],
)
def test_a_rate_of_errors_that_doubles_after_a_long_flat_time_is_told(
    name: str, tmp_path: Path
) -> None:
    """Under its own name: the loss of the training beside it goes on falling."""
    path = tmp_path / "train.log"
    rates = [0.1 + 0.9 * 0.8**at + 0.001 * (at % 3) if at < 60 else 0.23 for at in range(66)]
    path.write_text(
        "".join(f"Epoch {e}: loss: {3 - e / 40:.3f} {name}: {r:.4f}\n" for e, r in enumerate(rates))
    )
    found = chronicles([], Wish(logs=(path,)))
    assert [history.metric for history in found.histories] == [name]
    assert "CD402" in {finding.code for finding in found.findings}
