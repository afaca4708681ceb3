"""A net that trains for three epochs of twenty steps, the same each time; torch alone."""

from __future__ import annotations

import random
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

STEPS = (20, 40, 60)
SCORES = (0.70, 0.78, 0.78)
"""The last two are equal: the later wins while it is sound, and the earlier once it is not."""
LOSSES = (0.93, 0.61, 0.55)


class Net(nn.Module):
    """5 kB of weights in eight tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 16)
        self.body = nn.Linear(16, 32)
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.body(torch.relu(self.embed(x))))
        out: torch.Tensor = self.head(self.norm(hidden))
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The end of an epoch: what a framework would save now."""

    epoch: int
    step: int
    score: float
    loss: float
    weights: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    ema: dict[str, torch.Tensor]
    rng: torch.Tensor
    history: tuple[tuple[int, int, float, float], ...]
    """(epoch, step, loss, score) so far."""

    @property
    def random_states(self) -> dict[str, Any]:
        """Python's, numpy's and torch's generators after so many steps."""
        python = random.Random(self.step)
        return {
            "python": python.getstate(),
            "numpy": np.random.RandomState(self.step).get_state(),
            "cpu": self.rng,
        }


def adamw(tensors: Iterable[torch.Tensor], stage: Stage) -> dict[str, Any]:
    """What AdamW would hold for these tensors at this stage: for models that are cut to pieces."""
    values = list(tensors)
    state = {
        at: {
            "step": torch.tensor(float(stage.step)),
            "exp_avg": value.float() * 0.01,
            "exp_avg_sq": (value.float() * 0.01) ** 2,
        }
        for at, value in enumerate(values)
    }
    group = {**stage.optimizer["param_groups"][0], "params": list(range(len(values)))}
    return {"state": state, "param_groups": [group]}


def batch(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Eight rows of data (8, 8) and their targets (8, 4)."""
    x = torch.randn(8, 8, generator=generator)
    return x, torch.tanh(x[:, :4] + x[:, 4:])


@cache
def stages(seed: int = 0) -> tuple[Stage, ...]:
    """The three ends of epochs; they are shared, so nobody changes them."""
    torch.manual_seed(seed)
    net, generator = Net(), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / 200))
    ema = {name: value.clone() for name, value in net.state_dict().items()}
    history: list[tuple[int, int, float, float]] = []
    found = []
    for epoch, (step, score, loss) in enumerate(zip(STEPS, SCORES, LOSSES, strict=True), 1):
        for _ in range(STEPS[0]):
            _train(net, optimizer, scheduler, generator)
            for name, value in net.state_dict().items():
                ema[name] = ema[name].lerp(value, 0.1)
        history.append((epoch, step, loss, score))
        saved = Stage(
            epoch=epoch,
            step=step,
            score=score,
            loss=loss,
            weights=dict(net.state_dict()),
            optimizer=optimizer.state_dict(),
            scheduler=scheduler.state_dict(),
            ema=ema,
            rng=generator.get_state(),
            history=tuple(history),
        )
        found.append(deepcopy(saved))
    return tuple(found)


def _train(
    net: Net,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LambdaLR,
    generator: torch.Generator,
) -> None:
    x, y = batch(generator)
    optimizer.zero_grad()
    nn.functional.mse_loss(net(x), y).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    scheduler.step()
