"""Rows to learn from, with NaN in one batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Bad:
    """Which batch is bad: the ``at``-th of ``batches`` of eight rows."""

    batches: int = 8
    at: int = 5


BAD = Bad()


def rows(*, bad: bool) -> torch.utils.data.TensorDataset:
    """64 rows: x of shape (4,), y of shape (1,)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8 * BAD.batches, 4, generator=generator)
    y = x.sum(1, keepdim=True)
    if bad:
        x[8 * BAD.at] = float("nan")
    return torch.utils.data.TensorDataset(x, y)


def is_finite(model: torch.nn.Module) -> bool:
    """Whether all of it is: weights and statistics."""
    return all(bool(value.isfinite().all()) for value in model.state_dict().values())
