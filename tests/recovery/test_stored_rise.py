"""A warm-up that is written into a stored schedule is one for torch's own, which loads it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import Optimizer, lr_scheduler

from ckptdoctor.errors import RestoreError
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.restore import restore
from ckptdoctor.recovery.stored_rise import rise_of
from tests.builders import load, save
from tests.cli.support import run

EPOCHS, STEPS = 30, 4
Make = Callable[[Optimizer], Any]


class Timm:
    """timm's schedule: the rate of an epoch comes from the epoch, and all of it is stored."""

    def __init__(self, optimizer: Optimizer, *, prefix: bool = False) -> None:
        self.optimizer = optimizer
        self.param_group_field = "lr"
        self.base_values = [group["lr"] for group in optimizer.param_groups]
        self.warmup_t, self.warmup_lr_init, self.warmup_prefix = 3, 0.001, prefix
        self.warmup_steps = [(v - self.warmup_lr_init) / self.warmup_t for v in self.base_values]
        self.t_in_epochs = True
        self.put(0)

    def put(self, t: int) -> None:
        for group, base, step in zip(
            self.optimizer.param_groups, self.base_values, self.warmup_steps, strict=True
        ):
            rising = t < self.warmup_t
            group["lr"] = self.warmup_lr_init + t * step if rising else base * (1 - t / EPOCHS)

    def state_dict(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


def sequential(optimizer: Optimizer) -> Any:
    rise = lr_scheduler.LinearLR(optimizer, 0.01, total_iters=3)
    fall = lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS - 3)
    return lr_scheduler.SequentialLR(optimizer, [rise, fall], [3])


def one_cycle(optimizer: Optimizer) -> Any:
    return lr_scheduler.OneCycleLR(optimizer, 0.1, epochs=EPOCHS, steps_per_epoch=STEPS)


def cyclic(optimizer: Optimizer) -> Any:
    return lr_scheduler.CyclicLR(optimizer, 0.001, 0.1, step_size_up=5 * STEPS)


WARMING: dict[str, Make] = {
    "OneCycleLR": one_cycle,
    "CyclicLR": cyclic,
    "SequentialLR": sequential,
    "timm's schedule": Timm,
}
OTHERS: dict[str, Make] = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "a cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS),
    "three phases": lambda o: lr_scheduler.OneCycleLR(
        o, 0.1, epochs=EPOCHS, steps_per_epoch=STEPS, three_phase=True, pct_start=0.3
    ),
    "timm's prefix": lambda o: Timm(o, prefix=True),
    "three parts": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.LinearLR(o, 0.1), *(lr_scheduler.ExponentialLR(o, 0.9) for _ in range(2))],
        [3, 20],
    ),
}


class Run:
    """A training whose state is saved and loaded."""

    def __init__(self, make: Make) -> None:
        self.parameter = torch.nn.Parameter(torch.ones(2))
        self.optimizer = torch.optim.SGD([self.parameter], lr=0.1, momentum=0.9)
        self.schedule = make(self.optimizer)
        self.by_step = isinstance(self.schedule, lr_scheduler.OneCycleLR | lr_scheduler.CyclicLR)
        self.epoch = 0

    def train(self, epochs: int) -> list[float]:
        """The rate of each step."""
        rates = []
        for _ in range(epochs):
            self.epoch += 1
            for _ in range(STEPS):
                rates.append(self.optimizer.param_groups[0]["lr"])
                self.parameter.grad = torch.full((2,), 0.01)
                self.optimizer.step()
                if self.by_step:
                    self.schedule.step()
            if isinstance(self.schedule, Timm):
                self.schedule.put(self.epoch)
            elif not self.by_step:
                self.schedule.step()
        return rates

    def save(self, path: Path) -> Path:
        state = {"epoch": self.epoch, "model": {"w": self.parameter.detach()}}
        state |= {"optimizer": self.optimizer.state_dict()}
        save(path, state | {"scheduler": self.schedule.state_dict()})
        return path

    def load(self, path: Path) -> None:
        state = load(path)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["scheduler"])
        self.epoch = state["epoch"]


@pytest.fixture(autouse=True)
def _no_warnings() -> None:
    warnings.simplefilter("ignore")


def saved(make: Make, path: Path, epoch: int) -> tuple[Path, float]:
    """A file of an epoch, and the rate that would follow it."""
    training = Run(make)
    training.train(epoch)
    return training.save(path), training.optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("name", WARMING)
def test_the_rate_rises_anew_to_where_it_stood_and_falls_to_its_end(
    name: str, tmp_path: Path
) -> None:
    source, stood = saved(WARMING[name], tmp_path / "a.pth", 18)
    restore(source, tmp_path / "b.pth", Edits(scale_lr=0.5, warm_up=4))
    again = Run(WARMING[name])
    again.load(tmp_path / "b.pth")
    rates = again.train(EPOCHS - 18)
    top = 0.05 if name == "CyclicLR" else stood / 2
    assert rates[0] <= 0.11 * top
    rise = rates.index(max(rates)) + 1
    assert rates[:rise] == sorted(rates[:rise])
    assert 0.75 * top <= max(rates) <= 1.01 * top
    assert 3 * STEPS <= rise <= 6 * STEPS
    assert min(rates[rise:]) < 0.3 * top
    assert rates[rise:] == sorted(rates[rise:], reverse=True) or name == "CyclicLR"


@pytest.mark.parametrize("name", WARMING)
def test_a_schedule_that_still_rises_needs_no_other(name: str, tmp_path: Path) -> None:
    source, _ = saved(WARMING[name], tmp_path / "a.pth", 2)
    rise = rise_of(open_checkpoint(source).scalars, 2)
    assert rise is not None
    assert (rise.schedule, rise.ahead) == (name, True)
    with pytest.raises(RestoreError, match=r"still rises there: that is its warm-up"):
        restore(source, tmp_path / "b.pth", Edits(warm_up=4))


@pytest.mark.parametrize("name", OTHERS)
def test_a_schedule_without_a_place_for_one_is_refused(name: str, tmp_path: Path) -> None:
    source, _ = saved(OTHERS[name], tmp_path / "a.pth", 18)
    with pytest.raises(RestoreError, match=r"has (no|a) place for"):
        restore(source, tmp_path / "b.pth", Edits(warm_up=4))
    assert not (tmp_path / "b.pth").exists()


def test_one_longer_than_what_is_left_is_refused(tmp_path: Path) -> None:
    source, _ = saved(one_cycle, tmp_path / "a.pth", 28)
    with pytest.raises(RestoreError, match="too few steps left"):
        restore(source, tmp_path / "b.pth", Edits(warm_up=5))


def test_the_command_takes_a_number_of_epochs(tmp_path: Path) -> None:
    source, _ = saved(sequential, tmp_path / "a.pth", 18)
    assert run("restore", "--from", source, "--warm-up", "0").code == 2
    done = run("restore", "--from", source, "--warm-up", "2")
    assert done.code == 0
    assert "SequentialLR rises anew over 2 epochs" in " ".join(done.stdout.split())
