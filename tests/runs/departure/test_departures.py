"""What leaves its past, and what does not: courses of figures that are made up."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence

import pytest

from ckptdoctor.runs.departure.course import Course, Moment, Trait, module_of
from ckptdoctor.runs.departure.departures import Departure, departures
from ckptdoctor.runs.departure.words import in_words, told_of

COUNT, AT = 16, 10
NAMES = [f"m.{module}.{part}" for module in range(6) for part in ("weight", "bias")]
BUFFERS = [f"m.{module}.{part}" for module in range(6) for part in ("running_mean", "running_var")]


def course(
    change: Callable[[str, Trait, int, float], float] = lambda name, trait, place, value: value,
    more: Mapping[Trait, Mapping[str, Sequence[float]]] | None = None,
) -> Course:
    """Weights that move less and less, as under a schedule, with noise; and one change."""
    chance = random.Random(0)
    series: dict[Trait, dict[str, list[float]]] = {Trait.MOVED: {}, Trait.NORM: {}}
    for name in (*NAMES, *BUFFERS):
        moved = [0.1 * math.exp(-place / 10 + chance.gauss(0, 0.1)) for place in range(COUNT)]
        norm = [5.0 + 0.05 * place for place in range(COUNT)]
        for trait, values in ((Trait.MOVED, moved), (Trait.NORM, norm)):
            series[trait][name] = [
                change(name, trait, place, value) for place, value in enumerate(values)
            ]
        series[Trait.MOVED][name][0] = math.nan
    return Course(
        moments=tuple(Moment(name=f"epoch_{at}.pth", at=at) for at in range(COUNT)),
        series={**series, **(more or {})},
        numel=dict.fromkeys((*NAMES, *BUFFERS), 100),
        buffers=frozenset(BUFFERS),
    )


def first(found: Course) -> Departure:
    return departures(found)[0]


def test_a_schedule_is_no_departure() -> None:
    assert departures(course()) == ()


@pytest.mark.parametrize("times", [0.1, 10.0, 100.0])
def test_what_all_do_at_once_is_no_departure(times: float) -> None:
    def restart(_: str, trait: Trait, place: int, value: float) -> float:
        return value * times if trait is Trait.MOVED and place >= AT else value

    assert departures(course(restart)) == ()


def test_one_that_moves_far_is_one() -> None:
    def leap(name: str, trait: Trait, place: int, value: float) -> float:
        is_it = name == "m.3.weight" and trait is Trait.MOVED and place == AT
        return value * 8 if is_it else value

    found = course(leap)
    assert (first(found).name, first(found).place) == ("m.3.weight", AT)
    assert told_of(found, first(found)).times == pytest.approx(8, rel=0.6)
    assert "moved by" in in_words(found, first(found))


def test_it_is_judged_by_what_was_before_alone() -> None:
    def leap(name: str, trait: Trait, place: int, value: float) -> float:
        is_it = name == "m.3.weight" and trait is Trait.MOVED and place == AT
        return value * 8 if is_it else value * (1000.0 if place > AT else 1.0)

    assert (first(course(leap)).name, first(course(leap)).place) == ("m.3.weight", AT)


def test_one_that_drifts_apart_is_one() -> None:
    def drift(name: str, trait: Trait, place: int, value: float) -> float:
        is_it = name == "m.2.weight" and trait is Trait.MOVED and place >= AT
        return value * 1.9 ** (place - AT + 1) if is_it else value

    found = first(course(drift))
    assert found.name == "m.2.weight"
    assert AT < found.place <= AT + 3


def test_a_rate_of_its_own_makes_less_enough() -> None:
    def drift(name: str, trait: Trait, place: int, value: float) -> float:
        is_it = name == "m.2.weight" and trait is Trait.MOVED and place >= AT
        return value * 1.7 if is_it else value

    rates = {name: [1e-3] * COUNT for name in NAMES}
    assert departures(course(drift, {Trait.RATE: rates})) == ()
    rates["m.2.weight"] = [1e-3] * AT + [1.7e-3] * (COUNT - AT)
    assert first(course(drift, {Trait.RATE: rates})).name == "m.2.weight"


def test_a_norm_that_grows_is_one() -> None:
    def grow(name: str, trait: Trait, place: int, value: float) -> float:
        return value * 3 if name == "m.1.weight" and trait is Trait.NORM and place >= AT else value

    assert (first(course(grow)).name, first(course(grow)).trait) == ("m.1.weight", Trait.NORM)


def test_what_is_small_beside_its_module_does_not_count() -> None:
    def small(name: str, trait: Trait, place: int, value: float) -> float:
        if name != "m.1.bias":
            return value
        return value * 1e-4 * (30.0 if place >= AT else 1.0)

    assert departures(course(small)) == ()


@pytest.mark.parametrize("trait", [Trait.SQUARES, Trait.MOMENTUM])
def test_the_state_of_the_optimizer_is_judged_too(trait: Trait) -> None:
    values = {name: [1e-4] * COUNT for name in NAMES}
    values["m.4.weight"] = [1e-4] * AT + [1.0] * (COUNT - AT)
    found = first(course(more={trait: values}))
    assert (found.name, found.trait, found.place) == ("m.4.weight", trait, AT)


def test_nan_in_one_comes_before_what_moves_beside_it() -> None:
    def leap(name: str, trait: Trait, place: int, value: float) -> float:
        return value * 8 if name == "m.3.weight" and trait is Trait.MOVED and place == AT else value

    bad = {"m.0.weight": [0.0] * AT + [0.5] * (COUNT - AT)}
    found = departures(course(leap, {Trait.NON_FINITE: bad}))
    assert [one.name for one in found] == ["m.0.weight", "m.3.weight"]
    assert "50 %" in in_words(course(leap, {Trait.NON_FINITE: bad}), found[0])


def test_what_is_finite_and_huge_comes_before_the_nan_that_it_makes() -> None:
    def huge(name: str, trait: Trait, place: int, value: float) -> float:
        return 1e30 if name == "m.5.weight" and trait is Trait.NORM and place >= AT else value

    bad = {"m.0.weight": [0.0] * AT + [1.0] * (COUNT - AT)}
    assert first(course(huge, {Trait.NON_FINITE: bad})).name == "m.5.weight"


def test_a_weight_comes_before_its_bias_and_before_statistics() -> None:
    def leap(name: str, trait: Trait, place: int, value: float) -> float:
        times = {"m.3.weight": 9.0, "m.3.bias": 10.0, "m.3.running_var": 50.0}.get(name, 1.0)
        return value * times if trait is Trait.NORM and place >= AT else value

    found = course(leap)
    sizes = dict(found.numel) | {"m.3.bias": 10}
    found = Course(moments=found.moments, series=found.series, numel=sizes, buffers=found.buffers)
    assert first(found).name == "m.3.weight"


class TestStatisticsThatStandStill:
    @staticmethod
    def _still(*modules: int) -> Callable[[str, Trait, int, float], float]:
        def change(name: str, trait: Trait, place: int, value: float) -> float:
            still = name in BUFFERS and any(name.startswith(f"m.{one}.") for one in modules)
            return 0.0 if still and trait is Trait.MOVED and place >= AT else value

        return change

    def test_of_one_norm_are_a_departure(self) -> None:
        found = first(course(self._still(2)))
        assert (module_of(found.name), found.place, found.stands_still) == ("m.2", AT, True)

    def test_of_all_norms_were_meant(self) -> None:
        assert departures(course(self._still(*range(6)))) == ()

    def test_with_frozen_weights_were_meant(self) -> None:
        still = self._still(2)

        def frozen(name: str, trait: Trait, place: int, value: float) -> float:
            is_it = name.startswith("m.2.") and trait is Trait.MOVED and place >= AT
            return 0.0 if is_it else still(name, trait, place, value)

        assert departures(course(frozen)) == ()
