"""What belongs to an optimizer, or to several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

__all__ = ["as_list", "device_of", "parameters_of"]


def as_list(one_or_more: Any) -> list[Any]:
    """A list of what may be one thing, several or none."""
    if one_or_more is None:
        return []
    return list(one_or_more) if isinstance(one_or_more, list | tuple) else [one_or_more]


def parameters_of(optimizer: torch.optim.Optimizer) -> Iterator[torch.nn.Parameter]:
    """Its parameters, group by group."""
    return (one for group in optimizer.param_groups for one in group["params"])


def device_of(optimizers: list[torch.optim.Optimizer]) -> torch.device:
    """Where the first parameter of the first one lies."""
    return torch.device(next(parameters_of(optimizers[0])).device)
