"""A scaled learning rate is the whole curve times the factor, whatever the schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import SGD, Optimizer, lr_scheduler

from ckptdoctor.guard.learning_rate import scale_learning_rate
from tests.benchmarks.comes_back.schedules import TimmCosine
from tests.each import each


def sequential(optimizer: Optimizer) -> Any:
    warm = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=4)
    return lr_scheduler.SequentialLR(optimizer, [warm, lr_scheduler.StepLR(optimizer, 3)], [4])


SCHEDULES: dict[str, Callable[[Optimizer], Any]] = {
    "step": lambda o: lr_scheduler.StepLR(o, 5),
    "exponential": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 20, eta_min=0.01),
    "warm restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 6, eta_min=0.01),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.4, total_steps=24),
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.3, step_size_up=5, cycle_momentum=False),
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 0.9**epoch),
    "polynomial": lambda o: lr_scheduler.PolynomialLR(o, 20),
    "sequential": sequential,
    "timm": lambda o: TimmCosine(o, epochs=20, warmup=9, cycle_decay=0.5),
}


def rates_of(make: Callable[[Optimizer], Any], factor: float, at: int) -> list[float]:
    """The rates of 20 epochs, scaled before one of them."""
    optimizer = SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1, momentum=0.9)
    schedule = make(optimizer)
    found = []
    for epoch in range(20):
        if epoch == at:
            scale_learning_rate([optimizer], [schedule], factor)
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        schedule.step(epoch + 1) if isinstance(schedule, TimmCosine) else schedule.step()
    return found


@each("name", SCHEDULES)
@each("at", [0, 3, 11])
def test_what_follows_is_the_curve_times_the_factor(name: str, at: int) -> None:
    plain, scaled = (rates_of(SCHEDULES[name], factor, at) for factor in (1.0, 0.25))
    assert scaled[:at] == plain[:at]
    floor = 1e-5 if name == "timm" else 0.0  # timm's lr_min is a floor that the user set
    wanted = [rate * 0.25 for rate in plain[at:]]
    assert scaled[at:] == pytest.approx(wanted, rel=1e-6, abs=floor)
