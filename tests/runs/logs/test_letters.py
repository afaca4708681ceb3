"""Of rows of letters one is the sum of the others, in every row, or nothing is read of them."""

from __future__ import annotations

import math

import pytest

from ckptdoctor.runs.logs.letters import TOTAL, LetteredLosses


def row(*values: float, letters: str = "QWEZ") -> str:
    return "|| " + " | ".join(f"{n}: {v:.3f}" for n, v in zip(letters, values, strict=True)) + " ||"


def test_what_is_the_sum_of_the_others_is_the_total_loss() -> None:
    losses = LetteredLosses()
    assert losses.of(row(1.5, 0.25, 0.125, 1.875)) == {TOTAL: 1.875}
    assert losses.of(row(0.7504, 0.2504, 0.1254, 1.1262)) == {TOTAL: 1.126}  # rounded each


def test_it_may_stand_anywhere() -> None:
    assert LetteredLosses().of(row(1.875, 1.5, 0.25, 0.125)) == {TOTAL: 1.875}


def test_rows_that_do_not_add_up_are_something_else_from_there_on() -> None:
    losses = LetteredLosses()
    assert losses.of(row(1.0, 2.0, 3.0, 4.0)) == {}
    assert losses.of(row(1.5, 0.25, 0.125, 1.875)) == {}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_total_is_no_number_where_a_part_is_none(bad: float) -> None:
    losses = LetteredLosses()
    losses.of(row(1.5, 0.25, 0.125, 1.875))
    told = losses.of(row(1.5, bad, 0.125, bad))
    assert list(told) == [TOTAL]
    assert not math.isfinite(told[TOTAL])


@pytest.mark.parametrize("text", ["|| Q: 1.0 | W: 1.0 ||", "Q: 1 | Q: 1 | Q: 2", "qq: 1 | w: 1"])
def test_a_pair_or_a_letter_twice_is_no_such_row(text: str) -> None:
    assert LetteredLosses().of(text) == {}
