"""A schedule that raises the rate no longer does in a copy that was told to lower it.

torch's own schedulers are the oracle: one that is built with the factor that grows loads the copy
and is stepped to the end of the run.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import Optimizer, lr_scheduler

from ckptdoctor.errors import RestoreError
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.manifest import restored_from
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.restore import restore
from ckptdoctor.recovery.stored_growth import Growth, decay_action, growth_of, growths_of
from tests.builders import load, save
from tests.cli.support import run
from tests.each import each

EPOCHS, SAVED = 30, 10


class Plateau(lr_scheduler.ReduceLROnPlateau):
    """One that lets its factor be above 1, as people write it."""

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer, factor=0.5, patience=1)
        self.factor = 3.0

    def _reduce_lr(self, epoch: int) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] *= self.factor


class TimmCycles:
    """The peaks of timm's cycles: each is that of the first one times a power of the factor."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.param_group_field = "lr"
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_values = [group["initial_lr"] for group in optimizer.param_groups]
        self.t_initial, self.cycle_decay = 8, 4.0

    def state_dict(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def step(self, t: int) -> None:
        cycle, within = divmod(t, self.t_initial)
        for group, base in zip(self.optimizer.param_groups, self.base_values, strict=True):
            half = 0.5 * (1 + math.cos(math.pi * within / self.t_initial))
            group["lr"] = base * self.cycle_decay**cycle * half


def sequential(optimizer: Optimizer) -> Any:
    parts: list[Any] = [
        lr_scheduler.LinearLR(optimizer, 0.1, total_iters=4),
        lr_scheduler.StepLR(optimizer, 5, gamma=4.0),
    ]
    return lr_scheduler.SequentialLR(optimizer, parts, [4])


def chained(optimizer: Optimizer) -> Any:
    parts: list[Any] = [
        lr_scheduler.ConstantLR(optimizer, 0.5, total_iters=3),
        lr_scheduler.ExponentialLR(optimizer, 1.2),
    ]
    return lr_scheduler.ChainedScheduler(parts, optimizer)


GROWING: dict[str, Callable[[Optimizer], Any]] = {
    "step": lambda o: lr_scheduler.StepLR(o, 8, gamma=8.0),
    "multistep": lambda o: lr_scheduler.MultiStepLR(o, [6, 15, 24], gamma=5.0),
    "exponential": lambda o: lr_scheduler.ExponentialLR(o, 1.3),
    "sequential": sequential,
    "chained": chained,
    "plateau": Plateau,
    "timm": TimmCycles,
    "cyclic": lambda o: lr_scheduler.CyclicLR(
        o, 0.01, 0.1, step_size_up=3, mode="exp_range", gamma=1.2, cycle_momentum=False
    ),
}
STEADY: dict[str, Callable[[Optimizer], Any]] = {
    "step": lambda o: lr_scheduler.StepLR(o, 8, gamma=0.3),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS),
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, cycle_momentum=False),
    "plateau": lr_scheduler.ReduceLROnPlateau,
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.4, total_steps=EPOCHS),
}


def built(make: Callable[[Optimizer], Any]) -> tuple[Optimizer, Any]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1, momentum=0.9)
    return optimizer, make(optimizer)


def rates(optimizer: Optimizer, schedule: Any, first: int, last: int) -> list[float]:
    """The rates that the epochs behind each step train with."""
    found = []
    for epoch in range(first, last):
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            told = {"timm": epoch, "plateau": 1.0}.get(kind_of(schedule))
            schedule.step() if told is None else schedule.step(told)
        found.append(float(optimizer.param_groups[0]["lr"]))
    return found


def kind_of(schedule: Any) -> str:
    if isinstance(schedule, TimmCycles):
        return "timm"
    return "plateau" if isinstance(schedule, lr_scheduler.ReduceLROnPlateau) else ""


def saved(make: Callable[[Optimizer], Any], path: Path, *, epoch: int = SAVED) -> Path:
    optimizer, schedule = built(make)
    rates(optimizer, schedule, 1, epoch + 1)
    state = {
        "model_state_dict": {"w": torch.ones(2)},
        "optimizer": optimizer.state_dict(),
        "scheduler": schedule.state_dict(),
        "args": {"gamma": 8.0, "step_size": 8, "factor": 3.0},
        "epoch": epoch,
    }
    return save(path, state)


def resumed(make: Callable[[Optimizer], Any], path: Path) -> list[float]:
    """The rates of the rest of the run, the stored one first, by the framework's own loader."""
    optimizer, schedule = built(make)
    state = load(path)
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["scheduler"])
    now = float(optimizer.param_groups[0]["lr"])
    return [now, *rates(optimizer, schedule, SAVED + 1, EPOCHS)]


