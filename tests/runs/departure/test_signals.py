"""What is judged of a tensor: its figures in relation to what it was."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ckptdoctor.runs.departure.course import Course, CourseBuilder, Moment, Trait, module_of
from ckptdoctor.runs.departure.signals import logs_of, signals_of

NAN, INF = math.nan, math.inf


def course(
    series: Mapping[Trait, Mapping[str, Sequence[float]]], *, numel: int = 4, buffers: str = ""
) -> Course:
    names = {name for own in series.values() for name in own}
    count = max(len(values) for own in series.values() for values in own.values())
    return Course(
        moments=tuple(Moment(name=f"e{at}", at=at) for at in range(count)),
        series=series,
        numel=dict.fromkeys(names, numel),
        buffers=frozenset(buffers.split()),
    )


def told(logs: Sequence[float | None]) -> list[Any]:
    return [None if value is None else pytest.approx(math.exp(value)) for value in logs]


def test_what_is_unknown_zero_or_not_finite_has_no_log() -> None:
    assert logs_of([1.0, 0.0, -1.0, NAN, INF]) == [0.0, None, None, None, None]


def test_what_moved_is_held_against_the_largest_norm_so_far() -> None:
    found = signals_of(
        course(
            {
                Trait.NORM: {"m.w": [2.0, 8.0, 1.0, 1.0]},
                Trait.MOVED: {"m.w": [NAN, 1.0, 4.0, 4.0]},
            }
        )
    )
    assert told(found[Trait.MOVED]["m.w"]) == [None, 0.5, 0.5, 0.5]


def test_a_norm_that_is_not_finite_makes_nothing_small() -> None:
    norms = {"m.w": [2.0, NAN, INF, 2.0]}
    found = signals_of(course({Trait.NORM: norms, Trait.MOVED: {"m.w": [NAN, 1.0, 1.0, 1.0]}}))
    assert told(found[Trait.MOVED]["m.w"]) == [None, 0.5, 0.5, 0.5]
    assert told(found[Trait.NORM]["m.w"]) == [1.0, None, None, 1.0]


def test_what_is_small_beside_its_module_is_held_against_a_tenth_of_that() -> None:
    series = {
        Trait.NORM: {"m.w": [20.0] * 3, "m.b": [0.002] * 3, "n.b": [0.002] * 3},
        Trait.MOVED: {"m.w": [NAN, 2.0, 2.0], "m.b": [NAN, 0.2, 0.2], "n.b": [NAN, 0.002, 0.002]},
        Trait.LARGEST: {"m.b": [0.001, 50.0, INF]},
    }
    found = signals_of(course(series))
    assert told(found[Trait.MOVED]["m.b"]) == [None, 0.1, 0.1]
    assert told(found[Trait.MOVED]["n.b"]) == [None, 1.0, 1.0]
    assert told(found[Trait.NORM]["m.b"]) == [1.0, 1.0, 1.0]
    assert told(found[Trait.NORM]["m.w"]) == [10.0, 10.0, 10.0]
    assert told(found[Trait.LARGEST]["m.b"]) == [1.0, 50.0, None]


def test_a_floor_is_that_of_the_checkpoint_before() -> None:
    """The one that is judged must not raise it."""
    series = {
        Trait.NORM: {"m.w": [2.0, 200.0, 200.0], "m.b": [2.0, 2.0, 2.0]},
        Trait.MOVED: {"m.b": [NAN, 1.0, 1.0]},
    }
    found = signals_of(course(series))
    assert told(found[Trait.NORM]["m.b"]) == [1.0, 1.0, 10.0]
    assert told(found[Trait.MOVED]["m.b"]) == [None, 0.5, 0.05]


def test_what_hardly_moves_counts_as_a_part_of_what_is_usual() -> None:
    moved = {f"m{at}.w": [NAN, 2.0, 2.0] for at in range(3)}
    moved |= {"bias.b": [NAN, 1e-9, 2.0], "norm.running_mean": [NAN, 1e-9, 2.0]}
    found = signals_of(
        course(
            {Trait.NORM: {name: [2.0] * 3 for name in moved}, Trait.MOVED: moved},
            buffers="norm.running_mean",
        )
    )[Trait.MOVED]
    assert told(found["bias.b"]) == [None, 0.05, 1.0]
    assert told(found["norm.running_mean"]) == [None, pytest.approx(5e-10), 1.0]


def test_other_figures_are_taken_as_they_are_and_counts_are_not_judged() -> None:
    every = {trait: {"m.w": [1.0, 2.0]} for trait in Trait}
    found = signals_of(course(every))
    assert set(Trait) - set(found) == {Trait.NON_FINITE, Trait.DEAD}
    assert told(found[Trait.SQUARES]["m.w"]) == told(found[Trait.RATE]["m.w"]) == [1.0, 2.0]
    assert told(found[Trait.EMA]["m.w"]) == [None, 2.0]  # an average is apart as weights move
    alone = signals_of(course({Trait.MOVED: {"m.w": [NAN, 1.0]}}))  # of an unknown size
    assert alone == {Trait.MOVED: {}}


def test_a_course_speaks_of_its_tensors_without_what_all_begin_with() -> None:
    series = {Trait.NORM: {"model.a.w": [1.0], "model.b": [1.0]}}
    found = course(series)
    assert (found.root, found.short("model.a.w"), found.short("model.b")) == ("model.", "a.w", "b")
    assert course({Trait.NORM: {"model.a": [1.0], "model": [1.0]}}).root == ""
    assert course({Trait.NORM: {"model.a": [1.0], "net.a": [1.0]}}).root == ""
    assert course({Trait.NORM: {"w": [1.0]}}).short("w") == "w"
    assert list(found.figures("model.b")) == [(Trait.NORM, [1.0])]
    assert list(found.figures("absent")) == []
    assert (module_of("a.b.weight"), module_of("weight")) == ("a.b", "weight")
    assert found.say(0) == "epoch 0"
    nameless = Course(moments=(Moment(name="best.pth", at=None),))
    assert nameless.say(0) == "best.pth"


def test_figures_are_taken_as_they_come_and_the_rest_is_unknown() -> None:
    builder = CourseBuilder(3)
    builder.note(Trait.NORM, "w", 1, 5.0)
    builder.note(Trait.NORM, "w", 2, 6.0)
    first, *rest = builder.series[Trait.NORM]["w"]
    assert math.isnan(first)
    assert rest == [5.0, 6.0]


def test_which_traits_are_of_the_optimizer_and_every_one_has_a_word() -> None:
    assert {trait for trait in Trait if trait.is_of_optimizer} == {
        Trait.SQUARES,
        Trait.MOMENTUM,
        Trait.RATE,
        Trait.BAD_STATE,
    }
    assert len({trait.word for trait in Trait}) == len(Trait)
