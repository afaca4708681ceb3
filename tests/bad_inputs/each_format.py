"""One small sound file of each format, to be damaged in every way that there is."""

from __future__ import annotations

import functools
import io
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from tests.bad_inputs.good import legacy_bytes, safetensors_bytes, state, zip_bytes
from tests.builders import TarPid, load, torch_tar

__all__ = ["EACH_FORMAT", "Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A sound file.

    Attributes:
        name: of the format, as the tables show it.
        build: its bytes.
        checked: whether it holds a checksum of every record.
        load: what whoever defines the format reads; None where that would run its pickle.
        described_nbytes: how far behind a storage it is told at the latest what its tensor is.
    """

    name: str
    build: Callable[[], bytes]
    checked: bool = False
    load: Callable[[Path], Any] | None = load
    described_nbytes: int = 0

    @property
    def data(self) -> bytes:
        """Its bytes."""
        return self.build()


@functools.cache
def _deflated() -> bytes:
    return _rezipped(zipfile.ZIP_DEFLATED)


@functools.cache
def _zip64() -> bytes:
    return _rezipped(zipfile.ZIP_STORED, force_zip64=True)


def _rezipped(method: int, *, force_zip64: bool = False) -> bytes:
    """The records of the sound zip, written by Python's ``zipfile``."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(zip_bytes())) as old, zipfile.ZipFile(out, "w", method) as new:
        for info in old.infolist():
            with new.open(info.filename, "w", force_zip64=force_zip64) as record:
                record.write(old.read(info))
    return out.getvalue()


@functools.cache
def _without_crc() -> bytes:
    out = io.BytesIO()
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(state(), out)
    finally:
        torch.serialization.set_crc32_options(before)
    return out.getvalue()


@functools.cache
def _tar() -> bytes:
    """In the order in which torch 0.1.9 wrote it: the storages last."""
    weights = state()["model_state_dict"]
    with tempfile.TemporaryDirectory() as folder:
        path = torch_tar(
            Path(folder, "old.pth"),
            storages=[
                (10 + at, torch.FloatStorage, tensor) for at, tensor in enumerate(weights.values())
            ],
            tensors=[
                (20 + at, 10 + at, torch.FloatTensor, tuple(tensor.shape), tensor.stride(), 0)
                for at, tensor in enumerate(weights.values())
            ],
            obj={
                "epoch": 88,
                "model_state_dict": {name: TarPid(str(20 + at)) for at, name in enumerate(weights)},
                "best_iou": 0.6413,
            },
            order=("sys_info", "pickle", "tensors", "storages"),
        )
        return path.read_bytes()


@functools.cache
def _pickled() -> bytes:
    return pickle.dumps(state(), protocol=4)


EACH_FORMAT = (
    Sample("zip", zip_bytes, checked=True),
    Sample("zip, deflated", _deflated, checked=True),
    Sample("zip64", _zip64, checked=True),
    Sample("zip without CRCs", _without_crc),
    Sample("legacy", legacy_bytes),
    Sample("pickle", _pickled, load=None, described_nbytes=56),  # shape, stride, and the call
    Sample("tar", _tar, load=None),
    Sample("safetensors", safetensors_bytes, load=safetensors.torch.load_file),
)
