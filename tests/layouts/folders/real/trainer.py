"""transformers' Trainer: single, sharded, with an adapter of peft."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel, Trainer, TrainingArguments

from tests.layouts.folders.real.data import ROWS, SCORES, whole
from tests.layouts.folders.training import Net


class TinyConfig(PretrainedConfig):  # type: ignore[no-untyped-call]
    """Nothing to configure."""

    model_type = "net"


class Tiny(PreTrainedModel):  # type: ignore[no-untyped-call]
    """The net, as transformers wants it."""

    config_class = TinyConfig

    def __init__(self, config: TinyConfig, shard: str = "1GB") -> None:
        super().__init__(config)
        net = Net()
        self.embed, self.body, self.norm, self.head = net.embed, net.body, net.norm, net.head
        self.shard = shard
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None: ...

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        out = Net.forward(self, x)  # type: ignore[arg-type]
        return {"loss": nn.functional.mse_loss(out, labels), "logits": out}

    def save_pretrained(self, *arguments: Any, **more: Any) -> None:
        super().save_pretrained(*arguments, **(more | {"max_shard_size": self.shard}))


class Rows(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """The data."""

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, at: int) -> dict[str, torch.Tensor]:
        x, y = whole()
        return {"x": x[at], "labels": y[at]}


def train(name: str, root: Path) -> None:
    """Three epochs, a checkpoint after each."""
    _trainer(name, root, epochs=3, evaluate=True).train()


def resume(name: str, paths: list[Path]) -> list[dict[str, torch.Tensor]]:
    """One more epoch than the longest."""
    ended = []
    for path in paths:
        with tempfile.TemporaryDirectory() as folder:
            trainer = _trainer(name, Path(folder), epochs=4)
            trainer.train(resume_from_checkpoint=str(path))
            model: Any = trainer.model
            ended.append({key: value.clone() for key, value in model.state_dict().items()})
    return ended


def _trainer(name: str, root: Path, *, epochs: int, evaluate: bool = False) -> Trainer:
    torch.manual_seed(0)
    model: Any = Tiny(TinyConfig(), shard="2KB" if name == "transformers-shards" else "1GB")
    if name == "peft":
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(model, LoraConfig(r=4, target_modules=["embed", "body"]))
    every = "epoch"
    arguments = TrainingArguments(
        output_dir=str(root),
        num_train_epochs=epochs,
        per_device_train_batch_size=8,
        save_strategy=every if evaluate else "no",
        eval_strategy=every if evaluate else "no",
        logging_strategy=every,
        report_to=[],
        use_cpu=True,
        learning_rate=5e-3,
        lr_scheduler_type="constant",
        disable_tqdm=True,
    )
    scores = iter(SCORES)
    rows: Any = Rows()
    return Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=rows,
        compute_metrics=lambda _: {"accuracy": next(scores)},
    )
