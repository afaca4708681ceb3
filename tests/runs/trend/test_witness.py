"""A young net: worse than untrained by two witnesses, or beginning to learn."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ckptdoctor.histories import AlarmKind, Clock, Position
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.monitor import Monitor
from ckptdoctor.runs.trend.trend import Beside, trend_of
from ckptdoctor.runs.trend.witness import TrainingLoss, training_loss

Pairs = Sequence[tuple[float, float]]
"""Of each epoch from the first one on: the loss of the training, and the metric."""


def told(
    pairs: Pairs,
    metric: str = "val_acc",
    mode: Mode = Mode.MAX,
    first: int = 1,
    loss: str = "loss",
) -> list[Position]:
    """Where each way of looking at it sees the collapse: live, and behind the last epoch."""
    monitor = Monitor(metric, mode)
    live = [
        alarm.at
        for at, (train, score) in enumerate(pairs, start=first)
        for alarm in monitor.update(at, {loss: train, metric: score})
        if alarm.kind is AlarmKind.COLLAPSE
    ]
    scores = {at: score for at, (_, score) in enumerate(pairs, start=first)}
    losses: dict[Position, TrainingLoss] = {
        at: known
        for at, (train, score) in enumerate(pairs, start=first)
        if (known := training_loss({loss: train, metric: score}, metric)) is not None
    }
    later = trend_of(scores, mode, Clock.EPOCH, Beside(metric=metric, losses=losses)).collapse
    assert live[:1] == ([] if later is None else [later]), "both see the same"
    return live


DEAD = [(1.3614, 0.408), (1.504, 0.327), (1.863, 0.268), (1.887, 0.264), (1.717, 0.215)]
FORGOT = [(1.58, 0.52), (1.95, 0.38), (1.49, 0.43), (1.44, 0.41), (1.5, 0.32)]
LOSING = [(1.67, 0.49), (1.15, 0.645), (1.46, 0.443), (1.38, 0.466)]


@pytest.mark.parametrize(("pairs", "at"), [(DEAD, 3), (FORGOT, 2), (LOSING, 3)])
def test_a_net_that_is_worse_than_untrained_is_told_and_once(pairs: Pairs, at: int) -> None:
    assert told(pairs) == [at]
    assert told([(loss, 0.5) for loss, _ in pairs]) == [], "the metric says nothing of it"
    assert told([(1.4 - at / 20, score) for at, (_, score) in enumerate(pairs)]) == []
    assert told(pairs, first=40) == [], "what an untrained net scores is not known"


def test_two_losses_are_no_two_witnesses_of_a_small_fall() -> None:
    shaken = [(0.55, 0.336), (0.27, 0.2), (0.115, 0.141), (0.365, 0.342), (0.236, 0.177)]
    assert told(shaken, "val_loss", Mode.MIN) == []
    blown = [*shaken[:3], (1.35, 1.097), (1.13, 0.8)]
    assert told(blown, "val_loss", Mode.MIN) == [4]


@pytest.mark.parametrize("loss", ["val_loss", "loss_ce", "G_GAN_loss"])
def test_losses_that_are_no_witness(loss: str) -> None:
    assert told(DEAD, loss=loss) == []


def test_the_loss_of_an_agent_rises_with_its_reward() -> None:
    assert told(DEAD, "ep_rew_mean") == []


def test_it_ends_when_the_metric_is_back() -> None:
    back = [*DEAD, (0.9, 0.5), (0.8, 0.6)]
    losses: dict[Position, TrainingLoss] = {
        at: ("loss", loss) for at, (loss, _) in enumerate(back, start=1)
    }
    scores = {at: score for at, (_, score) in enumerate(back, start=1)}
    beside = Beside(metric="val_acc", losses=losses)
    assert trend_of(scores, Mode.MAX, Clock.EPOCH, beside).collapse is None


LEARNS = [0.34, 0.3, 0.28, 0.27, 0.25, 0.2, 0.15, 0.12]


@pytest.mark.parametrize(
    "scores",
    [
        [0.18, 0.0, 0.0, 0.0, 0.0, 0.46, 0.75, 0.8],  # guessed, then found nothing
        [0.037, 0.0, 0.0, 0.0, 0.0, 0.08, 0.45, 0.7],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.04, 0.015, 0.3],  # has not begun before
        [0.18, 0.1, 0.0, 0.0, 0.02, 0.0, 0.3, 0.6],
    ],
)
def test_what_an_untrained_net_guessed_is_no_best_to_fall_from(scores: list[float]) -> None:
    assert told(list(zip(LEARNS, scores, strict=True)), "val_f1") == []


def test_a_score_that_rose_was_no_guess() -> None:
    scores = [0.55, 0.6, 0.62, 0.001, 0.001]
    losses: dict[Position, TrainingLoss] = {
        at: ("loss", LEARNS[at - 1]) for at in range(1, len(scores) + 1)
    }
    found = trend_of(
        dict(enumerate(scores, start=1)), Mode.MAX, beside=Beside(metric="val_iou", losses=losses)
    )
    assert found.collapse == 4


def test_a_net_that_fell_to_nothing_and_does_not_learn_has_collapsed() -> None:
    scores = [0.18, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    stuck = [(0.34 + at / 10, score) for at, score in enumerate(scores)]
    assert told(stuck, "val_f1")[:1] == [2]
    late = [0.18, 0.0, 0.3, 0.6, 0.62, 0.63, 0.64, 0.0]
    assert told(list(zip(LEARNS, late, strict=True)), "val_f1") == [8]
