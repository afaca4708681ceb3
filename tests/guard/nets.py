"""Small trainings for the tests of the guard: the same numbers every time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

__all__ = ["NAN", "batches", "is_finite", "loss_of", "net", "normed_net", "optimizers", "weights"]

NAN = math.nan


def net(seed: int = 0) -> torch.nn.Sequential:
    """Two layers, 8 inputs, one output."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))


def normed_net(seed: int = 0) -> torch.nn.Sequential:
    """The same with BatchNorm, whose running statistics a bad batch poisons."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(8, 16), torch.nn.BatchNorm1d(16), torch.nn.Tanh(), torch.nn.Linear(16, 1)
    )


def batches(count: int, bad: tuple[int, ...] = (), seed: int = 1) -> Iterator[torch.Tensor]:
    """Batches of 32 inputs; those numbered in ``bad`` hold one NaN."""
    generator = torch.Generator().manual_seed(seed)
    for at in range(count):
        batch = torch.randn(32, 8, generator=generator)
        if at in bad:
            batch[3, 2] = NAN
        yield batch


def loss_of(model: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """How far the model is from the sine of the sum of its inputs."""
    wanted = torch.sin(batch.sum(1, keepdim=True))
    return torch.nn.functional.mse_loss(model(batch), wanted)


def optimizers(model: torch.nn.Module) -> dict[str, torch.optim.Optimizer]:
    """One of each kind that steps in its own way."""
    mine = list(model.parameters())
    return {
        "sgd": torch.optim.SGD(mine, lr=0.05),
        "sgd_momentum": torch.optim.SGD(mine, lr=0.05, momentum=0.9),
        "sgd_fused": torch.optim.SGD(mine, lr=0.05, momentum=0.9, fused=True),
        "adam": torch.optim.Adam(mine, lr=0.01),
        "adamw_fused": torch.optim.AdamW(mine, lr=0.01, fused=True),
        "adagrad_fused": torch.optim.Adagrad(mine, lr=0.05, fused=True),
        "rmsprop": torch.optim.RMSprop(mine, lr=0.01, momentum=0.9),
    }


def weights(model: torch.nn.Module) -> torch.Tensor:
    """All parameters, flat, as a copy."""
    return torch.cat([one.detach().flatten() for one in model.parameters()]).clone()


def is_finite(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> bool:
    """Whether there is no NaN and no Inf in what a checkpoint would hold."""
    tensors = [*model.parameters(), *model.buffers()]
    tensors += [
        value
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    ]
    return all(bool(tensor.isfinite().all()) for tensor in tensors)
