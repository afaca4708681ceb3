"""Learning rates that jump up, and schedules that let them rise."""

from __future__ import annotations

import math

from ckptdoctor.histories import Position
from ckptdoctor.runs.trend.rates import rate_jumps, rises
from tests.each import each


def cosine(period: int, count: int, low: float = 1e-6) -> list[float]:
    return [
        low + (4e-4 - low) * 0.5 * (1 + math.cos(math.pi * (at % period) / period))
        for at in range(count)
    ]


FALLING = [4e-4 * 0.65**at for at in range(9)]


@each(
    ("rates", "places"),
    [
        ([*FALLING, *[4e-4] * 3], [9]),  # back at the first rate
        ([*FALLING, 9e-4, 8e-4], [9]),
        ([*[1e-3] * 5, *[1e-4] * 5, *[1e-3] * 3], [10]),
        ([*cosine(20, 15), *cosine(20, 6)], [15]),  # broken off
        ([1e-4, 1e-4, 1e-4, 3e-3], [3]),
        ([1.0, 0.5, 0.4, 0.41, 2.0], [4]),  # it fell before, though not just before
        ([*cosine(12, 12), *cosine(12, 3)], []),  # came to its end
        (cosine(9, 40), []),
        ([*FALLING, *FALLING, *FALLING], []),  # again and again
        ([1e-6, 1e-4, 3e-4, 1e-3, 9e-4, 8e-4], []),  # a warm-up
        ([1e-6, 1e-3, 9e-4], []),
        ([1e-3, 1e-3, 5e-4, 1e-3], []),  # twice as much
        ([*[1e-3] * 5, *[1e-4] * 5, *[1e-5] * 5], []),
        ([0.0, 0.0, 0.0, 1e-3], []),
        ([], []),
    ],
)
def test_what_jumps(rates: list[float], places: list[int]) -> None:
    assert rises(rates) == places


def test_of_a_log() -> None:
    rates: dict[Position, float] = {
        1000 * at: rate for at, rate in enumerate([*FALLING, 4e-4], start=1)
    }
    ((at, before, after),) = rate_jumps(rates)
    assert (at, before, after) == (10_000, FALLING[-1], 4e-4)
