"""From where on a loss has exploded, how old a run is, and how values compare."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from ckptdoctor.histories import Clock
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.age import Age
from ckptdoctor.runs.trend.explosion import ExplodedLoss, LossWatch
from ckptdoctor.runs.trend.scale import Scale

CALM = [1.0123, 0.9871, 1.0234, 0.9768, 1.0011, 0.9912, 1.0101]


def told(values: Sequence[float], *, calm: Sequence[int] = ()) -> list[ExplodedLoss]:
    watch = LossWatch()
    found = (watch.update(at, value, is_calm=at in calm) for at, value in enumerate(values))
    return [one for one in found if one is not None]


def at(*found: ExplodedLoss) -> list[float]:
    return [one.at for one in found]


def test_ten_times_what_is_usual_is_an_explosion_at_once() -> None:
    usual = 1.0011  # the median of the last five
    assert told([*CALM, 9.9]) == []
    assert told([*CALM, 10.1]) == [ExplodedLoss(at=7, value=10.1, usual=usual)]


def test_it_is_told_once_until_the_loss_is_back() -> None:
    assert at(*told([*CALM, 50.1, 60.2, 70.3])) == [7]
    assert at(*told([*CALM, 50.1, *CALM, 50.1])) == [7, 15]


def test_three_times_is_one_where_it_stays_and_is_worse_than_ever() -> None:
    assert told([*CALM, 3.3012, 3.3123]) == []
    (one,) = told([*CALM, 3.3012, 3.3123, 3.3234, 3.3345])
    assert (one.at, one.usual) == (9, 1.0011)
    assert told([*CALM, 2.7012, 2.7123, 2.7234, 2.7345, 2.7456]) == []
    assert told([*CALM, 3.3012, 3.3123, 1.0012, 3.3012, 3.3123]) == []
    assert told([5.0123, *CALM, 3.3012, 3.3123, 3.3234, 3.3345]) == []  # it began there


def test_what_is_young_explodes_only_at_once() -> None:
    assert told([1.0123, 1.0234, 3.6012, 3.6123, 3.6234, 3.6345, 3.6456]) == []
    assert at(*told([1.0123, 1.0234, 10.6012])) == [2]
    assert told([1.0123]) == told([]) == []


def test_what_always_scattered_widely_has_to_rise_farther() -> None:
    wild = [1.0123, 4.0234, 0.5123, 3.0567, 0.7123, 5.0321, 1.2345]
    assert told([*wild, 20.1234]) == []


def test_of_values_printed_to_few_digits_the_last_one_may_be_rounded() -> None:
    coarse = [0.01, 0.02, 0.01, 0.01, 0.02, 0.01, 0.01]
    assert told([*coarse, 0.12]) == []  # 0.115 over 0.015
    assert at(*told([*coarse, 0.50])) == [7]


def test_a_loss_that_may_be_below_zero_is_judged_by_how_far_it_moved() -> None:
    below = [-1.0123, -0.9871, -1.0234, -0.9768, -1.0011, -0.9912, -1.0101]
    assert told([*below, -0.5123]) == []
    assert at(*told([*below, 900.1234])) == [7]
    assert told([*below[:3], 900.1234]) == []


def test_beside_what_goes_on_as_before_a_rise_may_be_another_term() -> None:
    many = range(40)
    assert told([*CALM, 15.0123, 15.0234, 15.0345], calm=many) == []  # it stays there
    (one,) = told([*CALM, 15.0123, 1.0123], calm=many)
    assert (one.at, one.value) == (7, 15.0123)  # it was a bad batch
    assert at(*told([*CALM, 15.0123, 1.4912], calm=many)) == [7]
    assert told([*CALM, 15.0123, 1.5123], calm=many) == []
    assert at(*told([*CALM, 31.0123], calm=many)) == [7]  # no head loses so much
    assert at(*told([*CALM, 15.0123, 15.0234], calm=range(8))) == [7]  # the score fell after it


def test_from_its_new_level_it_may_explode_again() -> None:
    level = [15.0123, 15.0234, 15.0345, 15.0012, 15.0456, 15.0321]
    (one,) = told([*CALM, *level, 160.1234], calm=range(13))
    assert one.at == 13
    assert one.usual == pytest.approx(15.03, abs=0.02)


# -- age -----------------------------------------------------------------------------------------


def test_an_epoch_is_a_measure_of_age_and_a_step_is_none() -> None:
    age = Age(Clock.EPOCH)
    assert [age.update(at) for at in (3, 4, 9)] == [3, 4, 9]
    age.begin()
    assert [age.update(at) for at in (10, 12)] == [1, 3]
    age = Age(Clock.STEP)
    assert [age.update(at) for at in (4000, 8000, 12_000)] == [0, 2.0, 3.0]
    age = Age(Clock.STEP)
    assert [age.update(at) for at in (100, 100, 50, 200)] == [0, 0, 0, 6.0]
    age.begin()
    assert age.update(300) == 300 / 200 * 4 - 6.0


# -- scale ---------------------------------------------------------------------------------------


def test_a_loss_above_zero_counts_by_its_factor_and_all_else_by_its_difference() -> None:
    loss = Scale([0.5, 2.0], Mode.MIN)
    assert loss.by_factor
    assert loss.of(1.0) - loss.of(2.0) == pytest.approx(loss.of(0.1) - loss.of(0.2))
    assert loss.of(0.1) > loss.of(0.2)
    assert loss.of(0.0) == loss.of(-1.0) == math.inf
    for values in ([0.0, 1.0], [-1.0, 1.0], []):
        signed = Scale(values, Mode.MIN)
        assert not signed.by_factor
        assert signed.of(3.0) == -3.0
    score = Scale([0.5, 2.0], Mode.MAX)
    assert not score.by_factor
    assert score.of(3.0) == 3.0
