"""The schedules that a training script offers: torch's own, and one as timm writes it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

from torch.optim import Optimizer, lr_scheduler

__all__ = ["SCHEDULES", "Schedule", "TimmCosine"]


class Schedule(Protocol):
    """What the loop needs of it."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


class TimmCosine:
    """Warm-up and cosines with a floor; as in timm, it stores the rates itself (``base_values``).

    ``cycle_decay`` is what the peak of each cycle is multiplied with to get that of the next.
    """

    def __init__(
        self, optimizer: Optimizer, *, epochs: int, warmup: int, cycle_decay: float
    ) -> None:
        self.optimizer = optimizer
        self.param_group_field, self._initial_param_group_field = "lr", "initial_lr"
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_values = [group["initial_lr"] for group in optimizer.param_groups]
        self.t_initial, self.warmup_t, self.cycle_decay = epochs, warmup, cycle_decay
        self.lr_min, self.warmup_lr_init = 1e-5, 1e-5
        self.warmup_steps = [
            (value - self.warmup_lr_init) / warmup if warmup else 1 for value in self.base_values
        ]
        self.step(0)

    def step(self, epoch: int) -> None:
        """Set the rates of an epoch, counted from 0."""
        if epoch < self.warmup_t:
            rates = [self.warmup_lr_init + epoch * rise for rise in self.warmup_steps]
        else:
            cycle, within = divmod(epoch, self.t_initial)
            down = 0.5 * (1 + math.cos(math.pi * within / self.t_initial))
            peaks = [value * self.cycle_decay**cycle for value in self.base_values]
            rates = [self.lr_min + (peak - self.lr_min) * down for peak in peaks]
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def state_dict(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        vars(self).update(state_dict)


def _step(optimizer: Optimizer, args: Any, steps: int) -> Schedule:
    return lr_scheduler.StepLR(optimizer, args.step_size, gamma=args.gamma)


def _one_cycle(optimizer: Optimizer, args: Any, steps: int) -> Schedule:
    return lr_scheduler.OneCycleLR(
        optimizer, args.lr, epochs=args.epochs, steps_per_epoch=steps, pct_start=0.4
    )


def _restarts(optimizer: Optimizer, args: Any, steps: int) -> Schedule:
    return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, args.step_size, eta_min=1e-4)


def _lambda(optimizer: Optimizer, args: Any, steps: int) -> Schedule:
    def factor(epoch: int) -> float:
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, epoch / args.epochs)))
        return float(min(1.0, (epoch + 1) / (args.warmup_epochs + 1)) * cosine)

    return lr_scheduler.LambdaLR(optimizer, factor)


def _plateau(optimizer: Optimizer, args: Any, steps: int) -> Schedule:
    mode: Any = "min" if args.task == "waves" else "max"
    return lr_scheduler.ReduceLROnPlateau(optimizer, mode, factor=0.3, patience=3)


def _timm(optimizer: Optimizer, args: Any, steps: int) -> Schedule:
    return TimmCosine(
        optimizer,
        epochs=args.cycle_epochs or args.epochs,
        warmup=args.warmup_epochs,
        cycle_decay=args.cycle_decay,
    )


def _cosine(optimizer: Optimizer, args: Any, steps: int) -> Schedule:
    return lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)


def _sequential(optimizer: Optimizer, args: Any, steps: int) -> Schedule:
    warmup = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=args.warmup_epochs)
    rest = lr_scheduler.CosineAnnealingLR(optimizer, args.epochs - args.warmup_epochs)
    return lr_scheduler.SequentialLR(optimizer, [warmup, rest], [args.warmup_epochs])


SCHEDULES: dict[str, Callable[[Optimizer, Any, int], Schedule]] = {
    "step": _step,
    "onecycle": _one_cycle,
    "warm-restarts": _restarts,
    "lambda": _lambda,
    "plateau": _plateau,
    "timm": _timm,
    "cosine": _cosine,
    "sequential": _sequential,
}
