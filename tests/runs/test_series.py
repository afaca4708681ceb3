"""The scores that files and logs of a run hold, and of which data each is."""

from __future__ import annotations

from collections.abc import Sequence

from ckptdoctor.metadata import Split
from ckptdoctor.runs.logs import LogReading
from ckptdoctor.runs.member import Member
from ckptdoctor.runs.series import (
    TRAINING,
    Series,
    bests_of,
    class_of,
    series_of,
    unknown_in,
    values_of,
)
from tests.each import each
from tests.runs.members import holding, log, member

NOTHING = LogReading()


def by_name(members: Sequence[Member], reading: LogReading = NOTHING) -> dict[str, Series]:
    return {f"{one.name}{' in logs' * one.in_log}": one for one in series_of(members, reading)}


def test_scores_of_files_are_counted_and_a_running_best_is_none() -> None:
    files = [member(f"e{at}.pth", epoch=at, val_iou=0.1 * at, best_iou=0.5) for at in range(3)]
    found = by_name([*files, member("e9.pth", epoch=9)])
    assert list(found) == ["val_iou"]
    assert (found["val_iou"].count, found["val_iou"].split) == (3, Split.VALIDATION)
    assert list(bests_of(files)) == ["best_iou"]


def test_the_most_frequent_best_comes_first() -> None:
    files = [member("a.pth", best_loss=1.0), *(member(f"{n}.pth", best_iou=0.5) for n in "bc")]
    assert list(bests_of(files)) == ["best_iou", "best_loss"]
    assert bests_of([]) == {}


def test_a_bare_name_beside_that_of_a_validation_is_of_training() -> None:
    rows = {at: {"iou": 0.9, "val_iou": 0.5, "dice": 0.7} for at in range(3)}
    found = by_name([], log(rows))
    splits = {one.name: one.split for one in found.values()}
    assert splits == {"iou": Split.TRAINING, "val_iou": Split.VALIDATION, "dice": Split.UNSAID}
    held = by_name([member("e1.pth", epoch=1, iou=0.9, val_iou=0.5)])
    assert held["iou"].split is Split.TRAINING


@each(
    ("told", "split"),
    [
        ([0.1, 0.2, 0.3, 0.4], Split.UNSAID),  # what the files say
        ([0.10005, 0.2, 0.3, 0.4], Split.UNSAID),  # printed with fewer digits
        ([0.9, 0.2, 0.3, 0.4], Split.UNSAID),  # one that is another is none
        ([0.9, 0.8, 0.3, 0.4], Split.UNSAID),  # half of them
        ([0.9, 0.8, 0.7, 0.4], Split.TRAINING),
        ([0.9, 0.8, 0.7, 0.6], Split.TRAINING),
    ],
)
def test_values_of_a_log_that_are_not_those_of_the_validation_are_of_training(
    told: list[float], split: Split
) -> None:
    files = [member(f"e{at}.pth", epoch=at, val_iou=0.1 * at) for at in range(1, 5)]
    reading = log({at: {"iou": value} for at, value in enumerate(told, start=1)})
    assert by_name(files, reading)["iou in logs"].split is split
    assert by_name([], reading)["iou in logs"].split is Split.UNSAID


def test_a_name_that_says_its_data_is_believed_whatever_its_values_are() -> None:
    files = [member(f"e{at}.pth", epoch=at, val_iou=0.1 * at) for at in range(1, 5)]
    reading = log({at: {"val_iou": 0.9, "test_iou": 0.8} for at in range(1, 5)})
    found = by_name(files, reading)
    assert found["val_iou in logs"].split is Split.VALIDATION
    assert found["test_iou in logs"].split is not Split.TRAINING


def test_a_score_of_a_validation_comes_before_its_loss_and_training_last() -> None:
    row = {"val_iou": 0.5, "val_loss": 0.5, "loss": 0.4, "train_iou": 0.9, "dice": 0.7}
    found = by_name([], log({1: row, 2: row}))
    assert {one.name: class_of(one) for one in found.values()} == {
        "val_iou": 0,
        "val_loss": 1,
        "loss": TRAINING,
        "train_iou": TRAINING,
        "dice": 0,
    }


def test_values_come_with_their_epochs() -> None:
    files = [member("e1.pth", epoch=1, val_iou=0.1), member("best.pth", val_iou=0.3)]
    files.append(member("e2.pth", epoch=2))
    reading = log({4: {"val_iou": 0.4}, 5: {"val_loss": 1.0}, 6: {"val_iou": 0.6}})
    found = by_name(files, reading)
    assert list(values_of(found["val_iou"], files, reading)) == [(1, 0.1), (None, 0.3)]
    assert list(values_of(found["val_iou in logs"], files, reading)) == [(4, 0.4), (6, 0.6)]


def test_what_looks_like_a_score_and_is_not_understood_is_named_once() -> None:
    files = [holding("a.pth", {"val_qrs": 0.4}), holding("b.pth", {"val_qrs": 0.5})]
    reading = log({1: {"val_qrs": 0.3, "val_xyz": 0.2, "val_iou": 0.5}})
    assert unknown_in(files, reading) == ("val_qrs", "val_xyz")
    assert unknown_in([], NOTHING) == ()
