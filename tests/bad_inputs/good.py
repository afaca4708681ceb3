"""Sound files, as bytes, from which the bad ones are made."""

from __future__ import annotations

import functools
import io
import re
import struct
import tempfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from tests.builders import TarPid, torch_tar

__all__ = ["header_of", "legacy_bytes", "safetensors_bytes", "state", "tar_bytes", "zip_bytes"]


def state() -> dict[str, Any]:
    """What a small script saves: three weights and an epoch."""
    return {
        "epoch": 88,
        "model_state_dict": {
            "a.weight": torch.arange(24.0).reshape(4, 6) / 8 + 0.5,
            "a.bias": torch.arange(4.0) + 0.25,
            "b.weight": torch.arange(12.0).reshape(3, 4) / 4 - 1.125,
        },
        "best_iou": 0.6413,
    }


@functools.cache
def zip_bytes() -> bytes:
    """As torch has saved it since 1.6, in a folder ``archive``."""
    out = io.BytesIO()
    torch.save(state(), out)
    return out.getvalue()


@functools.cache
def legacy_bytes() -> bytes:
    """As torch saved it before 1.6, the storages in the order of the weights.

    torch orders them by where they lay in memory, as text: it is tried until that is so.
    """
    states = []  # kept, so that the next one lies elsewhere
    for _ in range(1000):
        states.append(state())
        out = io.BytesIO()
        torch.save(states[-1], out, _use_new_zipfile_serialization=False)
        keys = list(dict.fromkeys(re.findall(rb"X...\0(\d{9,})q", out.getvalue(), re.DOTALL)))
        assert len(keys) == 3
        if keys == sorted(keys):
            break
    return out.getvalue()


@functools.cache
def safetensors_bytes() -> bytes:
    """The weights alone."""
    return safetensors.torch.save(state()["model_state_dict"])


@functools.cache
def tar_bytes() -> bytes:
    """As torch saved it before 0.1.10."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "old.pth")
        values = torch.arange(6.0) + 0.5
        torch_tar(
            path,
            storages=[(1, torch.FloatStorage, values)],
            tensors=[(2, 1, torch.FloatTensor, (2, 3), (3, 1), 0)],
            obj={"epoch": 3, "w": TarPid(2)},
        )
        return path.read_bytes()


def header_of(data: bytes) -> tuple[bytes, bytes]:
    """Header and payload of a safetensors file."""
    nbytes = struct.unpack("<Q", data[:8])[0]
    return data[8 : 8 + nbytes], data[8 + nbytes :]
