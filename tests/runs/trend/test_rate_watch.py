"""Jumps of the learning rate as they come; the schedules of torch, as torch itself runs them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as torch_lr

from ckptdoctor.histories import AlarmKind, Clock
from ckptdoctor.metadata import Mode
from ckptdoctor.runs.trend.monitor import Monitor
from ckptdoctor.runs.trend.rate_watch import RateWatch
from ckptdoctor.runs.trend.rates import is_sure
from tests.each import each

Make = Callable[[torch.optim.Optimizer], Any]
SCHEDULES: dict[str, Make] = {
    "steps": lambda o: torch_lr.StepLR(o, 20, 0.1),
    "milestones": lambda o: torch_lr.MultiStepLR(o, [30, 60, 80], 0.1),
    "exponential": lambda o: torch_lr.ExponentialLR(o, 0.9),
    "polynomial": lambda o: torch_lr.PolynomialLR(o, 100, 0.9),
    "cosine": lambda o: torch_lr.CosineAnnealingLR(o, 100),
    "cosine up again": lambda o: torch_lr.CosineAnnealingLR(o, 10, 1e-6),
    "short cosine up again": lambda o: torch_lr.CosineAnnealingLR(o, 4, 1e-6),
    "warm restarts": lambda o: torch_lr.CosineAnnealingWarmRestarts(o, 10, 1, 1e-5),
    "warm restarts of 7": lambda o: torch_lr.CosineAnnealingWarmRestarts(o, 7),
    "longer restarts": lambda o: torch_lr.CosineAnnealingWarmRestarts(o, 5, 2),
    "restarts from half": lambda o: torch_lr.CosineAnnealingWarmRestarts(o, 10, 1, 0.03),
    "triangles": lambda o: torch_lr.CyclicLR(o, 1e-4, 0.1, 4, cycle_momentum=False),
    "short triangles": lambda o: torch_lr.CyclicLR(o, 1e-4, 0.1, 2, cycle_momentum=False),
    "lower triangles": lambda o: torch_lr.CyclicLR(
        o, 1e-4, 0.1, 3, mode="triangular2", cycle_momentum=False
    ),
    "one cycle": lambda o: torch_lr.OneCycleLR(o, 0.1, total_steps=101, cycle_momentum=False),
    "three phases": lambda o: torch_lr.OneCycleLR(
        o, 0.1, total_steps=101, three_phase=True, cycle_momentum=False
    ),
    "constant warm-up": lambda o: torch_lr.ConstantLR(o, 0.1, 5),
    "linear warm-up": lambda o: torch_lr.LinearLR(o, 0.001, 1.0, 8),
    "warm-up, then cosine": lambda o: torch_lr.SequentialLR(
        o, [torch_lr.LinearLR(o, 1e-4, 1.0, 5), torch_lr.CosineAnnealingLR(o, 95)], [5]
    ),
    "chained": lambda o: torch_lr.ChainedScheduler(
        [torch_lr.ConstantLR(o, 0.1, 4), torch_lr.ExponentialLR(o, 0.9)]
    ),
    "linear restarts": lambda o: torch_lr.LambdaLR(o, lambda at: 1.0 - at % 12 / 12),
    "falling restarts": lambda o: torch_lr.LambdaLR(
        o, lambda at: 0.8 ** (at // 10) * torch.cos(torch.tensor(at % 10 / 10 * 1.5708)).item() ** 2
    ),
    "transformer": lambda o: torch_lr.LambdaLR(
        o, lambda at: min((at + 1) ** -0.5, (at + 1) * 10**-1.5)
    ),
}


def rates_of(make: Make, every: int = 1, count: int = 100) -> list[float]:
    """What a log of every so many steps tells."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make(optimizer)
        for _ in range(count):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return found[every - 1 :: every]


def jumps(rates: Sequence[float]) -> Iterator[int]:
    return (at for at in range(len(rates)) if is_sure(rates[: at + 1]))


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.one_in(3)
def test_no_schedule_of_torch_jumps(name: str, every: int) -> None:
    assert list(jumps(rates_of(SCHEDULES[name], every))) == []


@each("name", SCHEDULES)
def test_thirty_times_its_highest_rate_is_a_jump_in_every_schedule(name: str) -> None:
    rates = rates_of(SCHEDULES[name])
    stood = next(at for at in range(40, 99) if 0.0 < rates[at - 1] <= rates[at - 2])
    jumped = [*rates[:stood], 30 * max(rates)]
    assert list(jumps(jumped)) == [stood]
    assert list(jumps([*jumped, 30 * max(rates)])) == [stood]  # once


@each(
    "rates",
    [
        [0.1] * 10 + [3.0],  # --gamma 30
        [*[1e-3] * 5, *[1e-4] * 5, 1e-3],  # a resume without the scheduler
        [*rates_of(SCHEDULES["cosine"])[:80], 0.1],
        [*rates_of(SCHEDULES["exponential"])[:30], 0.1],
        [*rates_of(SCHEDULES["warm restarts"])[:10], 2.0],  # a cycle of twenty times the first
        [*rates_of(SCHEDULES["warm-up, then cosine"])[:70], 0.1],
        [1e-3, 1e-3, 0.05],  # no warm-up is as steep
    ],
)
def test_what_no_schedule_does_is_told_at_once(rates: list[float]) -> None:
    assert list(jumps(rates)) == [len(rates) - 1]


@each(
    "rates",
    [
        [1e-3, 1e-3, 1e-3, 2.9e-3],  # less than three times
        [1e-6, 1e-4, 3e-4, 1e-3],
        [0.0, 0.0, 0.0, 1e-3],
        [*[1e-2] * 5, *[1e-4] * 5, 4e-4],  # far below the highest
        [1e-3],
        [],
    ],
)
def test_what_is_none(rates: list[float]) -> None:
    assert list(jumps(rates)) == []


def test_the_monitor_tells_it_with_its_figures() -> None:
    monitor = Monitor("iou", Mode.MAX)
    told = [
        alarm
        for at, rate in enumerate([0.05] * 10 + [1.5] * 2, start=1)
        for alarm in monitor.update(at, {"iou": 0.5 + at / 100, "lr": rate})
    ]
    assert [(one.kind, one.at, one.before, one.value) for one in told] == [
        (AlarmKind.RATE, 11, 0.05, 1.5)
    ]
    assert told[0].message == "lr jumped from 0.05 to 1.5 at epoch 11, times 30"


def test_a_restart_goes_on_from_the_rate_of_its_place() -> None:
    watch = RateWatch(Clock.EPOCH)
    cosine = rates_of(SCHEDULES["cosine"])
    assert not [
        one for at, rate in enumerate(cosine[:90]) for one in watch.update(at, {"lr": rate})
    ]
    assert not list(watch.update(20, {"lr": cosine[20]}))
    assert [one.at for one in watch.update(21, {"lr": 1.0})] == [21]


def test_other_groups_and_rates_that_are_found_out_are_no_jump() -> None:
    watch = RateWatch(Clock.EPOCH)
    for at in range(8):
        assert not list(watch.update(at, {"lr_backbone": 1e-5, "loss": 0.3}))
    assert not list(watch.update(8, {"lr_backbone": 1e-5, "lr_head": 1e-2}))
    for at in range(8):
        assert not list(watch.update(at, {"lr/d*lr": 1e-6}))
    assert not list(watch.update(9, {"lr/d*lr": 3e-4}))
