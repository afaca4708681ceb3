"""A loss that loses at once all that was learned."""

from __future__ import annotations

import random

import pytest

from ckptdoctor.histories import Position
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.trend import trend_of
from ckptdoctor.runs.trend.unlearned import Unlearned


def told(values: list[float], mode: Mode = Mode.MIN) -> list[tuple[int, Position]]:
    """Where it is told, and since when it holds."""
    detector = Unlearned(mode)
    found = [(at, detector.update(at, value)) for at, value in enumerate(values, start=1)]
    return [(at, since) for at, since in found if since is not None]


@pytest.mark.parametrize(
    ("values", "since"),
    [
        ([1.2, 0.72, 0.53, 0.39, 0.37, 0.41, 0.32, 0.35, 2.2, 1.5, 1.7], 9),  # worse than ever
        ([1.17, 0.76, 0.71, 0.70, 0.78, 3.2, 1.7, 1.6], 6),  # and not as bad any more
        ([1.3, 1.1, 0.9, 0.7, 0.5, 0.46, 0.42, 0.41, 1.3, 1.28], 9),  # where it began
    ],
)
def test_it_is_told_with_the_second_value_and_holds_since_the_first(
    values: list[float], since: int
) -> None:
    assert told(values)[0] == (since + 1, since)
    assert trend_of(dict(enumerate(values, start=1)), Mode.MIN).collapse == since


@pytest.mark.parametrize(
    "values",
    [
        [1.2, 0.7, 0.5, 0.4, 0.38, 2.5, 0.36, 0.35],  # one bad value
        [1.2, 0.7, 0.5, 0.4, *(0.4 * 1.12**at for at in range(14))],  # overfits
        [1.2, 2.6, 2.4, 0.8, 0.7],  # it has learned nothing yet
        [0.0, 0.0, 0.0, 0.0, 5.0, 5.0],
    ],
)
def test_nothing_is_told_of_these(values: list[float]) -> None:
    assert told(values) == []


def test_a_score_is_never_a_loss() -> None:
    assert told([0.1, 0.2, 0.2, 0.2, 0.9, 0.9], Mode.MAX) == []


def test_a_healthy_loss_with_noise_is_never_told() -> None:
    dice = random.Random(3)
    for _ in range(300):
        values = [(0.3 + 0.9 * 0.85**at) * dice.lognormvariate(0, 0.12) for at in range(40)]
        assert told(values) == []
