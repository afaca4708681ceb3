"""Where each tensor of a file lies: found by a reader of our own, so that its bytes can be damaged.

It shares nothing with the package: Python's zipfile and Unpickler, and stand-ins for every class.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_HEADER = 30
_SAFE = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}

_STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A tensor: its dotted name, and the bytes of its first element within the file."""

    name: str
    dtype: torch.dtype
    count: int
    at: int
    item: tuple[int, int] = (0, 0)
    """(offset, length) of the archive it lies in, where the file holds several end to end."""


def spots(path: Path) -> list[Spot]:
    """The tensors of a file that have elements; none where it holds no tensors."""
    content = path.read_bytes()
    if path.suffix == ".distcp":
        return list(_of_slices(path, content))
    if path.suffix == ".safetensors":
        return list(_of_safetensors(content))
    return list(_of_zip(content)) if content.startswith(b"PK") else []


def set_nan(path: Path, spot: Spot) -> None:
    """Put NaN into its first element, as a run that diverged would have saved it."""
    nan = torch.full((1,), math.nan, dtype=spot.dtype).view(torch.uint8).numpy().tobytes()
    content = bytearray(path.read_bytes())
    content[spot.at : spot.at + len(nan)] = nan
    if path.suffix == ".safetensors":
        path.write_bytes(content)
        return
    offset, length = spot.item if spot.item[1] else (0, len(content))
    item = _written_anew(bytes(content[offset : offset + length]))
    assert len(item) == length, (path, len(item), length)
    content[offset : offset + length] = item
    path.write_bytes(content)


def flip(path: Path, spot: Spot) -> None:
    """Flip the lowest bit of a middle element, and of nothing that guards it."""
    content = bytearray(path.read_bytes())
    content[spot.at + spot.count // 2 * spot.dtype.itemsize] ^= 1
    path.write_bytes(content)


def _of_safetensors(content: bytes) -> Iterator[Spot]:
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    for name, about in header.items():
        if name != "__metadata__" and (count := math.prod(about["shape"])):
            at = 8 + length + about["data_offsets"][0]
            yield Spot(name=name, dtype=_SAFE[about["dtype"]], count=count, at=at)


def _of_slices(path: Path, content: bytes) -> Iterator[Spot]:
    document = pickle.loads((path.parent / ".metadata").read_bytes())
    for key, place in document.storage_data.items():
        if place.relative_path == path.name:
            item = (place.offset, place.length)
            for spot in _of_zip(content[place.offset : place.offset + place.length]):
                yield Spot(
                    name=key.fqn,
                    dtype=spot.dtype,
                    count=spot.count,
                    at=place.offset + spot.at,
                    item=item,
                )


def _of_zip(content: bytes) -> Iterator[Spot]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {member.filename: member for member in archive.infolist()}
        pickled = next((name for name in members if name.endswith("/data.pkl")), None)
        if pickled is None:
            return  # an archive of something else
        prefix = pickled.removesuffix("data.pkl")
        root = Reader(io.BytesIO(archive.read(pickled))).load()
    seen = set()
    for name, tensor in _walk(root, ""):
        key, dtype = tensor.storage
        count = math.prod(tensor.shape)
        header = members[f"{prefix}data/{key}"].header_offset
        lengths = content[header + 26 : header + 28], content[header + 28 : header + 30]
        start = header + _HEADER + sum(int.from_bytes(raw, "little") for raw in lengths)
        at = start + tensor.offset * dtype.itemsize
        if count and at not in seen:
            seen.add(at)
            yield Spot(name=name, dtype=dtype, count=count, at=at)


def _written_anew(content: bytes) -> bytes:
    """The same records by torch's writer, which reckons every checksum and the id anew."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        records = [(name, _raw(content, archive.getinfo(name))) for name in archive.namelist()]
    prefix = records[0][0].partition("/")[0]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"{prefix}.pt"  # the archive takes the name of its file
        writer = torch._C.PyTorchFileWriter(str(place))
        for name, data in records:
            short = name.removeprefix(f"{prefix}/")
            if short not in ("version", ".data/serialization_id"):
                writer.write_record(short, data, len(data))
        writer.write_end_of_file()
        return place.read_bytes()


def _raw(content: bytes, member: zipfile.ZipInfo) -> bytes:
    at = member.header_offset
    lengths = content[at + 26 : at + 28], content[at + 28 : at + 30]
    start = at + _HEADER + sum(int.from_bytes(raw, "little") for raw in lengths)
    return content[start : start + member.compress_size]


def _walk(value: Any, path: str) -> Iterator[tuple[str, _Tensor]]:
    if isinstance(value, _Tensor):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for at, item in enumerate(value):
            yield from _walk(item, f"{path}.{at}" if path else str(at))
    elif isinstance(value, _Anything) and value.state is not None:
        yield from _walk(value.state, path)


@dataclass(slots=True)
class _Tensor:
    storage: tuple[str, torch.dtype]
    offset: int
    shape: tuple[int, ...]


class _Anything:
    """Stands in for every class and function but torch's own few."""

    state: Any = None

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __hash__(self) -> int:
        return id(self)


class _Dict(dict[Any, Any]):
    """An OrderedDict, which may have attributes: a module's state has ``_metadata``."""


class Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name == "_rebuild_tensor_v2":
            return lambda storage, offset, shape, *_: _Tensor(storage, offset, tuple(shape))
        if name == "_rebuild_parameter":
            return lambda tensor, *_: tensor
        if name == "OrderedDict":
            return _Dict
        if module == "torch" and name.endswith("Storage"):
            return _STORAGES[name]
        if module == "torch" and isinstance(getattr(torch, name), torch.dtype):
            return getattr(torch, name)
        return type(name, (_Anything,), {})

    def persistent_load(self, key: Any) -> tuple[str, torch.dtype]:
        _, dtype, name, *_ = key
        return name, dtype
