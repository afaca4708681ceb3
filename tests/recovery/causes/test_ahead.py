"""What a stored schedule has in store, against torch's own schedulers stepped to their end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import Optimizer, lr_scheduler

from ckptdoctor.formats import open_checkpoint
from ckptdoctor.recovery.causes.ahead import ahead_of
from ckptdoctor.recovery.causes.course import RateCourse
from tests.builders import save
from tests.each import each

EPOCHS = 30


def sequential(optimizer: Optimizer) -> Any:
    warm = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=8)
    return lr_scheduler.SequentialLR(
        optimizer, [warm, lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS - 8)], [8]
    )


SCHEDULES: dict[str, Callable[[Optimizer], Any]] = {
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.4, total_steps=EPOCHS, pct_start=0.4),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS),
    "warm restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 10),
    "step": lambda o: lr_scheduler.StepLR(o, 9, gamma=0.3),
    "growing step": lambda o: lr_scheduler.StepLR(o, 9, gamma=4.0),
    "growing exponential": lambda o: lr_scheduler.ExponentialLR(o, 1.2),
    "warm-up": lambda o: lr_scheduler.LambdaLR(o, lambda e: min(1.0, (e + 1) / 12)),
    "warm-up, then cosine": sequential,
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.3, step_size_up=7, cycle_momentum=False),
    "none": lambda _: None,
}


STEADY = [name for name in SCHEDULES if not name.startswith("growing")]


def trained(make: Callable[[Optimizer], Any], folder: Path) -> tuple[list[float], list[Path]]:
    """The rate of every epoch, and a file saved behind each."""
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    schedule = make(optimizer)
    rates, files = [], []
    for epoch in range(1, EPOCHS + 1):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if epoch < EPOCHS and schedule is not None:
            schedule.step()
        state = {"optimizer": optimizer.state_dict()}
        if schedule is not None:
            state["scheduler"] = schedule.state_dict()
        files.append(save(folder / f"{epoch}.pth", state))
    return rates, files


@each("name", STEADY)
@each("at", [3, 8])
def test_no_rate_that_comes_is_higher_than_what_is_said(name: str, at: int, tmp_path: Path) -> None:
    rates, files = trained(SCHEDULES[name], tmp_path)
    course = RateCourse(tuple(enumerate(rates[: at + 2], start=1)))  # it died two epochs later
    scalars = open_checkpoint(files[at - 1]).scalars
    found = ahead_of(scalars, course, at, epoch=at, total=EPOCHS)
    assert found.top is not None
    highest = max(rates[at - 1 :])
    assert found.top >= highest * 0.999
    if name not in ("warm restarts", "cyclic"):  # may be back at their peak in any epoch
        assert found.top <= highest * 1.3


@each("name", STEADY)
def test_where_all_rates_were_seen_they_tell(name: str, tmp_path: Path) -> None:
    rates, files = trained(SCHEDULES[name], tmp_path)
    course = RateCourse(tuple(enumerate(rates, start=1)))
    found = ahead_of(open_checkpoint(files[11]).scalars, course, 12, epoch=12, total=EPOCHS)
    assert found.top is not None
    assert max(rates[11:]) * 0.999 <= found.top <= max(0.1, *rates[11:]) * 1.3


def test_a_rate_that_falls_later_is_told_from_one_that_stays(tmp_path: Path) -> None:
    falls = {}
    for name in ("cosine", "one cycle", "none", "cyclic"):
        (tmp_path / name).mkdir()
        rates, files = trained(SCHEDULES[name], tmp_path / name)
        course = RateCourse(tuple(enumerate(rates, start=1)))
        falls[name] = ahead_of(
            open_checkpoint(files[4]).scalars, course, 5, epoch=5, total=EPOCHS
        ).falls
    assert falls == {"cosine": True, "one cycle": True, "none": False, "cyclic": False}


@pytest.mark.parametrize("name", ["growing step", "growing exponential"])
def test_a_schedule_that_grows_is_told_to_fall_from_where_it_stands(
    name: str, tmp_path: Path
) -> None:
    rates, files = trained(SCHEDULES[name], tmp_path)
    course = RateCourse(tuple(enumerate(rates, start=1)))
    found = ahead_of(open_checkpoint(files[9]).scalars, course, 10, epoch=10, total=EPOCHS)
    assert found.top == pytest.approx(rates[10])
    assert found.decay is not None
    assert found.decay < 1.0
    assert found.falls


def test_nothing_known_is_nothing_said() -> None:
    assert ahead_of({}, RateCourse(), None).top is None


def test_a_cycle_is_reckoned_from_the_base_and_not_from_a_peak_that_has_grown() -> None:
    timm = {
        "lr_scheduler.base_values.0": 0.01,
        "lr_scheduler.t_initial": 10,
        "lr_scheduler.cycle_decay": 20.0,
        "optimizer.param_groups.0.lr": 0.2,
    }
    assert ahead_of(timm, RateCourse(), None, total=20).top == pytest.approx(0.01)
    whole = RateCourse(((9, 0.002), (10, 0.0003), (11, 0.2), (20, 0.005)))
    assert ahead_of(timm, whole, 10, epoch=10, total=20).top == pytest.approx(0.01)
