"""What frameworks put into checkpoints: arguments, configurations, metrics, whole nets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

__all__ = ["FRAMEWORKS"]


def _arguments(folder: Path) -> list[object]:
    transformers: Any = pytest.importorskip("transformers")
    arguments = transformers.TrainingArguments(output_dir=str(folder), use_cpu=True)
    return [arguments, transformers.TrainerState(), transformers.GenerationConfig()]


def _whole_nets(_: Path) -> list[object]:
    transformers: Any = pytest.importorskip("transformers")
    small = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}
    texts = small | {"intermediate_size": 8, "vocab_size": 16}
    images = small | {"intermediate_size": 8, "image_size": 8, "patch_size": 4}
    return [
        transformers.BertModel(transformers.BertConfig(**texts)),
        transformers.LlamaModel(transformers.LlamaConfig(num_key_value_heads=2, **texts)),
        transformers.ViTModel(transformers.ViTConfig(**images)),
        transformers.modeling_outputs.BaseModelOutput(last_hidden_state=torch.ones(1)),
    ]


def _configuration(_: Path) -> list[object]:
    omegaconf: Any = pytest.importorskip("omegaconf")
    return [omegaconf.OmegaConf.create({"a": {"b": [1, "${a}", None]}, "c": 1.5})]


def _metrics(_: Path) -> list[object]:
    torchmetrics: Any = pytest.importorskip("torchmetrics")
    collection = torchmetrics.MetricCollection(
        [torchmetrics.MeanMetric(), torchmetrics.MeanSquaredError()]
    )
    return [torchmetrics.Accuracy(task="multiclass", num_classes=3), collection]


def _lightning(_: Path) -> list[object]:
    lightning: Any = pytest.importorskip("lightning.pytorch")
    data: Any = pytest.importorskip("lightning.fabric.utilities.data")
    callbacks = lightning.callbacks
    return [
        data.AttributeDict(a=1),
        lightning.utilities.parsing.AttributeDict(a=1),
        callbacks.EarlyStopping("loss"),
        callbacks.ModelCheckpoint,
    ]


def _accelerated(_: Path) -> list[object]:
    accelerate: Any = pytest.importorskip("accelerate")
    net = torch.nn.Linear(2, 2)
    accelerator = accelerate.Accelerator(cpu=True)
    prepared = accelerator.prepare(net, torch.optim.SGD(net.parameters(), lr=1.0))
    return [*prepared, accelerate.DistributedType.NO, accelerate.utils.ProjectConfiguration()]


FRAMEWORKS: dict[str, Callable[[Path], list[object]]] = {
    "arguments": _arguments,
    "whole nets": _whole_nets,
    "configuration": _configuration,
    "metrics": _metrics,
    "lightning": _lightning,
    "accelerated": _accelerated,
}
