"""MMEngine's Runner: single files and ``last_checkpoint``."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from tests.layouts.folders.real.data import loader
from tests.layouts.folders.training import Net


class Model(BaseModel):  # type: ignore[misc]
    """The net, as MMEngine wants it."""

    def __init__(self) -> None:
        super().__init__()
        net = Net()
        self.embed, self.body, self.norm, self.head = net.embed, net.body, net.norm, net.head

    def forward(self, x: torch.Tensor, y: torch.Tensor, mode: str = "loss") -> Any:
        return {"loss": nn.functional.mse_loss(Net.forward(self, x), y)}


def train(_: str, root: Path) -> None:
    """Three epochs of four steps."""
    _runner(root, epochs=3).train()


def resume(_: str, paths: list[Path]) -> list[dict[str, torch.Tensor]]:
    """Up to the fourth epoch from each."""
    # MMEngine 0.10.7 does not ask for it, and its own HistoryBuffer is not on torch's safe list
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    ended = []
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            runner = _runner(Path(folder), epochs=4, load_from=str(path), resume=True)
            runner.train()
            ended.append({key: value.clone() for key, value in runner.model.state_dict().items()})
    return ended


def _runner(root: Path, *, epochs: int, **more: Any) -> Any:
    torch.manual_seed(0)
    return Runner(
        model=Model(),
        work_dir=str(root),
        train_dataloader=loader(),
        train_cfg={"by_epoch": True, "max_epochs": epochs},
        optim_wrapper={"optimizer": {"type": "AdamW", "lr": 5e-3}},
        **more,
    )
