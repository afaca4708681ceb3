"""Checkpoints with bits flipped, for the tests of what puts them right."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from tests.builders import data_span, save

__all__ = ["Whole", "flipped", "whole"]


class Whole:
    """A checkpoint as it was saved.

    Attributes:
        path: of the file.
        data: its bytes.
        sha256: of them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path.read_bytes()
        self.sha256 = hashlib.sha256(self.data).hexdigest()

    def span(self, name: str) -> tuple[int, int]:
        """Where a record lies: ``data/0``."""
        return data_span(self.path, f"{self.path.stem}/{name}")

    def element(self, record: str, number: int, itemsize: int = 4) -> int:
        """The first byte of an element."""
        return self.span(record)[0] + number * itemsize


def whole(folder: Path, state: dict[str, Any] | None = None, name: str = "model.pth") -> Whole:
    """A small one, or one of this state."""
    torch.manual_seed(0)
    default = {
        "model_state_dict": {"weight": torch.randn(50, 40) * 0.02, "steps": torch.tensor(7)},
        "epoch": 88,
    }
    return Whole(save(folder / name, state or default))


def flipped(one: Whole, bits: Iterable[tuple[int, int]], name: str = "damaged.pth") -> Path:
    """The same with some bits the other way round, under another name.

    Args:
        one: the checkpoint.
        bits: byte and bit of each.
        name: of the file.
    """
    data = bytearray(one.data)
    for at, bit in bits:
        data[at] ^= 1 << bit
    path = one.path.with_name(name)
    path.write_bytes(data)
    return path
