"""Whether a metric was uneasy before it fell."""

from __future__ import annotations

import random

import pytest

from ckptdoctor.recovery.causes.unrest import last_good, last_headway, unrest_of
from tests.each import each


def at_epochs(*values: float) -> list[tuple[int, float]]:
    return list(enumerate(values, start=1))


@pytest.mark.parametrize(
    ("scores", "well"),
    [
        ([0.3, 0.5, 0.7, 0.65, 0.6], 3),  # worse each time
        ([0.3, 0.57, 0.75, 0.63, 0.76, 0.64], 3),  # a fall like none before, and no headway since
        ([-0.30, -0.23, -0.14, -0.17, -0.22], 3),  # a loss
    ],
)
def test_unrest_is_seen_and_the_last_calm_position_is_given(scores: list[float], well: int) -> None:
    assert unrest_of(at_epochs(*scores)) == well


@each(
    "scores",
    [
        [],
        [0.5],
        [0.3, 0.5, 0.6, 0.61, 0.62],  # it fell out of calm
        [0.3, 0.5, 0.6, 0.62, 0.61],  # once is chance
        [0.3, 0.6, 0.5, 0.72, 0.8, 0.84],  # it went on
        [0.3, 0.39, 0.5, 0.41, 0.63, 0.49, 0.57, 0.59, 0.54, 0.6, 0.58, 0.51],  # noise as before
    ],
)
def test_noise_is_none(scores: list[float]) -> None:
    assert unrest_of(at_epochs(*scores)) is None


def test_a_calm_run_with_noise_is_seldom_uneasy() -> None:
    dice = random.Random(1)
    uneasy = 0
    for _ in range(200):
        noisy = [0.6 * (1 - 0.8**at) + dice.gauss(0, 0.01) for at in range(1, 25)]
        uneasy += unrest_of(at_epochs(*noisy)) is not None
    assert uneasy < 20


@each(
    ("losses", "headway"),
    [
        ([0.9, 0.7, 0.6, 0.62, 0.66], 3),
        ([0.9, 0.8, 4.9, 4.5, 3.8, 3.9], 5),  # four heads more
        ([0.9, 0.8, 4.9, 5.5, 5.8, 5.9], 2),  # and worse from there on
        ([0.9, 0.8, 4.9, 4.5], 2),  # too few to tell
        ([0.9, 0.8, float("nan")], 2),
        ([], None),
    ],
)
def test_headway_is_told_by_the_loss_that_is_reckoned_now(
    losses: list[float], headway: int | None
) -> None:
    assert last_headway(at_epochs(*losses)) == headway


def test_the_last_good_score_is_the_last_near_the_best() -> None:
    assert last_good(at_epochs(0.3, 0.5, 0.45, 0.3, 0.2)) == 3
    assert last_good(at_epochs(-0.34, -1.8, -1.1)) == 1
    assert last_good([]) is None
