"""Checkpoints of the shapes that people have: hundreds of tensors, thousands, and many files.

Their tensors are small, so that what is measured is the cost of a tensor and of a file, not that of
bytes. Names, numbers of tensors and optimizer states are those of the models.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

__all__ = ["SHAPES", "USUAL_SCRIPT", "Shape"]

USUAL_SCRIPT = """
import sys, torch

def tensors(node):
    if isinstance(node, torch.Tensor):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from tensors(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from tensors(value)

for path in sys.argv[1:]:
    if path.endswith(".safetensors"):
        from safetensors.torch import load_file
        checkpoint = load_file(path)
    else:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    for tensor in tensors(checkpoint):
        torch.isfinite(tensor).all(), tensor.aminmax()
"""
"""What a careful user writes: nothing from the file is run, and every element is looked at."""

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Shape:
    """Checkpoints of one kind.

    Attributes:
        what: it is, for a heading.
        tensors: in a file.
        counts: how many files, one measurement each.
        write: one checkpoint to a path without a suffix; what that is, it returns.
        is_huge: whether it is left out unless it is asked for.
        a_run: files of a folder, where they lie in several.
    """

    what: str
    tensors: int
    counts: tuple[int, ...]
    write: Callable[[Path, int], Path]
    is_huge: bool = False
    a_run: int | None = None

    def files(self, folder: Path, count: int) -> Iterator[Path]:
        """So many of them, in a folder or in folders of it."""
        for number in range(count):
            run, epoch = divmod(number, self.a_run or count)
            own = folder / f"run_{run}" if self.a_run else folder
            own.mkdir(exist_ok=True)
            yield self.write(own / f"checkpoint_epoch_{epoch}", epoch)


def _filled(shapes: dict[str, tuple[int, ...]], epoch: int) -> Weights:
    """Weights as training has them: another number in each of them, none out of the ordinary."""
    generator = torch.Generator().manual_seed(epoch)
    return {
        name: torch.tensor(1000 * epoch)
        if name.endswith("num_batches_tracked")
        else torch.rand(shape, generator=generator) * 0.02 + 0.5
        for name, shape in shapes.items()
    }


def _save(path: Path, contents: dict[str, Any]) -> Path:
    path = path.with_name(f"{path.name}.pth")
    torch.save(contents, path)
    return path


# -- the models ----------------------------------------------------------------------------------


def _resnet() -> dict[str, tuple[int, ...]]:
    """ResNet-50: 53 convolutions, as many normalisations of five tensors, and a classifier."""
    shapes: dict[str, tuple[int, ...]] = {}

    def unit(conv: str, norm: str, width: int) -> None:
        shapes[f"{conv}.weight"] = (width, 8, 3, 3)
        for name in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{name}"] = (width,)
        shapes[f"{norm}.num_batches_tracked"] = ()

    unit("conv1", "bn1", 8)
    for stage, blocks in enumerate((3, 4, 6, 3), 1):
        for block in range(blocks):
            for part in (1, 2, 3):
                at = f"layer{stage}.{block}"
                unit(f"{at}.conv{part}", f"{at}.bn{part}", 8 * stage)
            if block == 0:
                unit(f"layer{stage}.0.downsample.0", f"layer{stage}.0.downsample.1", 8 * stage)
    return shapes | {"fc.weight": (1000, 32), "fc.bias": (1000,)}


def _vit() -> dict[str, tuple[int, ...]]:
    """ViT-B/16: 152 tensors."""
    block = {
        "norm1.weight": (16,),
        "norm1.bias": (16,),
        "attn.qkv.weight": (48, 16),
        "attn.qkv.bias": (48,),
        "attn.proj.weight": (16, 16),
        "attn.proj.bias": (16,),
        "norm2.weight": (16,),
        "norm2.bias": (16,),
        "mlp.fc1.weight": (64, 16),
        "mlp.fc1.bias": (64,),
        "mlp.fc2.weight": (16, 64),
        "mlp.fc2.bias": (16,),
    }
    blocks = {f"blocks.{i}.{name}": shape for i in range(12) for name, shape in block.items()}
    ends = {"norm.weight": (16,), "norm.bias": (16,), "head.weight": (100, 16), "head.bias": (100,)}
    patches = {"patch_embed.proj.weight": (16, 3, 16, 16), "patch_embed.proj.bias": (16,)}
    return {"cls_token": (1, 1, 16), "pos_embed": (1, 197, 16)} | patches | blocks | ends


def _llm() -> dict[str, tuple[int, ...]]:
    """A model of 400 layers of ten tensors."""
    layer = (
        [(f"self_attn.{name}_proj.weight", (16, 16)) for name in "qkvo"]
        + [(f"mlp.{name}_proj.weight", (32, 16)) for name in ("gate", "up", "down")]
        + [(f"{name}.weight", (16,)) for name in ("input_layernorm", "post_layernorm", "q_norm")]
    )
    return {f"model.layers.{i}.{name}": shape for i in range(400) for name, shape in layer}


def _unet() -> dict[str, tuple[int, ...]]:
    """60 layers of a convolution and a normalisation without its counter."""
    names = ("conv.weight", "norm.weight", "norm.bias", "norm.running_mean")
    return {
        f"{half}.{i}.{name}": (15, 8, 3, 3) if name == "conv.weight" else (15,)
        for half in ("encoder", "decoder")
        for i in range(30)
        for name in names
    }


def _lora() -> dict[str, tuple[int, ...]]:
    """30 pairs of low rank."""
    return {
        f"base_model.model.layers.{i}.self_attn.q_proj.lora_{side}.weight": (8, 512)
        for i in range(30)
        for side in "AB"
    }


# -- the files -----------------------------------------------------------------------------------


def _with_sgd(path: Path, epoch: int) -> Path:
    weights = _filled(_RESNET, epoch)
    trained = [name for name in weights if name.endswith(("weight", "bias"))]
    state = {i: {"momentum_buffer": weights[name] * 0.1} for i, name in enumerate(trained)}
    group = {"lr": 0.1 * 0.97**epoch, "momentum": 0.9, "weight_decay": 1e-4, "nesterov": False}
    return _save(
        path,
        {
            "epoch": epoch,
            "model_state_dict": weights,
            "optimizer_state_dict": {
                "state": state,
                "param_groups": [{**group, "params": list(range(len(trained)))}],
            },
            "best_acc1": 0.5 + epoch / 1000,
        },
    )


def _with_adamw(path: Path, epoch: int) -> Path:
    weights = _filled(_VIT, epoch)
    state = {
        i: {
            "step": torch.tensor(1000.0 * (epoch + 1)),
            "exp_avg": weight * 0.1,
            "exp_avg_sq": weight * weight * 0.001,
        }
        for i, weight in enumerate(weights.values())
    }
    group = {"lr": 1e-3 * 0.97**epoch, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.05}
    return _save(
        path,
        {
            "model": weights,
            "optimizer": {
                "state": state,
                "param_groups": [{**group, "params": list(range(len(weights)))}],
            },
            "lr_scheduler": {"last_epoch": epoch, "base_lrs": [1e-3], "_step_count": epoch + 1},
            "epoch": epoch,
        },
    )


def _weights_alone(shapes: dict[str, tuple[int, ...]]) -> Callable[[Path, int], Path]:
    def write(path: Path, epoch: int) -> Path:
        return _save(path, {"epoch": epoch, "model_state_dict": _filled(shapes, epoch)})

    return write


def _safetensors(path: Path, epoch: int) -> Path:
    from safetensors.torch import save_file

    path = path.with_name(f"{path.name}.safetensors")
    shapes = dict(list(_LLM.items())[:600])
    save_file(_filled(shapes, epoch), path, metadata={"epoch": str(epoch)})
    return path


def _lists(path: Path, epoch: int) -> Path:
    numbers = random.Random(epoch)
    history = [numbers.random() for _ in range(54_000)]
    weights = _filled({"weight": (8, 8), "bias": (8,)}, epoch)
    return _save(path, {"epoch": epoch, "model_state_dict": weights, "loss_history": history})


_RESNET, _VIT, _LLM, _UNET, _LORA = _resnet(), _vit(), _llm(), _unet(), _lora()

_SMALL = _weights_alone(dict.fromkeys("abcd", (16,)))

SHAPES = {
    "resnet": Shape("ResNet-50 and SGD", 481, (1, 60), _with_sgd),
    "vit": Shape("ViT-B/16 and AdamW", 608, (1, 60), _with_adamw),
    "llm": Shape("400 layers of ten", 4000, (1, 60), _weights_alone(_LLM)),
    "unet": Shape("a net of 240", 240, (200,), _weights_alone(_UNET)),
    "lora": Shape("LoRA, 1 MB", 60, (500,), _weights_alone(_LORA)),
    "safetensors": Shape("safetensors", 600, (1, 60), _safetensors),
    "lists": Shape("54,000 numbers in a list", 2, (1, 114), _lists),
    "small": Shape("small files, one run", 4, (50_000,), _SMALL, is_huge=True),
    "small-runs": Shape("small files, 1,000 a run", 4, (50_000,), _SMALL, is_huge=True, a_run=1000),
}
"""By name; those that are huge only where they are asked for."""
