"""What was restored really resumes: real optimizers and schedulers, strict loads, the new rate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.restore import restore
from tests.builders import load, save, small_model

OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3, amsgrad=True),
}
SCHEDULERS: dict[str, Callable[[torch.optim.Optimizer], Any]] = {
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=10),
    "step": lambda o: lr_scheduler.StepLR(o, step_size=2),
    "plateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="max", patience=1),
}


class Training:
    """A model with its optimizer and scheduler."""

    def __init__(self, optimizer: str, scheduler: str) -> None:
        self.model = small_model()
        self.optimizer = OPTIMIZERS[optimizer](self.model.parameters())
        self.scheduler = SCHEDULERS[scheduler](self.optimizer)
        self._plateau = scheduler == "plateau"

    def step(self, seed: int) -> None:
        """One step on made-up gradients, and one epoch of the schedule."""
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        self.optimizer.step()
        self.scheduler.step(*((0.5,) if self._plateau else ()))

    def state(self) -> dict[str, Any]:
        return {
            "epoch": 88,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "best_iou": 0.6413,
        }

    def resume(self, path: Path) -> None:
        """As training scripts do it."""
        state = load(path)
        self.model.load_state_dict(state["model"], strict=True)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])

    @property
    def rates(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]


def saved(folder: Path, training: Training, *, legacy: bool = False) -> Path:
    for seed in range(3):
        training.step(seed)
    path = folder / "checkpoint_epoch_88.pth"
    return save(path, training.state(), _use_new_zipfile_serialization=not legacy)


def restored(source: Path, **edits: Any) -> Path:
    target = source.with_name("best_model_clean.pth")
    restore(source, target, Edits(**edits))
    return target


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.one_in(3)
def test_a_scaled_rate_is_the_one_that_is_used(
    optimizer: str, scheduler: str, legacy: bool, tmp_path: Path
) -> None:
    before = Training(optimizer, scheduler)
    source = saved(tmp_path, before, legacy=legacy)
    target = restored(source, scale_lr=0.75)
    after = Training(optimizer, scheduler)
    after.resume(target)
    assert after.rates == [rate * 0.75 for rate in before.rates]
    for name, tensor in after.model.state_dict().items():
        assert tensor.equal(before.model.state_dict()[name])
    old, new = load(source), load(target)
    for key, state in old["optimizer"]["state"].items():
        for name, value in state.items():
            kept = new["optimizer"]["state"][key][name]
            assert value.equal(kept) if isinstance(value, torch.Tensor) else value == kept
    assert (new["epoch"], new["best_iou"]) == (88, 0.6413)
    if scheduler == "cosine":  # the schedule goes on from the lower rate
        assert new["scheduler"]["base_lrs"] == [old["scheduler"]["base_lrs"][0] * 0.75]
        before.step(9)
        after.step(9)
        assert after.rates == [pytest.approx(rate * 0.75) for rate in before.rates]


def test_the_resumed_step_is_that_of_the_new_rate(tmp_path: Path) -> None:
    training = Training("sgd", "step")
    target = restored(saved(tmp_path, training), set_lr=0.02)
    after = Training("sgd", "step")
    after.resume(target)
    old = [parameter.detach().clone() for parameter in after.model.parameters()]
    for parameter in after.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    after.optimizer.step()
    for parameter, was in zip(after.model.parameters(), old, strict=True):
        torch.testing.assert_close(parameter.detach(), was - 0.02)


def test_a_lower_rate_of_the_script_is_undone_by_resuming(tmp_path: Path) -> None:
    source = saved(tmp_path, Training("adamw", "cosine"))
    after = Training("adamw", "cosine")
    for group in after.optimizer.param_groups:
        group["lr"] = 1e-9  # what --lr says
    after.resume(source)
    assert after.rates[0] > 1e-4  # the trap that --scale-lr is for


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "adamw"])
def test_a_reset_optimizer_is_accepted_and_starts_empty(optimizer: str, tmp_path: Path) -> None:
    target = restored(saved(tmp_path, Training(optimizer, "cosine")), reset_optimizer=True)
    after = Training(optimizer, "cosine")
    after.resume(target)
    assert not after.optimizer.state
    after.step(1)
    assert all(parameter.isfinite().all() for parameter in after.model.parameters())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
@pytest.mark.parametrize("name", ["exp_avg_sq", "exp_avg"])
def test_poisoned_moments_do_not_come_along(bad: float, name: str, tmp_path: Path) -> None:
    if name == "exp_avg" and bad == -1.0:
        bad = float("-inf")
    training = Training("adamw", "cosine")
    training.step(1)
    training.optimizer.state[next(training.model.parameters())][name].view(-1)[0] = bad
    source = save(tmp_path / "checkpoint_epoch_88.pth", training.state())
    after = Training("adamw", "cosine")
    after.resume(restored(source))
    after.step(2)
    for parameter, was in zip(after.model.parameters(), training.model.parameters(), strict=True):
        assert parameter.isfinite().all()
        assert not parameter.equal(was)


@pytest.mark.parametrize("cut", [0.45, 0.6, 0.75, 0.9])
def test_a_cut_file_gives_its_weights_bit_for_bit(cut: float, tmp_path: Path) -> None:
    training = Training("adamw", "cosine")
    whole = saved(tmp_path, training)
    source = tmp_path / "cut.pth"
    source.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * cut)])
    after = Training("adamw", "cosine")
    after.resume(restored(source))
    for name, tensor in after.model.state_dict().items():
        assert tensor.equal(training.model.state_dict()[name])


def test_use_ema_loads_strictly(tmp_path: Path) -> None:
    model = small_model()
    average = torch.optim.swa_utils.AveragedModel(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(float("nan"))
    state = {"model": model.state_dict(), "ema": average.state_dict()}
    target = restored(save(tmp_path / "a.pth", state), use_ema=True)
    fresh = small_model()
    fresh.load_state_dict(load(target)["model"], strict=True)
    for name, tensor in fresh.state_dict().items():
        assert tensor.equal(average.module.state_dict()[name])
    nn.Module.load_state_dict(torch.optim.swa_utils.AveragedModel(fresh), load(target)["ema"])


class Unknown:
    """Of a class that need not be importable to be restored."""

    def __init__(self) -> None:
        self.numbers = {"a": [1, 2], "b": (3.5, None)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unknown) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


def test_objects_of_unknown_classes_survive(tmp_path: Path) -> None:
    from tests.builders import load_unsafe

    training = Training("adamw", "cosine")
    training.step(1)
    source = save(tmp_path / "a.pth", training.state() | {"config": Unknown()})
    loaded = load_unsafe(restored(source, scale_lr=0.5))
    assert loaded["config"] == Unknown()
    assert loaded["optimizer"]["param_groups"][0]["lr"] == training.rates[0] * 0.5
