"""What a departure looks like in figures, and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from ckptdoctor.runs.departure.course import Course, Moment, Trait
from ckptdoctor.runs.departure.departures import Departure
from ckptdoctor.runs.departure.sampled import gap_of
from ckptdoctor.runs.departure.words import figure_at, in_words, many, told_of, usual_times
from tests.each import each

NAN = math.nan


def course(series: Mapping[Trait, Mapping[str, Sequence[float]]], step: int = 1) -> Course:
    names = {name for own in series.values() for name in own}
    count = max(len(values) for own in series.values() for values in own.values())
    return Course(
        moments=tuple(Moment(name=f"e{at}", at=at * step) for at in range(count)),
        series=series,
        numel=dict.fromkeys(names, 4),
        buffers=frozenset(name for name in names if name.startswith("running")),
    )


def departure(name: str, trait: Trait, place: int, **more: bool) -> Departure:
    return Departure(name=name, trait=trait, place=place, excess=1.0, deviations=9.0, **more)


MOVED = {
    Trait.NORM: {"w": [2.0, 4.0, 4.0, 4.0], "v": [1.0] * 4, "running": [1.0] * 4},
    Trait.MOVED: {"w": [NAN, 0.2, 0.4, 4.0], "v": [NAN, 0.1, 0.1, 0.2], "running": [NAN, 1, 1, 9]},
}


def test_what_moved_is_told_as_a_share_of_the_norm_that_it_had() -> None:
    found = course(MOVED)
    assert [figure_at(found, "w", Trait.MOVED, at) for at in (1, 2, 3)] == [0.1, 0.1, 1.0]
    assert math.isnan(figure_at(found, "w", Trait.MOVED, 0))
    assert math.isnan(figure_at(found, "absent", Trait.MOVED, 1))
    assert figure_at(found, "w", Trait.NORM, 0) == 2.0
    apart = course(MOVED, step=10)  # the figures are those of an epoch, the share is of all ten
    assert figure_at(apart, "w", Trait.MOVED, 1) == 1.0
    zero = course({Trait.NORM: {"w": [0.0, 1.0]}, Trait.MOVED: {"w": [NAN, 1.0]}})
    assert math.isnan(figure_at(zero, "w", Trait.MOVED, 1))


def test_it_is_told_how_many_times_what_was_usual_and_what_the_others_did() -> None:
    found = course(MOVED)
    told = told_of(found, departure("w", Trait.MOVED, 3))
    assert (told.value, told.usual, told.times) == (1.0, 0.1, 10.0)
    assert told.others == 2.0  # of the weights; statistics are no peers
    assert usual_times(found, "v", Trait.MOVED, 3) == pytest.approx(2.0)
    assert in_words(found, departure("w", Trait.MOVED, 3)) == (
        "moved by 1 of its norm, 10 times what was usual for it, "
        "the others 2 times what is usual for them"
    )
    assert told_of(found, departure("running", Trait.MOVED, 3, is_buffer=True)).times == 9.0


def test_usual_is_the_median_of_the_last_eight() -> None:
    norms = [100.0, *[1.0] * 4, *[3.0] * 4, 9.0]
    found = course({Trait.NORM: {"w": norms}})
    assert told_of(found, departure("w", Trait.NORM, 9)).usual == 2.0
    assert told_of(found, departure("w", Trait.NORM, 1)).usual == 100.0
    assert math.isnan(usual_times(found, "w", Trait.NORM, 0))


@each(
    ("trait", "values", "said"),
    [
        (Trait.NORM, [1.0, 1.0, 4.5], "had a norm of 4.5, 4.5 times what was usual for it"),
        (Trait.SQUARES, [1.0, 1.0, 2.0], "had an exp_avg_sq with a norm of 2, 2 times"),
        (Trait.LARGEST, [0.0, 0.0, 2.0], "had a largest element of 2, which was nothing before"),
        (Trait.NORM, [NAN, NAN, 2.0], "had a norm of 2, what was usual is not known"),
        (Trait.NON_FINITE, [0.0, 0.0, 0.125], "holds NaN or Inf in 12.5 % of its elements"),
        (Trait.BAD_STATE, [0.0, 0.0, 1.0], "has NaN or Inf in what the optimizer keeps of it"),
        (Trait.BAD_AVERAGE, [0.0, 0.0, 1.0], "has NaN or Inf in its average (EMA)"),
    ],
)
def test_every_figure_has_its_words(trait: Trait, values: list[float], said: str) -> None:
    assert in_words(course({trait: {"w": values}}), departure("w", trait, 2)).startswith(said)


def test_what_stands_still_is_said() -> None:
    still = departure("running", Trait.MOVED, 3, is_buffer=True, stands_still=True)
    assert in_words(course(MOVED), still).startswith("did not change at all")


@each(
    ("value", "said"),
    [
        (12.5, "12.5"),
        (999.0, "999"),
        (1000.0, "1,000"),
        (203_456.0, "203,000"),
        (9_999_000.0, "10,000,000"),
        (1e7, "1e+07"),
        (8.3e8, "8.3e+08"),
        (0.0123456, "0.0123"),
    ],
)
def test_a_factor_is_told_as_a_person_reads_it(value: float, said: str) -> None:
    assert many(value) == said


def test_of_two_checkpoints_of_which_a_place_is_not_known_the_gap_is_one() -> None:
    three, eight, lost = (Moment(name="e", at=at) for at in (3, 8, None))
    assert gap_of(three, eight) == 5.0
    assert {gap_of(eight, three), gap_of(three, three)} == {1.0}
    assert {gap_of(three, lost), gap_of(lost, three)} == {1.0}
