"""A best that froze and buffers that jumped, from the files alone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.histories import Position
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.unlogged import frozen_best, jumped_buffers
from tests.each import each

RISING = [0.31 + at * 0.012 for at in range(10)]


def placed(values: list[float], every: int = 2) -> list[tuple[Position, float]]:
    return [(at * every, value) for at, value in enumerate(values)]


def test_a_best_that_froze_while_it_rose() -> None:
    found = frozen_best(placed([*RISING, *[RISING[-1]] * 6]), Mode.MAX)
    assert found is not None
    assert (found.since, found.last, found.longest) == (18, 30, 2)
    assert found.value == RISING[-1]
    falling = [1.0 - value for value in RISING]
    lower = frozen_best(placed([*falling, *[falling[-1]] * 6]), Mode.MIN)
    assert lower is not None
    assert lower.value == falling[-1]


@each(
    "values",
    [
        RISING,
        [*RISING, *[RISING[-1]] * 3],  # not for long
        [*RISING[:4], *[RISING[3]] * 12],  # too young to tell
        [*(0.8 - 0.5 * 0.6**at for at in range(14)), *[0.7999] * 12],  # it converged
        [*RISING[:5], *[RISING[4]] * 4, *RISING[5:], *[RISING[-1]] * 6],  # it stood before
        [math.nan] * 20,
        [],
    ],
)
def test_a_best_that_did_not(values: list[float]) -> None:
    assert frozen_best(placed(values), Mode.MAX) is None


def sizes(*values: float) -> list[tuple[Position, dict[str, float]]]:
    return [(at, {"bn.running_var": value, "still": 1.0}) for at, value in enumerate(values)]


def test_a_buffer_that_jumps() -> None:
    (found,) = jumped_buffers(sizes(1.0, 1.3, 1.2, 1.25, 1.3, 900.0, 910.0))
    assert (found.at, found.name, found.before, found.after) == (5, "bn.running_var", 1.3, 900.0)
    assert found.usual == pytest.approx(1.3)
    assert [one.at for one in jumped_buffers(sizes(1.0, 1.3, 1.2, 1.25, 1e-4))] == [4]


@pytest.mark.parametrize(
    "values",
    [
        (1.0, 30.0, 60.0, 70.0, 72.0, 900.0),  # it moved as far before
        (1.0, 1.3, 900.0),  # too young
        (1.0, 1.2, 1.1, 1.2, 1.1, 5.0),
        (1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
        (1.0, math.nan, 0.0, math.inf, -1.0, 2.0),
    ],
)
def test_buffers_that_do_not(values: tuple[float, ...]) -> None:
    assert [*jumped_buffers(sizes(*values))] == []


@given(st.lists(st.floats(), max_size=30), st.sampled_from(Mode))
def test_any_values_can_be_taken(values: list[float], mode: Mode) -> None:
    found = frozen_best(placed(values), mode)
    assert found is None or found.since < found.last
    assert all(0 < one.at < len(values) for one in jumped_buffers(sizes(*values)))
