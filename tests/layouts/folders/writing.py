"""How frameworks write: shards with an index, and classes that are not installed here."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import save_file


def save(value: object, path: Path) -> None:
    """``torch.save``, with the folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(value, path)


def write(path: Path, text: str) -> None:
    """A text, with the folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """A JSON document as transformers writes it."""
    write(path, json.dumps(value, indent=2) + "\n")


def tensors_file(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """A safetensors file, or what ``torch.save`` writes, by the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        whole = {name: value.detach().clone() for name, value in tensors.items()}
        save_file(whole, path, metadata={"format": "pt"})
    else:
        torch.save(dict(tensors), path)


def shards(
    folder: Path, tensors: Mapping[str, torch.Tensor], stem: str, suffix: str, count: int
) -> None:
    """``stem-0000K-of-0000N.suffix`` and its index, as ``save_pretrained`` writes them."""
    names = list(tensors)
    each = -(-len(names) // count)
    weight_map: dict[str, str] = {}
    for at in range(count):
        file = f"{stem}-{at + 1:05}-of-{count:05}{suffix}"
        mine = {name: tensors[name] for name in names[at * each : (at + 1) * each]}
        tensors_file(folder / file, mine)
        weight_map |= dict.fromkeys(mine, file)
    total = {
        "total_parameters": sum(value.numel() for value in tensors.values()),
        "total_size": sum(value.nbytes for value in tensors.values()),
    }
    write_json(folder / f"{stem}{suffix}.index.json", {"metadata": total, "weight_map": weight_map})


@contextmanager
def foreign(module: str, name: str) -> Iterator[type[Any]]:
    """A class that pickles under another package's name, whether that is installed or not."""
    made = type(name, (), {"__module__": module})
    stubs = {}
    for end in range(1, module.count(".") + 2):
        part = ".".join(module.split(".")[:end])
        stubs[part] = ModuleType(part)
    setattr(stubs[module], name, made)
    with patch.dict(sys.modules, stubs):
        yield made


def instance(kind: type[Any], **state: object) -> Any:
    """An object of a foreign class with this state."""
    made = kind()
    made.__dict__.update(state)
    return made
