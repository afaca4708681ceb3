"""Events that kill a training, told to it by the environment: what a person mends and is then gone.

``TRAIN_FAULT=nan-batch:9`` strikes within epoch 9. A restart runs without it, as the person who
restarts has taken the bad batch out, or found the bug, or emptied the disk.
"""

from __future__ import annotations

import errno
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.benchmarks.comes_back.tasks import Task

__all__ = ["VARIABLE", "Fault"]

VARIABLE = "TRAIN_FAULT"
_KILLED = 137


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens, and in which epoch; nothing where the name is empty."""

    name: str = ""
    epoch: int = 0

    @classmethod
    def from_environment(cls) -> Fault:
        """The one that ``TRAIN_FAULT`` names."""
        name, _, epoch = os.environ.get(VARIABLE, "").partition(":")
        return cls(name, int(epoch or 0))

    def batch(self, epoch: int, number: int, data: tuple[Tensor, Tensor], task: Task) -> Any:
        """A batch as it reaches the net."""
        inputs, targets = data
        if epoch == self.epoch and number == 2:
            if self.name == "big-batch":
                return inputs * 1e4, targets
            if self.name == "nan-batch":
                return inputs * float("nan"), targets
        if epoch >= self.epoch > 0:
            if self.name == "unit":
                return inputs, targets * task.unit
            if self.name == "labels":
                return inputs, targets.roll(1, 0)
            if self.name == "normalise":
                return inputs * 128 + 128, targets
        return inputs, targets

    @torch.no_grad()
    def after_epoch(
        self, epoch: int, model: nn.Module, ema: nn.Module | None, optimizer: torch.optim.Optimizer
    ) -> None:
        """What a bug does to the state between two epochs."""
        if self.name == "zeroed" and epoch >= self.epoch:
            for parameter in model.parameters():
                parameter.mul_(torch.rand_like(parameter) < 0.3)
        if epoch != self.epoch:
            return
        if self.name == "bn":
            first = next(m for m in model.modules() if isinstance(m, nn.BatchNorm2d))
            first.get_buffer("running_var").fill_(float("nan"))
        if self.name == "ema" and ema is not None:
            next(ema.parameters())[0] = float("nan")
        if self.name == "moments":
            for state in optimizer.state.values():
                for value in state.values():
                    if torch.is_tensor(value) and value.dim():
                        value.fill_(float("nan"))
                break

    def save(self, epoch: int, state: dict[str, Any], paths: list[Path]) -> bool:
        """Write the files of an epoch in a way that damages them; False where nothing is wrong."""
        if epoch != self.epoch or self.name not in ("flip", "cut"):
            return False
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = bytearray(buffer.getvalue())
        if self.name == "cut":
            for path in paths:
                path.write_bytes(content[: len(content) * 6 // 10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        for at in range(len(content) // 3, len(content) // 2, 997):
            content[at] ^= 0x55
        for path in paths:
            path.write_bytes(content)
        os._exit(_KILLED)
