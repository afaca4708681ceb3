"""Whether a log speaks of these files: whether it says what they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.agreement import agreement, contradict, shifted
from ckptdoctor.runs.member import Member
from tests.each import each
from tests.runs.members import curve, holding, log

VALUES = [0.312, 0.401, 0.455, 0.498, 0.521, 0.533]


def files(values: list[float], key: str = "val_iou", first: int = 1) -> list[Member]:
    return [
        holding(f"m_{at}.pth", {"epoch": at, key: value})
        for at, value in enumerate(values, start=first)
    ]


def test_a_log_that_says_what_the_files_say_agrees() -> None:
    match, shift = agreement(log(curve("val_iou", VALUES)), files(VALUES))
    assert (match.same, match.other, shift) == (len(VALUES), 0, 0)
    assert match.holds
    assert not match.contradicts


@pytest.mark.parametrize("name", ["val_iou", "val/IoU", "Val IoU"])
def test_a_log_with_other_values_contradicts(name: str) -> None:
    told = curve(name, [value - 0.2 for value in VALUES])
    match, _ = agreement(log(told), files(VALUES))
    assert match.contradicts
    assert not match.holds


def test_one_other_value_is_no_contradiction() -> None:
    told = curve("val_iou", [*VALUES[:-1], 0.1])
    match, _ = agreement(log(told), files(VALUES))
    assert match.other == 1
    assert not match.contradicts


@each(
    ("key", "held", "told"),
    [
        ("val_iou", {5: 0.45}, {5: 0.9}),
        ("best_iou", {4: 0.42, 5: 0.45}, {5: 0.9}),  # better than the best of then
        ("best_iou", {4: 0.42, 5: 0.45}, {5: 0.1}),  # the best rose in that very epoch
        ("best_iou", {1: 0.3}, {1: 0.1}),
        ("best_iou", {2: 0.5}, {1: 0.1, 2: 0.2}),  # all that led there
    ],
)
def test_one_other_value_for_the_epoch_of_a_file_contradicts_where_it_is_all_there_is(
    key: str, held: dict[int, float], told: dict[int, float]
) -> None:
    members = [holding(f"m_{at}.pth", {"epoch": at, key: value}) for at, value in held.items()]
    match, _ = agreement(log({at: {"val_iou": value} for at, value in told.items()}), members)
    assert match.contradicts


@each(
    ("key", "held", "told"),
    [
        ("best_iou", {4: 0.42, 8: 0.45}, {8: 0.1}),  # it rose in between, perhaps
        ("best_iou", {8: 0.45}, {7: 0.1, 8: 0.2}),  # or before the log begins
        ("best_iou", {1: 0.5}, {1: 0.1, 2: 0.2, 3: 0.3}),  # the file may be an old one
        ("best_iou", {4: 0.42, 5: 0.45}, {5: float("nan")}),
        ("val_loss", {5: 0.45}, {5: 0.9}),  # of the last batch, or of all
        ("val_iou", {5: 0.45}, {5: 0.1, 6: 0.45}),  # it counts from 1
        ("val_iou", {5: 0.45}, {6: 0.9}),
    ],
)
def test_one_other_value_that_something_explains_does_not(
    key: str, held: dict[int, float], told: dict[int, float]
) -> None:
    members = [holding(f"m_{at}.pth", {"epoch": at, key: value}) for at, value in held.items()]
    name = "val_loss" if "loss" in key else "val_iou"
    match, shift = agreement(log({at: {name: value} for at, value in told.items()}), members)
    assert not match.contradicts
    assert shift == 0


@each("key", ["iou", "best_iou"])
def test_beside_its_twin_of_the_validation_a_value_may_be_of_the_training(key: str) -> None:
    told = {e: {"iou": v + 0.1, "val_iou": v} for e, v in enumerate(VALUES, start=1)}
    match, _ = agreement(log(told), files(VALUES, key))
    assert match.is_whole


def test_a_log_of_something_else_says_nothing() -> None:
    for told in (curve("val_loss", VALUES), curve("train_iou", VALUES), {}):
        match, _ = agreement(log(told), files([value + 0.1 for value in VALUES]))
        assert not match.contradicts
        assert not match.holds


@pytest.mark.parametrize(("held", "told"), [("val_iou", "iou"), ("val_loss", "loss")])
def test_a_training_value_of_the_log_does_not_contradict_the_validation_of_the_files(
    held: str, told: str
) -> None:
    rows = {e: {told: v + 0.11, "lr": 0.1} for e, v in enumerate(VALUES, start=1)}
    match, _ = agreement(log(rows), files(VALUES, held))
    assert not match.contradicts


@pytest.mark.parametrize(
    "printed",
    [
        [round(value, 2) for value in VALUES],
        [int(value * 100) / 100 for value in VALUES],
        [round(100 * value, 1) for value in VALUES],
    ],
)
def test_rounded_cut_and_in_percent_is_the_same(printed: list[float]) -> None:
    match, _ = agreement(log(curve("val_iou", printed)), files(VALUES))
    assert match.same == len(VALUES)


@pytest.mark.parametrize("by", [1, -1])
def test_a_log_may_count_from_one_more(by: int) -> None:
    told = log(curve("val_iou", VALUES, first=5 + by))
    match, shift = agreement(told, files(VALUES, first=5))
    assert match.holds
    assert shifted(told, shift).epochs == curve("val_iou", VALUES, first=5)


def test_the_best_of_the_files_is_what_the_log_reached_until_then() -> None:
    wobbling = [0.31, 0.44, 0.40, 0.47, 0.46, 0.43]
    best = [max(wobbling[: at + 1]) for at in range(len(wobbling))]
    match, _ = agreement(log(curve("val_iou", wobbling)), files(best, "best_iou"))
    assert match.same > 0
    assert not match.contradicts
    other = [value + 0.3 for value in best]
    match, _ = agreement(log(curve("val_iou", wobbling)), files(other, "best_iou"))
    assert match.contradicts


@pytest.mark.parametrize("told", [0.002, float("nan")])
def test_a_log_that_begins_after_the_best_does_not_contradict_it(told: float) -> None:
    """The best survives a collapse unchanged, and a log that a resume began tells of it alone."""
    members = files([0.5, 0.6, 0.6, 0.6, 0.6], key="best_iou")
    late = log({epoch: {"val_iou": told} for epoch in (3, 4, 5)})
    assert not agreement(late, members)[0].contradicts
    whole = log({epoch: {"val_iou": 0.1} for epoch in (1, 2, 3, 4, 5)})
    assert agreement(whole, members)[0].contradicts


def test_two_trainings_from_the_beginning_contradict() -> None:
    other = [value * 0.8 for value in VALUES]
    assert contradict(log(curve("val_iou", VALUES)), log(curve("val_iou", other)))
    assert contradict(log(curve("val_iou", other)), log(curve("val_iou", VALUES)))


@pytest.mark.parametrize("name", ["IoU", "mIoU", "Dice"])
def test_scores_that_do_not_say_of_which_data_contradict_too(name: str) -> None:
    other = [value * 0.8 for value in VALUES]
    assert contradict(log(curve(name, VALUES)), log(curve(name, other)))


@pytest.mark.parametrize(
    "other",
    [
        curve("val_iou", VALUES),
        curve("val_loss", VALUES),
        curve("val_iou", [0.55, 0.56, 0.561], first=7),
        curve("val_iou", [0.44, 0.47, 0.49, 0.55, 0.56], first=3),  # resumed at 3
        {},
    ],
)
def test_logs_that_go_on_or_tell_the_same_do_not(other: dict[int, dict[str, float]]) -> None:
    assert not contradict(log(curve("val_iou", VALUES)), log(other))
    assert not contradict(log(other), log(curve("val_iou", VALUES)))


values = st.lists(st.floats(0.001, 0.999), max_size=8)


@given(values, values)
def test_a_contradiction_is_mutual(one: list[float], other: list[float]) -> None:
    a, b = log(curve("val_iou", one)), log(curve("val_iou", other))
    assert contradict(a, b) == contradict(b, a)
    assert not contradict(a, a)


@given(values, st.sampled_from(["val_iou", "best_val_iou", "val_loss"]))
def test_a_log_never_contradicts_the_files_it_was_written_with(held: list[float], key: str) -> None:
    best = [max(held[: at + 1]) for at in range(len(held))]
    match, _ = agreement(
        log(curve(key.removeprefix("best_"), held)),
        files(best if key.startswith("best_") else held, key),
    )
    assert not match.contradicts


@pytest.mark.parametrize(
    ("first", "told_from", "by"), [(0, 1, 1), (1, 0, -1), (1, 1, 0), (0, 0, 0)]
)
def test_where_no_score_is_stored_the_first_and_the_last_epoch_tell_the_count(
    first: int, told_from: int, by: int
) -> None:
    silent = [holding(f"m_{at}.pth", {"epoch": at}) for at in range(first, first + len(VALUES))]
    told = {at: {"val_iou": value} for at, value in enumerate(VALUES, start=told_from)}
    _, shift = agreement(log(told), silent)
    assert shift == by
    assert set(shifted(log(told), shift).epochs) == {at.metadata.epoch for at in silent}


def test_a_log_that_ends_elsewhere_is_not_shifted() -> None:
    silent = [holding(f"m_{at}.pth", {"epoch": at}) for at in range(4)]
    told = {at: {"val_iou": value} for at, value in enumerate(VALUES, start=1)}
    assert agreement(log(told), silent)[1] == 0
