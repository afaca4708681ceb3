"""Lightning: a single file, and a folder of DCP by two ranks over gloo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from tests.layouts.folders.real.data import SCORES, loader
from tests.layouts.folders.training import Net


class Module(lightning.LightningModule):
    """The net at the root of the names."""

    def __init__(self, *, shared: bool) -> None:
        super().__init__()
        net = Net()
        self.embed, self.body, self.norm, self.head = net.embed, net.body, net.norm, net.head
        self.shared = shared

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Net.forward(self, x)  # type: ignore[arg-type]

    def training_step(self, rows: Any, _: int) -> torch.Tensor:
        return nn.functional.mse_loss(self(rows[0]), rows[1])

    def validation_step(self, *_: Any) -> None:
        if not self.trainer.sanity_checking and self.current_epoch < len(SCORES):
            self.log("val_acc", torch.tensor(SCORES[self.current_epoch]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=5e-3)

    def configure_model(self) -> None:
        if self.shared:
            from torch.distributed.fsdp import fully_shard

            mesh: Any = self.device_mesh
            fully_shard(self, mesh=mesh["data_parallel"])


def train(name: str, root: Path) -> None:
    """Three epochs of four steps."""
    callback = ModelCheckpoint(dirpath=root, save_top_k=-1, monitor="val_acc", mode="max")
    _trainer(name, epochs=3, callbacks=[callback]).fit(_module(name), loader(), loader())


def resume(name: str, paths: list[Path]) -> list[dict[str, torch.Tensor]] | None:
    """Up to the fourth epoch from each."""
    ended = []
    for path in paths:
        trainer = _trainer(name, epochs=4, enable_checkpointing=False, limit_val_batches=0)
        module = _module(name)
        trainer.fit(module, loader(), ckpt_path=str(path), weights_only=False)
        ended.append({key: _full(value) for key, value in module.state_dict().items()})
    return ended if trainer.is_global_zero else None


def _full(value: Any) -> torch.Tensor:
    whole: torch.Tensor = value.full_tensor() if hasattr(value, "full_tensor") else value
    return whole.detach().clone()


def _module(name: str) -> Module:
    torch.manual_seed(0)
    return Module(shared=name == "lightning-sharded")


def _trainer(name: str, *, epochs: int, **more: Any) -> lightning.Trainer:
    if name == "lightning-sharded":
        from lightning.pytorch.strategies import ModelParallelStrategy

        more["devices"] = 2
        more["use_distributed_sampler"] = False  # both ranks see all, as one would
        more["strategy"] = ModelParallelStrategy(
            data_parallel_size=2, tensor_parallel_size=1, process_group_backend="gloo"
        )
    return lightning.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **more,
    )
