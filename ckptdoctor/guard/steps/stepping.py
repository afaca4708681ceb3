"""Taking a step, or making it harmless where the host does not know yet whether it is bad."""

from __future__ import annotations

import torch

from ckptdoctor.guard.steps.norms import Gradients, blank, scale
from ckptdoctor.guard.steps.scaling import Scaling
from ckptdoctor.guard.steps.verdict import Verdict

__all__ = ["step_known", "step_unknown"]

_EPSILON = 1e-6  # as torch.nn.utils.clip_grad_norm_ adds to the norm


def step_known(
    optimizers: list[torch.optim.Optimizer],
    gradients: list[Gradients],
    norm: float,
    *,
    max_norm: float | None,
    scaling: Scaling | None,
) -> None:
    """Clip if the norm asks for it, and step: the host has seen that the step is good."""
    divisor = 1.0 if max_norm is None else (norm + _EPSILON) / max_norm
    for optimizer, mine in zip(optimizers, gradients, strict=True):
        if divisor <= 1.0:
            _step(optimizer, scaling, {})
        elif _is_fused(optimizer):
            device = optimizer.param_groups[0]["params"][0].device
            _step(optimizer, scaling, {"grad_scale": torch.tensor(divisor, device=device)})
        else:
            scale(mine, 1.0 / divisor)
            _step(optimizer, scaling, {})


def step_unknown(
    optimizers: list[torch.optim.Optimizer],
    gradients: list[Gradients],
    verdict: Verdict,
    *,
    max_norm: float | None,
    scaling: Scaling | None,
) -> None:
    """Clip and step on the device, or do nothing there, as the verdict says.

    An optimizer that knows ``found_inf`` (``fused=True``) leaves weights and state untouched. Any
    other gets zeros for gradients: no NaN, but momentum and weight decay go on for this one step.
    """
    divisor = None
    if max_norm is not None:
        divisor = ((verdict.norm + _EPSILON) / max_norm).clamp(min=1.0).float()
    for optimizer, mine in zip(optimizers, gradients, strict=True):
        if _is_fused(optimizer):
            told = {} if divisor is None else {"grad_scale": divisor}
            _step(optimizer, scaling, {**told, "found_inf": verdict.drop.float()})
        else:
            if divisor is not None:
                scale(mine, divisor.reciprocal())
            blank(mine, verdict.drop)
            _step(optimizer, scaling, {})


def _is_fused(optimizer: torch.optim.Optimizer) -> bool:
    """Whether it divides by ``grad_scale`` within its kernel, and obeys ``found_inf``."""
    return bool(getattr(optimizer, "_step_supports_amp_scaling", False))


def _step(
    optimizer: torch.optim.Optimizer, scaling: Scaling | None, told: dict[str, torch.Tensor]
) -> None:
    """Step, with attributes that a fused optimizer looks at; a GradScaler speaks to it like that.

    With a scaler ``found_inf`` is its own, and it multiplies its scale into ``grad_scale``.
    """
    for name, value in told.items():
        setattr(optimizer, name, value)
    try:
        if scaling is None:
            optimizer.step()
        else:
            scaling.step(optimizer)
    finally:
        for name in told:
            if hasattr(optimizer, name):  # the scaler takes them away itself
                delattr(optimizer, name)
