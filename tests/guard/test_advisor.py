"""The advisor follows the recovery rules, once per decline, and changes what it says it changes."""

from __future__ import annotations

import math

import pytest
import torch

from ckptdoctor.guard import Advice, LRAdvisor, Reason
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.trend import trend_of
from tests.guard.nets import net

THE_RUN = (0.6371, 0.6345, 0.6312, 0.6274, 0.6231, 0.6165, 0.6093, 0.5987, 0.5742, 0.0022)


def sgd() -> torch.optim.Optimizer:
    return torch.optim.SGD(net().parameters(), lr=0.1)


def advised(metrics: list[float], mode: str = "max") -> list[Advice]:
    advisor = LRAdvisor(sgd(), mode=mode)
    given = [advisor.update(metric, epoch=at) for at, metric in enumerate(metrics)]
    return [advice for advice in given if advice is not None]


def test_the_run_this_was_made_for() -> None:
    advisor = LRAdvisor(sgd())
    given = {
        epoch: advisor.update(metric, epoch=epoch)
        for epoch, metric in enumerate([0.63, 0.6413, *THE_RUN, math.nan], start=87)
    }
    told = {epoch: advice for epoch, advice in given.items() if advice is not None}
    assert list(told) == [91, 98]
    decline, collapse = told[91], told[98]
    assert (decline.reason, decline.since, decline.best_epoch) == (Reason.DECLINE, 89, 88)
    assert (decline.lr_factor, decline.warmup_epochs, decline.applied) == (0.8, 5, False)
    assert (collapse.reason, collapse.lr_factor, collapse.best_epoch) == (Reason.COLLAPSE, 0.5, 88)
    assert decline.describe() == (
        "epoch 91: the metric is declining since epoch 89; stop, and restart from epoch 88 with "
        "0.8 times the learning rate and 5 epochs of warm-up"
    )


@pytest.mark.parametrize(
    "metrics",
    [
        [0.1, 0.2, 0.3, 0.4, 0.5],
        [0.5, 0.49, 0.48, 0.49, 0.48, 0.47, 0.48],  # never three in a row
        [0.5, 0.5, 0.5, 0.5, 0.5],
        [0.5, 0.49, 0.49, 0.48, 0.47],
        [],
    ],
)
def test_silence(metrics: list[float]) -> None:
    assert advised(metrics) == []


def test_a_new_decline_is_a_new_advice() -> None:
    told = advised([0.5, 0.4, 0.39, 0.38, 0.37, 0.36, 0.4, 0.39, 0.38, 0.37])
    assert [(one.epoch, one.since) for one in told] == [(3, 1), (9, 7)]


def test_a_loss_is_better_when_lower() -> None:
    told = advised([1.0, 0.9, 1.0, 1.1, 1.2, 9.5, math.inf, 0.8], mode="min")
    assert [(one.epoch, one.reason) for one in told] == [(4, Reason.DECLINE), (5, Reason.COLLAPSE)]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_not_finite_is_a_collapse_told_once(bad: float) -> None:
    told = advised([0.5, bad, bad, 0.6, bad])
    assert [(one.epoch, one.reason) for one in told] == [
        (1, Reason.COLLAPSE),
        (4, Reason.COLLAPSE),
    ]
    assert advised([bad])[0].best_epoch is None


def test_acting_scales_what_the_scheduler_will_set_too() -> None:
    optimizer = sgd()
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    advisor = LRAdvisor(optimizer, scheduler, act=True)
    advice = [advisor.update(metric) for metric in (0.5, 0.4, 0.39, 0.38, 0.37)]
    assert [one is not None for one in advice] == [False, False, False, True, False]
    assert advice[3] is not None
    assert advice[3].applied
    assert "was multiplied by 0.8" in advice[3].describe()
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.08)
    advisor.update(math.nan)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.04)


def test_the_state_round_trips_in_the_middle_of_a_decline() -> None:
    advisor = LRAdvisor(sgd())
    for metric in (0.5, 0.4, 0.39):
        advisor.update(metric)
    other = LRAdvisor(sgd())
    other.load_state_dict(advisor.state_dict())
    assert other.state_dict() == advisor.state_dict()
    advice = other.update(torch.tensor(0.38))
    assert advice is not None
    assert (advice.epoch, advice.since, advice.best_epoch) == (3, 1, 0)


def test_it_agrees_with_what_history_says_afterwards() -> None:
    metrics = [0.63, 0.6413, *THE_RUN]
    trend = trend_of(dict(enumerate(metrics)), Mode.MAX)
    told = advised(metrics)
    assert trend.decline is not None
    assert told[0].since == trend.decline[0]
    assert told[1].epoch == trend.collapse
    assert told[1].best_epoch == trend.best
