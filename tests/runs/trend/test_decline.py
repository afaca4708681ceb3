"""A decline in a run of any length."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from ckptdoctor.runs.trend import decline, noise
from ckptdoctor.runs.trend.decline import Decline, DeclineDetector


def taken(values: Sequence[float]) -> list[Decline]:
    detector = DeclineDetector()
    return [found for value in values if (found := detector.update(value)) is not None]


def plateau(count: int) -> list[float]:
    """One lucky epoch early on, and noise below it ever since."""
    chance = random.Random(0)
    return [0.9 if epoch == 50 else 0.6 + chance.gauss(0, 0.02) for epoch in range(count)]


def test_what_is_looked_at_does_not_grow_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def measured(values: Sequence[float]) -> float | None:
        lengths.append(len(values))
        return noise.noise_of(values)

    monkeypatch.setattr(decline, "noise_of", measured)
    taken(plateau(1000))
    assert len(lengths) > 900
    assert max(lengths) == 300


def test_a_decline_far_behind_the_best_is_found() -> None:
    values = [*plateau(700), *(0.6 - 0.1 * step for step in range(5))]
    (found,) = taken(values)
    assert (found.best, found.in_a_row) == (50, 3)
    assert found.at > 700


@pytest.mark.parametrize("count", [3, 5, 9])
def test_how_many_fell_in_a_row(count: int) -> None:
    rise = [0.1 + 0.02 * epoch for epoch in range(30)]
    (found,) = taken([*rise, *(rise[-1] - 0.05 * step for step in range(1, count + 1))])
    assert found.best == 29
    assert found.in_a_row == found.at - 29 == 3
