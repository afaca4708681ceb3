"""DeepSpeed's ZeRO with two ranks over gloo, of a net whose sizes two does not divide.

    python -m tests.layouts.folders.real.uneven STAGE FOLDER

Saves ``FOLDER/global_step2``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.layouts.folders.real.processes import free_port
from tests.leaving import leave

__all__ = ["PARAMETERS", "Uneven"]

PARAMETERS = ("scale", "one.weight", "one.bias", "two.weight", "two.bias")
"""Those that are trained."""


class Uneven(nn.Module):
    """A parameter of one element, odd ones, and a frozen one."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), 1.5))
        self.one = nn.Linear(5, 7)
        self.two = nn.Linear(7, 3)
        self.fixed = nn.Parameter(torch.ones(3, 3), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.two(torch.relu(self.one(x))) @ self.fixed * self.scale
        return out


def _work(rank: int, stage: int, root: str, port: int) -> None:
    os.environ |= {
        "DS_ACCELERATOR": "cpu",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "LOCAL_SIZE": "2",
    }
    torch.set_num_threads(1)
    import deepspeed

    # minutes of a compiler for nothing: gloo does without
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed("gloo")
    torch.manual_seed(0)
    net = Uneven()
    weights = [value for name, value in net.named_parameters() if name.endswith("weight")]
    others = [value for name, value in net.named_parameters() if not name.endswith("weight")]
    configuration: dict[str, Any] = {
        "train_batch_size": 4,
        "optimizer": {"type": "AdamW", "params": {"lr": 1e-2, "torch_adam": True}},
        "zero_optimization": {"stage": stage},
    }
    engine, *_ = deepspeed.initialize(
        model=net,
        model_parameters=[{"params": others}, {"params": weights, "weight_decay": 0.1}],
        config=configuration,
    )
    for _ in range(2):
        loss = engine(torch.ones(2, 5)).square().mean()
        engine.backward(loss)
        engine.step()
    engine.save_checkpoint(root)
    leave()


def main() -> None:
    """Train and save."""
    from torch.multiprocessing.spawn import spawn

    stage, root = sys.argv[1:]
    spawn(_work, args=(int(stage), str(Path(root)), free_port()), nprocs=2)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