@each("name", GROWING)
def test_a_copy_that_was_told_to_fall_falls_to_its_end(name: str, tmp_path: Path) -> None:
    source = saved(GROWING[name], tmp_path / "grows.pth")
    growth = growth_of(open_checkpoint(source).scalars)
    assert growth is not None
    decay = growth.decay(SAVED, EPOCHS)
    assert decay is not None
    assert max(resumed(GROWING[name], source)) > 1.5 * 0.1
    clean = tmp_path / "clean.pth"
    done = restore(source, clean, Edits(lr_decay=decay))
    after = resumed(GROWING[name], clean)
    if name in ("timm", "cyclic"):
        assert max(after) <= 0.1 * 1.0001
    else:
        assert all(new <= old * 1.0001 for old, new in itertools.pairwise(after))
        assert after[-1] < 0.2 * after[0]
    assert [action.name for action in done.actions] == ["lr-decay"]
    assert done.actions[0].decay == decay
    made = restored_from(clean)
    assert made is not None
    assert (made.decay, made.scale) == (decay, 1.0)


@pytest.mark.parametrize("name", ["step", "multistep", "exponential"])
def test_the_rate_ends_at_a_tenth_of_what_it_was(name: str, tmp_path: Path) -> None:
    source = saved(GROWING[name], tmp_path / "grows.pth")
    growth = growth_of(open_checkpoint(source).scalars)
    assert growth is not None
    restore(source, tmp_path / "clean.pth", Edits(lr_decay=growth.decay(SAVED, EPOCHS)))
    after = resumed(GROWING[name], tmp_path / "clean.pth")
    assert after[-1] == pytest.approx(after[0] / 10, rel=0.15)


@pytest.mark.parametrize("name", STEADY)
def test_a_schedule_that_does_not_grow_is_no_growth(name: str, tmp_path: Path) -> None:
    source = saved(STEADY[name], tmp_path / "falls.pth")
    assert growth_of(open_checkpoint(source).scalars) is None
    with pytest.raises(RestoreError, match="no stored schedule multiplies the rate"):
        restore(source, tmp_path / "clean.pth", Edits(lr_decay=0.5))


def test_where_nothing_is_multiplied_any_more_nothing_is_to_be_changed() -> None:
    last = Growth(path="scheduler.gamma", times=8.0, every=10, count=20)
    assert last.decay(20, 30) is None
    assert last.decay(20, 31) == pytest.approx(0.1)


def test_a_schedule_that_counts_batches_is_known_by_its_count() -> None:
    by_batch = Growth(path="scheduler.gamma", times=2.0, every=1000, count=500)
    assert by_batch.left(5, 40) == 3, "a hundred batches an epoch, 4000 in all"
    assert by_batch.left(None, None) is None
    assert by_batch.decay(None, None) == 1.0


def test_both_schedules_of_a_file_are_changed_and_nothing_that_only_looks_like_one(
    tmp_path: Path,
) -> None:
    one, two = ({"gamma": 3.0, "step_size": 5, "last_epoch": 4} for _ in range(2))
    source = save(
        tmp_path / "a.pth",
        {
            "model_state_dict": {"w": torch.ones(2)},
            "lr_schedulers": [one, two],
            "loss": {"gamma": 2.0},
            "args": {"gamma": 3.0, "step_size": 5},
            "momentum_scheduler": {"gamma": 1.5, "last_step": 3, "param_name": "momentum"},
        },
    )
    assert len(list(growths_of(open_checkpoint(source).scalars))) == 2
    restore(source, tmp_path / "b.pth", Edits(lr_decay=0.3))
    after = load(tmp_path / "b.pth")
    assert [one["gamma"] for one in after["lr_schedulers"]] == [0.3, 0.3]
    assert (after["loss"]["gamma"], after["args"]["gamma"]) == (2.0, 3.0)
    assert after["momentum_scheduler"]["gamma"] == 1.5


@pytest.mark.parametrize("value", ["0", "1.5", "nan"])
@pytest.mark.one_in(3)
def test_a_factor_that_is_none_is_refused(value: str, tmp_path: Path) -> None:
    source = saved(GROWING["step"], tmp_path / "a.pth")
    done = run("restore", "--from", source, "--lr-decay", value)
    assert done.code == 2
    assert "at most 1" in done.stderr


def test_of_several_schedules_the_first_is_told_and_the_others_are_counted() -> None:
    changed = [("gamma", 3.0), ("factor", 2.0), ("decay_rate", 1.5)]
    told = [decay_action(changed[:many], 1.0, "a.pth").message for many in (1, 2, 3)]
    assert told == [
        "gamma 3 is 1 now",
        "gamma 3 is 1 now and 1 more",
        "gamma 3 is 1 now and 2 more",
    ]
