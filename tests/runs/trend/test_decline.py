"""A decline in a run of any length."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend import decline, noise
from ckptdoctor.runs.trend.decline import Decline, DeclineDetector
from ckptdoctor.runs.trend.trend import Beside, trend_of


def taken(values: Sequence[float]) -> list[Decline]:
    detector = DeclineDetector()
    return [found for value in values if (found := detector.update(value)) is not None]


def plateau(count: int) -> list[float]:
    """One lucky epoch early on, and noise below it ever since."""
    chance = random.Random(0)
    return [0.9 if epoch == 50 else 0.6 + chance.gauss(0, 0.02) for epoch in range(count)]


def test_what_is_looked_at_does_not_grow_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def measured(values: Sequence[float], resolution: float) -> float | None:
        lengths.append(len(values))
        return noise.noise_of(values, resolution)

    monkeypatch.setattr(decline, "noise_of", measured)
    taken([*plateau(100), *(0.5 - 0.0001 * step for step in range(950))])
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


FIRST_CYCLE = [1.0, 0.52, 0.447, 0.372, 0.356, 0.349, 0.329, 0.296, 0.279, 0.270, 0.2701, 0.2682]
SECOND_CYCLE = [0.335, 0.356, 0.411, 0.319]
RATES = [0.03, 0.0295, 0.028, 0.0256, 0.0225, 0.019, 0.015, 0.011, 0.0075, 0.0044, 0.002, 0.0005]


def declined(after: Sequence[float], rates: Sequence[float]) -> bool:
    losses = dict(enumerate([*FIRST_CYCLE, *after], start=1))
    beside = Beside(rates=dict(enumerate([*RATES, *rates], start=1)))
    return trend_of(losses, Mode.MIN, beside=beside).decline is not None


def test_a_schedule_that_starts_again_at_a_rate_that_was_well_is_no_decline() -> None:
    assert not declined(SECOND_CYCLE[:3], RATES[:3])
    assert not declined(SECOND_CYCLE, RATES[:4])


def test_one_that_starts_again_higher_than_ever_is_one() -> None:
    assert declined(SECOND_CYCLE[:3], [2 * rate for rate in RATES[:3]])


def test_what_is_not_back_when_the_rate_has_come_down_is_one() -> None:
    worse = [0.335, 0.356, 0.411, 0.42, 0.42, 0.43, 0.44, 0.45, 0.46, 0.47, 0.48, 0.49]
    assert declined([*worse, 0.5], [*RATES, 0.0005])


def level(count: int) -> list[float]:
    """Noise in which no value falls three times in a row."""
    return [0.6 + (0.004, -0.003, 0.002, -0.004)[at % 4] for at in range(count)]


def test_a_decline_that_was_made_up_for_but_for_noise_may_be_told_again() -> None:
    before, falls = level(40), [0.55 - at / 40 for at in range(8)]
    back = [max(before) - 0.001] * 6
    assert len(taken([*before, *falls])) == 1
    assert len(taken([*before, *falls, *back, *falls])) == 2
    assert len(taken([*before, *falls, 0.5, 0.5, *falls])) == 1  # it was never back


@pytest.mark.parametrize(("is_changed", "count"), [(True, 1), (False, 0)])
def test_right_after_a_change_three_in_a_row_are_enough(is_changed: bool, count: int) -> None:
    """Whatever the run came back from with the settings that it had."""
    detector = DeclineDetector()
    for value in [*level(30), 0.3, 0.4, 0.5, *(0.62 + at / 500 for at in range(5))]:
        detector.update(value)
    if is_changed:
        detector.changed()
    told = [detector.update(value) for value in (0.6, 0.58, 0.56, 0.54)]
    assert sum(one is not None for one in told) == count


def test_what_is_on_its_way_back_is_no_decline() -> None:
    """As where a schedule began again, and the rate has come down since."""
    rates = [0.1 * 0.9**at for at in range(30)]
    high, low = [0.09, 0.09, 0.09], [0.004, 0.003]
    fallen = [0.5, 0.45, 0.4]
    detector = DeclineDetector()
    before = zip([*level(29), 0.62], rates, strict=True)
    assert [detector.update(value, rate) for value, rate in before] == [None] * 30
    assert [detector.update(*one) for one in zip(fallen, high, strict=True)] == [None] * 3
    assert [detector.update(*one) for one in zip([0.42, 0.44], low, strict=True)] == [None] * 2
    assert detector.update(0.39, 0.002) is not None
