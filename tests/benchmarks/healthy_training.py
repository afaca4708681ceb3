"""Training as scripts do it, an epoch at a time, with every optimizer and schedule of torch."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from tests.benchmarks.healthy_nets import TRAIN, Task

__all__ = ["Epoch", "Make", "optimizers", "schedules", "train"]

BATCH = 16
_DIVERGED = 3.0  # an overfitted net is healthy as well
Make = Callable[[Any], torch.optim.Optimizer]


class DivergedError(Exception):
    """A training that is to be healthy is not: the fault of its settings here."""


@dataclass
class Epoch:
    """Where a training stands after an epoch; 0 is before the first.

    Attributes:
        number: of the epoch.
        step: optimizer steps so far.
        net: the net itself, which goes on changing.
        optimizer: the same.
        scheduler: any object with a ``state_dict``.
        average: the moving average of the weights.
        scaler: the state of the gradient scaler.
        accuracy: on what was not trained on.
        loss: the same.
        best: the highest accuracy so far.
        is_best: whether this epoch set it.
    """

    number: int
    step: int
    net: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: Any
    average: Any
    scaler: dict[str, Any] = field(default_factory=dict)
    accuracy: float = 0.0
    loss: float = 0.0
    best: float = 0.0
    is_best: bool = False


def train(
    task: Task,
    make: Make,
    *,
    epochs: int = 4,
    schedule: Callable[[Any, int], Any] | None = None,
    scaled: Any = None,
    decay: float | None = 0.9,
) -> Iterator[Epoch]:
    """The training after every epoch, and before the first.

    Args:
        task: what is learned.
        make: from parameters, or groups of them, to an optimizer.
        epochs: six steps each.
        schedule: from an optimizer and the number of epochs to a scheduler.
        scaled: a ``GradScaler`` that scales the loss.
        decay: of the averaged weights; None for no average, which some nets cannot be copied for.
    """
    optimizer = make([p for p in task.net.parameters() if p.requires_grad])
    scheduler = schedule(optimizer, epochs) if schedule else None
    average = _average(task.net, decay) if decay is not None else None
    state = Epoch(0, 0, task.net, optimizer, scheduler, average)
    state.accuracy, state.loss = task.measure()
    start = state.loss
    for number in range(epochs + 1):
        if number:
            state.number = number
            for start in range(0, TRAIN, BATCH):
                _step(task, optimizer, slice(start, start + BATCH), scaled)
                if average is not None:
                    average.update_parameters(task.net)
                state.step += 1
            state.accuracy, state.loss = task.measure()
            _advance(scheduler, state.loss)
        state.scaler = scaled.state_dict() if scaled is not None else {}
        state.is_best = number > 0 and state.accuracy > state.best
        state.best = max(state.best, state.accuracy) if number else 0.0
        yield state
    if not state.loss < _DIVERGED * start:
        raise DivergedError(f"a loss of {start:.3g} became {state.loss:.3g}: not a healthy run")


def _average(net: nn.Module, decay: float) -> Any:
    """An exponential average, in the words that every version of torch knows."""
    return torch.optim.swa_utils.AveragedModel(
        net, avg_fn=lambda old, new, _: decay * old + (1 - decay) * new
    )


def _step(task: Task, optimizer: Any, batch: slice, scaled: Any) -> None:
    sign = -1.0 if any(group.get("maximize") for group in optimizer.param_groups) else 1.0

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = sign * task.loss(batch)
        (loss if scaled is None else scaled.scale(loss)).backward()
        return loss

    if isinstance(optimizer, torch.optim.LBFGS):
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    elif scaled is not None:
        closure()
        scaled.step(optimizer)
        scaled.update()
    else:
        closure()
        optimizer.step()


def _advance(scheduler: Any, loss: float) -> None:
    if scheduler is None:
        return
    if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
        scheduler.step(loss)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler.step()


# -- optimizers ----------------------------------------------------------------------------------


def _groups(parameters: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
    """Three groups, as fine-tuning has them: with decay, without, and one that stands still."""
    parameters = list(parameters)
    return [
        {"params": [p for p in parameters[1:] if p.ndim > 1], "weight_decay": 0.05, "name": "a"},
        {"params": [p for p in parameters[1:] if p.ndim < 2], "weight_decay": 0.0, "name": "b"},
        {"params": parameters[:1], "lr": 0.0, "name": "frozen"},
    ]


def optimizers() -> dict[str, tuple[str, Make]]:
    """Name -> (task, how it is made), with every class of ``torch.optim`` at least once."""
    o = torch.optim
    table: dict[str, tuple[str, Make]] = {
        "sgd": ("conv", lambda p: o.SGD(p, lr=0.05)),
        "sgd-momentum": ("conv", lambda p: o.SGD(p, lr=0.05, momentum=0.9, weight_decay=5e-4)),
        "sgd-nesterov": ("conv", lambda p: o.SGD(p, lr=0.05, momentum=0.9, nesterov=True)),
        "sgd-dampening": ("lstm", lambda p: o.SGD(p, lr=0.3, momentum=0.9, dampening=0.5)),
        "sgd-maximize": ("group-norm", lambda p: o.SGD(p, lr=0.05, momentum=0.9, maximize=True)),
        "sgd-foreach": ("conv", lambda p: o.SGD(p, lr=0.05, momentum=0.9, foreach=True)),
        "sgd-fused": ("conv", lambda p: o.SGD(p, lr=0.05, momentum=0.9, fused=True)),
        "adam": ("conv", lambda p: o.Adam(p, lr=3e-3)),
        "adam-amsgrad": ("causal", lambda p: o.Adam(p, lr=3e-3, amsgrad=True)),
        "adam-maximize": ("gru", lambda p: o.Adam(p, lr=1e-2, maximize=True)),
        "adam-foreach": ("conv", lambda p: o.Adam(p, lr=3e-3, foreach=True)),
        "adam-fused": ("conv", lambda p: o.Adam(p, lr=3e-3, fused=True)),
        "adam-tensor-lr": ("conv", lambda p: o.Adam(p, lr=torch.tensor(3e-3))),
        "adam-no-beta1": ("conv", lambda p: o.Adam(p, lr=3e-3, betas=(0.0, 0.99))),
        "adam-groups": ("conv", lambda p: o.Adam(_groups(p), lr=3e-3)),
        "adam-fast": ("conv", lambda p: o.Adam(p, lr=3e-2)),
        "adam-slow": ("conv", lambda p: o.Adam(p, lr=1e-6)),
        "adam-lora": ("lora", lambda p: o.Adam(p, lr=1e-2)),
        "adamw": ("causal", lambda p: o.AdamW(p, lr=3e-3, weight_decay=0.05)),
        "adamw-amsgrad": ("lstm", lambda p: o.AdamW(p, lr=1e-2, amsgrad=True)),
        "adamw-groups": ("causal", lambda p: o.AdamW(_groups(p), lr=3e-3)),
        "adamw-fused": ("causal", lambda p: o.AdamW(p, lr=3e-3, fused=True, amsgrad=True)),
        "adamw-decay": ("tied", lambda p: o.AdamW(p, lr=1e-2, weight_decay=1.0)),
        "adamax": ("conv", lambda p: o.Adamax(p, lr=3e-3)),
        "adagrad": ("conv", lambda p: o.Adagrad(p, lr=1e-2)),
        "adagrad-start": ("rnn", lambda p: o.Adagrad(p, lr=5e-2, initial_accumulator_value=0.1)),
        "adadelta": ("conv", lambda p: o.Adadelta(p, lr=1.0)),
        "rmsprop": ("conv", lambda p: o.RMSprop(p, lr=1e-3)),
        "rmsprop-centered": ("gru", lambda p: o.RMSprop(p, lr=3e-3, centered=True, momentum=0.9)),
        "nadam": ("conv", lambda p: o.NAdam(p, lr=3e-3)),
        "radam": ("conv", lambda p: o.RAdam(p, lr=3e-3)),
        "asgd": ("conv", lambda p: o.ASGD(p, lr=1e-2)),
        "asgd-averaging": ("conv", lambda p: o.ASGD(p, lr=1e-2, t0=5)),
        "rprop": ("matrices", lambda p: o.Rprop(p, lr=1e-3)),
        "lbfgs": ("lora", lambda p: o.LBFGS(p, lr=0.01, max_iter=2, history_size=4)),
        "lbfgs-wolfe": ("lora", lambda p: o.LBFGS(p, 0.1, 2, line_search_fn="strong_wolfe")),
        "sparse-adam": ("sparse-bag", lambda p: o.SparseAdam(p, lr=1e-1)),
        "complex-adam": ("complex", lambda p: o.Adam(p, lr=3e-3)),
        "complex-adamw-amsgrad": ("complex", lambda p: o.AdamW(p, lr=3e-3, amsgrad=True)),
        "complex-sgd": ("complex", lambda p: o.SGD(p, lr=0.05, momentum=0.9)),
        "complex-adagrad": ("complex", lambda p: o.Adagrad(p, lr=1e-2)),
        "complex-rmsprop": ("complex", lambda p: o.RMSprop(p, lr=1e-3, centered=True)),
    }
    known = {name.partition("-")[0] for name in table} | {"sparseadam", "optimizer"}
    for name, cls in inspect.getmembers(o, inspect.isclass):  # Adafactor, Muon, and what comes
        if issubclass(cls, o.Optimizer) and name.lower() not in known:
            task = "matrices" if name == "Muon" else "conv"
            newer: Any = cls
            table[name.lower()] = (task, functools.partial(newer, lr=1e-2))
    return table


# -- schedules -----------------------------------------------------------------------------------


def schedules() -> dict[str, Callable[[Any, int], Any]]:
    """Name -> how it is made from an optimizer and a number of epochs."""
    s = torch.optim.lr_scheduler
    warm = torch.optim.swa_utils.SWALR
    return {
        "LambdaLR": lambda o, n: s.LambdaLR(o, lambda epoch: 0.9**epoch),
        "MultiplicativeLR": lambda o, n: s.MultiplicativeLR(o, lambda epoch: 0.9),
        "StepLR": lambda o, n: s.StepLR(o, 2),
        "MultiStepLR": lambda o, n: s.MultiStepLR(o, [1, 3]),
        "ConstantLR": lambda o, n: s.ConstantLR(o, total_iters=2),
        "LinearLR": lambda o, n: s.LinearLR(o, start_factor=0.01, total_iters=3),
        "ExponentialLR": lambda o, n: s.ExponentialLR(o, 0.8),
        "PolynomialLR": lambda o, n: s.PolynomialLR(o, n, 0.9),
        "CosineAnnealingLR": s.CosineAnnealingLR,
        "CosineAnnealingWarmRestarts": lambda o, n: s.CosineAnnealingWarmRestarts(o, 2),
        "CyclicLR": lambda o, n: s.CyclicLR(o, 1e-3, 5e-2, step_size_up=2),
        "OneCycleLR": lambda o, n: s.OneCycleLR(o, max_lr=0.05, total_steps=n + 1),
        "ReduceLROnPlateau": lambda o, n: s.ReduceLROnPlateau(o, patience=1),
        "SequentialLR": lambda o, n: s.SequentialLR(
            o, [s.LinearLR(o, 0.1, total_iters=2), s.CosineAnnealingLR(o, n)], [2]
        ),
        "ChainedScheduler": lambda o, n: s.ChainedScheduler(
            [s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9)]
        ),
        "SWALR": lambda o, n: warm(o, swa_lr=1e-2, anneal_epochs=2),
        "warm-up-from-zero": lambda o, n: s.LambdaLR(o, lambda epoch: min(1.0, epoch / 2)),
    }
