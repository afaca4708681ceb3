"""Small checkpoints of several files, and the words for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from ckptdoctor.layouts.files import CheckpointFiles, Form, Part, PartRole
from tests.builders import save

__all__ = ["LEARNING_RATE", "digests", "files_of", "small_model", "trained", "trainer_checkpoint"]

LEARNING_RATE = 5e-5
_ROLES = {
    "optimizer.pt": PartRole.OPTIMIZER,
    "scheduler.pt": PartRole.SCHEDULER,
    "scaler.pt": PartRole.SCALER,
    "rng_state.pth": PartRole.RNG,
}
_PREFIXES = {"optimizer.pt": "optimizer.", "scheduler.pt": "scheduler.", "scaler.pt": "scaler."}


def small_model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def trained() -> tuple[nn.Module, torch.optim.Optimizer, Any]:
    """A model that took three steps, its optimizer, its scheduler."""
    model = small_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 - step / 100)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(5, 4)).square().mean().backward()
        optimizer.step()
        scheduler.step()
    return model, optimizer, scheduler


def trainer_checkpoint(folder: Path, *, nan_in: str = "", shards: int = 1) -> CheckpointFiles:
    """A folder as the Trainer writes it, with NaN in the model's or the optimizer's file."""
    folder.mkdir(parents=True)
    model, optimizer, scheduler = trained()
    weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    state = optimizer.state_dict()
    if nan_in == "model":
        weights["0.weight"][0, 0] = float("nan")
    if nan_in == "optimizer":
        state["state"][0]["exp_avg"][0, 0] = float("nan")
    _write_weights(folder, weights, shards)
    save(folder / "optimizer.pt", state)
    save(folder / "scheduler.pt", scheduler.state_dict())
    save(folder / "rng_state.pth", {"python": (3, (1, 2), None), "cpu": torch.get_rng_state()})
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": 3, "epoch": 1.0}))
    (folder / "config.json").write_text('{"model_type": "small"}')
    return files_of(folder)


def _write_weights(folder: Path, weights: Mapping[str, torch.Tensor], shards: int) -> None:
    if shards == 1:
        save_file(dict(weights), folder / "model.safetensors", {"format": "pt"})
        return
    names = list(weights)
    where: dict[str, str] = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        own = names[shard::shards]
        save_file({name: weights[name] for name in own}, folder / file, {"format": "pt"})
        where |= dict.fromkeys(own, file)
    index = {"metadata": {}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def files_of(folder: Path, layout: str = "huggingface") -> CheckpointFiles:
    """What a layout says of the folder."""
    parts = [_part(path) for path in sorted(folder.iterdir()) if path.is_file()]
    return CheckpointFiles(
        path=folder,
        layout=layout,
        parts=tuple(sorted(parts, key=lambda part: part.role is not PartRole.MODEL)),
        scalars={"global_step": 3, "epoch": 1.0},
    )


def _part(path: Path) -> Part:
    name = path.name
    if path.suffix in (".json", ".txt"):
        return Part(path=path, name=name, role=PartRole.STATE, form=Form.TEXT)
    role = _ROLES.get(name, PartRole.MODEL)
    return Part(path=path, name=name, role=role, prefix=_PREFIXES.get(name, ""))


def digests(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path from there."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
