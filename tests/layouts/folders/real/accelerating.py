"""accelerate's ``save_state`` and ``load_state``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration
from torch import nn

from tests.layouts.folders.real.data import SCORES, batches
from tests.layouts.folders.training import Net


class Progress:
    """An object of the user's, saved along."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        return self.state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.state = state


def train(name: str, root: Path) -> None:
    """Three epochs of four steps."""
    accelerator, model, optimizer, scheduler, progress = _prepared(name, root)
    for epoch, score in enumerate(SCORES, 1):
        _epoch(accelerator, model, optimizer, scheduler)
        progress.state = {"epoch": epoch, "global_step": epoch * 4, "val_accuracy": score}
        if name == "accelerate":
            accelerator.save_state(str(root / f"epoch_{epoch}"))
        else:
            accelerator.save_state()


def resume(name: str, paths: list[Path]) -> list[dict[str, torch.Tensor]]:
    """One epoch more from each."""
    ended = []
    for path in paths:
        accelerator, model, optimizer, scheduler, _ = _prepared(name, path.parent / "elsewhere")
        accelerator.load_state(str(path))
        _epoch(accelerator, model, optimizer, scheduler)
        ended.append({key: value.clone() for key, value in model.state_dict().items()})
        accelerator.free_memory()
    return ended


def _epoch(accelerator: Any, model: Any, optimizer: Any, scheduler: Any) -> None:
    for x, y in batches():
        accelerator.backward(nn.functional.mse_loss(model(x), y))
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()


def _prepared(name: str, root: Path) -> Any:
    torch.manual_seed(0)
    numbered = name == "accelerate-numbered"
    project = ProjectConfiguration(project_dir=str(root), automatic_checkpoint_naming=numbered)
    accelerator = Accelerator(cpu=True, project_config=project)
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 200)
    progress = Progress()
    if numbered:
        accelerator.register_for_checkpointing(progress)
    return accelerator, *accelerator.prepare(net, optimizer, scheduler), progress
