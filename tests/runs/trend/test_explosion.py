"""A loss that explodes is told from one that got another term, by what is measured beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from ckptdoctor.histories import Alarm, AlarmKind
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.monitor import Monitor

LOSS = [0.45, 0.28, 0.20, 0.16, 0.145, 0.144, 0.13, 0.124, 0.131]
IOU = [0.1, 0.687, 0.768, 0.783, 0.785, 0.771, 0.803, 0.780, 0.801]
VAL = [0.34, 0.24, 0.18, 0.149, 0.142, 0.15, 0.124, 0.138, 0.123]
ADDED = [1.34, 0.567, 0.50, 0.47, 0.447, 0.437]
"""Three heads more from the tenth epoch on, as they learn."""


def told(rows: Sequence[Mapping[str, float]]) -> list[Alarm]:
    monitor = Monitor("IoU", Mode.MAX)
    return [
        alarm
        for at, values in enumerate(rows)
        for alarm in monitor.update(at, values)
        if alarm.kind is AlarmKind.EXPLOSION
    ]


def rows(
    loss: Sequence[float], iou: Sequence[float], val: Sequence[float]
) -> list[dict[str, float]]:
    return [
        {"train_loss": one, "IoU": score, "val_loss": held_out}
        for one, score, held_out in zip([*LOSS, *loss], [*IOU, *iou], [*VAL, *val], strict=True)
    ]


def test_a_term_that_was_added_to_the_loss_is_no_explosion() -> None:
    scores, held_out = (
        [0.72, 0.765, 0.778, 0.80, 0.811, 0.806],
        [0.163, 0.132, 0.126, 0.115, 0.111, 0.111],
    )
    assert told(rows(ADDED, scores, held_out)) == []


def test_the_same_rise_is_one_where_the_score_falls_along() -> None:
    first = told(rows([1.34], [0.3], [0.9]))
    assert [(one.name, one.at) for one in first] == [("train_loss", 9)]


@pytest.mark.parametrize(
    ("scores", "held_out"), [([0.78, 0.1], [0.15, 2.0]), ([0.78, 0.5], [0.15, 0.13])]
)
def test_it_is_one_where_the_score_falls_an_epoch_later(
    scores: list[float], held_out: list[float]
) -> None:
    found = told(rows([1.34, 1.9], scores, held_out))
    assert ("train_loss", 9) in [(one.name, one.at) for one in found]


def test_one_bad_batch_is_told_once_the_loss_is_back() -> None:
    found = told(rows([2.5, 0.13, 0.128], [0.78, 0.79, 0.80], [0.14, 0.13, 0.12]))
    assert [(one.at, one.value) for one in found] == [(9, 2.5)]


def test_a_rise_that_no_term_explains_is_told_at_once() -> None:
    assert [one.at for one in told(rows([15.0], [0.8], [0.123]))] == [9]


def test_without_anything_beside_it_a_loss_explodes_at_once() -> None:
    alone = [{"train_loss": one} for one in (*LOSS, 1.34)]
    monitor = Monitor("", Mode.MIN)
    found = [alarm for at, values in enumerate(alone) for alarm in monitor.update(at, values)]
    assert [alarm.at for alarm in found] == [9]


def test_a_loss_with_another_term_explodes_from_its_new_level() -> None:
    after = [*ADDED, 9.0]
    scores, held_out = [0.72, 0.765, 0.778, 0.80, 0.811, 0.806, 0.2], [*VAL[:6], 3.0]
    found = told(rows(after, scores, held_out))
    assert ("train_loss", 15) in [(one.name, one.at) for one in found]


@pytest.mark.parametrize(
    ("usual", "value", "is_told"),
    [
        (0.0, 0.1, False),  # 0.049 and 0.051, of one decimal
        (0.0, 0.9, True),
        (0.0, 0.001, False),
        (0.0, 7.25, True),
    ],
)
def test_what_is_rounded_to_nothing_was_something(
    usual: float, value: float, *, is_told: bool
) -> None:
    before = [{"part_loss": usual, "IoU": 0.5 + at / 100} for at in range(30)]
    found = told([*before, {"part_loss": value, "IoU": 0.8}])
    assert bool(found) is is_told
