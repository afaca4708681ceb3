"""From where on a figure is outside its past: courses without any noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from ckptdoctor.runs.departure.course import Course, Moment, Trait
from ckptdoctor.runs.departure.departures import Departure, departures
from tests.each import each

COUNT, AT = 14, 9
NAMES = [f"m{at}.w" for at in range(7)]
ODD = NAMES[3]


def course(trait: Trait, odd: Sequence[float], others: Sequence[float] = ()) -> Course:
    """One tensor of its own way among six that do the same, or nothing."""
    values = {name: [*(others or [1.0] * COUNT)] for name in NAMES} | {ODD: [*odd]}
    norms = {Trait.NORM: {name: [1.0] * COUNT for name in NAMES}}
    return Course(
        moments=tuple(Moment(name=f"e{at}", at=at) for at in range(COUNT)),
        series=norms | {trait: values},
        numel=dict.fromkeys(NAMES, 1),
    )


def stepped(times: float, at: int = AT) -> list[float]:
    return [1.0] * at + [times] * (COUNT - at)


def found(trait: Trait, odd: Sequence[float], others: Sequence[float] = ()) -> list[Departure]:
    return [one for one in departures(course(trait, odd, others)) if one.trait is trait]


@each(
    ("trait", "log"),
    [
        (Trait.MOVED, 1.0),
        (Trait.NORM, 0.8),
        (Trait.LARGEST, 0.8),
        (Trait.SQUARES, 3.0),
        (Trait.MOMENTUM, 2.5),
        (Trait.EMA, 1.4),
    ],
)
def test_how_far_one_goes_alone(trait: Trait, log: float) -> None:
    assert found(trait, stepped(math.exp(log - 0.02))) == []
    (one,) = found(trait, stepped(math.exp(log + 0.02)))
    assert (one.name, one.place, one.is_buffer, one.stands_still) == (ODD, AT, False, False)
    weight = 0.5 if trait is Trait.SQUARES else 1.0
    assert one.excess == pytest.approx(weight * (log + 0.02))
    assert one.deviations == pytest.approx((log + 0.02) / 0.05)
    assert one.module == "m3"


@pytest.mark.parametrize(
    ("trait", "log"),
    [(Trait.NORM, 1.6), (Trait.LARGEST, 1.6), (Trait.SQUARES, 4.0), (Trait.MOMENTUM, 3.5)],
)
def test_no_schedule_moves_all_so_far(trait: Trait, log: float) -> None:
    near, far = stepped(math.exp(log - 0.02)), stepped(math.exp(log + 0.02))
    assert found(trait, near, near) == []
    assert len(found(trait, far, far)) == len(NAMES)


def test_what_all_do_is_taken_away_and_what_they_leave_undone_is_not_added() -> None:
    double = stepped(2.0)
    assert found(Trait.MOVED, stepped(2.0 * math.exp(0.98)), double) == []
    assert found(Trait.MOVED, stepped(2.0 * math.exp(1.02)), double)[0].name == ODD
    assert found(Trait.MOVED, stepped(math.exp(0.98)), stepped(0.5)) == []


@pytest.mark.parametrize(("trait", "log"), [(Trait.MOMENTUM, 4.0), (Trait.SQUARES, 5.0)])
def test_by_and_by_it_takes_more(trait: Trait, log: float) -> None:
    """A little less than what would be sudden, three times over."""

    def climbing(total: float) -> list[float]:
        return [1.0] * AT + [math.exp(total * min(at, 3) / 3) for at in range(1, COUNT - AT + 1)]

    assert found(trait, climbing(log - 0.05)) == []
    (one,) = found(trait, climbing(log + 0.05))
    assert one.place == AT + 2


def test_what_is_young_is_not_judged() -> None:
    assert found(Trait.MOMENTUM, stepped(1000.0, 4)) == []
    assert found(Trait.MOMENTUM, stepped(1000.0, 5))[0].place == 5


def test_what_was_noisy_has_to_go_farther() -> None:
    noisy = [math.exp(0.5 * (at % 2)) for at in range(COUNT)]  # steps of a half, in logs
    peak, needed = 0.5, 4 * 1.4826 * 0.5  # four standard deviations
    far = [*noisy[:AT], *([math.exp(peak + needed + 0.05)] * (COUNT - AT))]
    near = [*noisy[:AT], *([math.exp(peak + needed - 0.05)] * (COUNT - AT))]
    assert found(Trait.MOMENTUM, near) == []
    assert found(Trait.MOMENTUM, far)[0].name == ODD


def test_a_tensor_is_told_once_for_each_figure() -> None:
    twice = [*stepped(100.0, 9)[:11], *([1e6] * 3)]
    assert [one.place for one in found(Trait.MOMENTUM, twice)] == [9]


@pytest.mark.parametrize("trait", [Trait.NON_FINITE, Trait.BAD_STATE, Trait.BAD_AVERAGE])
def test_what_is_not_finite_departs_at_once_but_not_from_the_beginning(trait: Trait) -> None:
    nothing = [0.0] * COUNT
    (one,) = found(trait, [*nothing[:6], *([0.1] * 8)], nothing)
    assert (one.name, one.place, one.excess, one.deviations) == (ODD, 6, math.inf, math.inf)
    assert found(trait, [0.1] * COUNT, nothing) == []  # nobody saw it come
    assert found(trait, nothing, nothing) == []
    assert [one.place for one in found(trait, [0.0, *([0.1] * 13)], nothing)] == [1]


def with_rates(moved: float, rate: float, others: float = 1.0, tensors: int = 7) -> list[int]:
    """Where one is apart whose stored rate rose as well."""
    names = [ODD, *(name for name in NAMES if name != ODD)][:tensors]
    series = {
        Trait.NORM: {name: [1.0] * COUNT for name in names},
        Trait.MOVED: {name: [1.0] * COUNT for name in names} | {ODD: stepped(math.exp(moved))},
        Trait.RATE: {name: stepped(others) for name in names} | {ODD: stepped(math.exp(rate))},
    }
    found = Course(
        moments=tuple(Moment(name=f"e{at}", at=at) for at in range(COUNT)),
        series=series,
        numel=dict.fromkeys(names, 1),
    )
    return [one.place for one in departures(found)]


def test_of_two_witnesses_less_is_enough() -> None:
    assert with_rates(0.42, 0.37) == [AT]
    assert with_rates(0.38, 0.37) == []
    assert with_rates(0.42, 0.33) == []
    assert with_rates(0.42, 0.37, others=2.0) == []  # the rates of the others rose too
    assert with_rates(0.42, 0.37, tensors=4) == [AT]
    assert with_rates(0.42, 0.37, tensors=3) == []


def drifting(first: float, then: float, numel: int = 100) -> list[int]:
    """Where one is apart that left the others in two steps."""
    odd = [1.0] * AT + [math.exp(first)] + [math.exp(then)] * (COUNT - AT - 1)
    series = {
        Trait.NORM: {name: [math.sqrt(numel)] * COUNT for name in NAMES},
        Trait.MOVED: {name: [1.0] * COUNT for name in NAMES} | {ODD: odd},
    }
    found = Course(
        moments=tuple(Moment(name=f"e{at}", at=at) for at in range(COUNT)),
        series=series,
        numel=dict.fromkeys(NAMES, numel),
    )
    return [one.place for one in departures(found)]


def test_one_that_is_apart_for_two_checkpoints_is_told_at_the_second() -> None:
    assert drifting(0.95, 1.25) == [AT + 1]
    assert drifting(0.85, 1.25) == [AT + 2]  # it was not apart enough before
    assert drifting(0.95, 1.15) == []
    assert drifting(0.95, 1.25, numel=1) == []  # one element goes its own way by chance
