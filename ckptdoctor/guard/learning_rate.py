"""Scaling a learning rate where it is really kept: in the optimizer and in its scheduler.

A closed-form scheduler computes every learning rate from ``base_lrs`` and would undo a change of
``param_groups`` alone at its next step.
"""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["scale_learning_rate"]

_OF_GROUP = ("lr", "initial_lr", "max_lr", "min_lr")  # the last two are OneCycleLR's
_OF_SCHEDULER = ("base_lrs", "max_lrs", "_last_lr", "base_values")  # the last is timm's
_BOUND = "eta_min"  # the curve of a cosine ends there; "min_lrs" is a floor that the user set


def scale_learning_rate(
    optimizers: list[torch.optim.Optimizer], schedulers: list[Any], factor: float
) -> None:
    """Multiply every learning rate by ``factor``, now and for all that the schedulers will set.

    Args:
        optimizers: whose ``param_groups`` are changed.
        schedulers: whose stored rates are changed, also those within a ``SequentialLR``.
        factor: such as 0.8.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for key in _OF_GROUP:
                if key in group:
                    group[key] = _scaled(group[key], factor)
    seen: set[int] = set()
    waiting = list(schedulers)
    while waiting:
        scheduler = waiting.pop()
        if id(scheduler) in seen:
            continue
        seen.add(id(scheduler))
        waiting.extend(getattr(scheduler, "_schedulers", ()))
        for key in _OF_SCHEDULER:
            rates = getattr(scheduler, key, None)
            if isinstance(rates, list):
                setattr(scheduler, key, [_scaled(rate, factor) for rate in rates])
        if isinstance(getattr(scheduler, _BOUND, None), int | float):
            setattr(scheduler, _BOUND, getattr(scheduler, _BOUND) * factor)
        _scale_warm_up(scheduler, factor)


def _scale_warm_up(scheduler: Any, factor: float) -> None:
    """Timm's warm-up adds a step to the first rate of it at each epoch: both go with the rate."""
    steps = getattr(scheduler, "warmup_steps", None)
    if isinstance(steps, list) and hasattr(scheduler, "warmup_lr_init"):
        scheduler.warmup_steps = [step * factor for step in steps]
        scheduler.warmup_lr_init *= factor


def _scaled(rate: Any, factor: float) -> Any:
    if isinstance(rate, torch.Tensor):
        return rate.mul_(factor)  # a captured graph holds this very tensor
    return rate * factor
