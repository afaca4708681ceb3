"""Checkpoints with a record of a known size, for the bench of repairs."""

from __future__ import annotations

import hashlib
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from tests.builders import data_span, save

SMALLEST, LARGEST, SIZES = 0, 24, 49  # powers of two
KINDS = ("float32", "bfloat16", "float16", "moments", "integers")
PACKED = "code"


@dataclass(frozen=True, slots=True)
class Sample:
    """A checkpoint with one record of a size.

    Attributes:
        kind: of the elements.
        data: the file.
        start: of the record.
        nbytes: of it.
        sha256: of the file.
    """

    kind: str
    data: bytes
    start: int
    nbytes: int
    sha256: str


def sample(folder: Path, kind: str, nbytes: int) -> Sample:
    """A checkpoint with one large record; the elements as training leaves them."""
    size = {"float32": 4, "bfloat16": 2, "float16": 2, "moments": 4, "integers": 8}[kind]
    numel = max(1, nbytes // size)
    weights = torch.randn(numel) * 0.02
    made: dict[str, Callable[[], torch.Tensor]] = {
        "float32": lambda: weights,
        "bfloat16": weights.bfloat16,
        "float16": weights.half,
        "moments": lambda: weights.square() * 1e-4,
        "integers": lambda: torch.randint(0, 50_000, (numel,)),
    }
    weight = made[kind]()
    state = {"model_state_dict": {"weight": weight, "bias": torch.zeros(16)}, "epoch": 88}
    path = save(folder / "sample.pth", state)
    data = path.read_bytes()
    start, found = data_span(path, "sample/data/0")
    return Sample(kind, data, start, found, hashlib.sha256(data).hexdigest())


def samples(folder: Path) -> list[Sample]:
    """One of each size, the kinds in turn."""
    torch.manual_seed(0)
    sizes = [round(2 ** (LARGEST * step / (SIZES - 1))) for step in range(SIZES)]
    return [sample(folder, KINDS[at % len(KINDS)], size) for at, size in enumerate(sizes)]


class Scripted(torch.nn.Module):
    """Enough code for records of some kilobytes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 8, 3)
        self.norm = torch.nn.BatchNorm2d(8)
        self.rest = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A small net."""
        return self.rest(self.norm(self.first(x)).mean((2, 3)))  # type: ignore[no-any-return]


def packed_samples(folder: Path) -> list[Sample]:
    """A file of TorchScript, once for each of its compressed records."""
    path = folder / "script.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls it deprecated
        torch.jit.save(torch.jit.script(Scripted()), str(path))
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    with zipfile.ZipFile(path) as archive:
        infos = [i for i in archive.infolist() if i.compress_type == zipfile.ZIP_DEFLATED]
    starts = [
        one.header_offset + 30 + sum(struct.unpack_from("<HH", data, one.header_offset + 26))
        for one in infos
    ]
    return [
        Sample(PACKED, data, start, one.compress_size, sha256)
        for one, start in zip(infos, starts, strict=True)
    ]
