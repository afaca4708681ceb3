"""What torch says is in a checkpoint, named by a walk that knows nothing of our reader."""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ckptdoctor.checkpoint import Checkpoint, Scalar, TensorRecord
from ckptdoctor.dtypes import BY_NAME

Described = tuple[str, tuple[int, ...], bytes]
"""dtype, shape, and the bytes of the elements in C order."""


def named_tensors(obj: object, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Every strided tensor below ``obj``, with the keys that lead to it."""
    if isinstance(obj, torch.Tensor):
        yield from _parts(obj, prefix)
    elif isinstance(obj, np.ndarray) and obj.dtype.kind in "fiubc":
        yield prefix, torch.from_numpy(obj.copy())
    elif isinstance(obj, Mapping):
        for key, value in obj.items():
            yield from named_tensors(value, f"{prefix}.{key}")
    elif isinstance(obj, list | tuple):
        for index, value in enumerate(obj):
            yield from named_tensors(value, f"{prefix}.{index}")


def _parts(tensor: torch.Tensor, name: str) -> Iterator[tuple[str, torch.Tensor]]:
    if tensor.is_nested:
        yield f"{name}.buffer", tensor.values()
        yield f"{name}.sizes", tensor._nested_tensor_size()
        yield f"{name}.strides", tensor._nested_tensor_strides()
        yield f"{name}.storage_offsets", tensor._nested_tensor_storage_offsets()
    elif tensor.layout is torch.sparse_coo:
        yield f"{name}.indices", tensor._indices()
        yield f"{name}.values", tensor._values()
    elif tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        yield f"{name}.crow_indices", tensor.crow_indices()
        yield f"{name}.col_indices", tensor.col_indices()
        yield f"{name}.values", tensor.values()
    elif tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        yield f"{name}.ccol_indices", tensor.ccol_indices()
        yield f"{name}.row_indices", tensor.row_indices()
        yield f"{name}.values", tensor.values()
    else:
        yield name or ".tensor", tensor
        if tensor.is_quantized and tensor.qscheme() is not torch.per_tensor_affine:
            yield f"{name}.scales", tensor.q_per_channel_scales()
            yield f"{name}.zero_points", tensor.q_per_channel_zero_points()


def named_scalars(obj: object, prefix: str = "") -> Iterator[tuple[str, Scalar]]:
    """Every text, number, bool and None below ``obj``."""
    if isinstance(obj, Mapping):
        for key, value in obj.items():
            yield from named_scalars(value, f"{prefix}.{key}")
    elif isinstance(obj, list | tuple):
        for index, value in enumerate(obj):
            yield from named_scalars(value, f"{prefix}.{index}")
    elif obj is None or type(obj) in (str, int, float, bool):
        assert obj is None or isinstance(obj, str | int | float)
        yield prefix or ".value", obj


def described(obj: object) -> dict[str, Described]:
    """Name -> dtype, shape and bytes, as torch holds them."""
    return {
        name[1:]: (str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape), _bytes(tensor))
        for name, tensor in named_tensors(obj)
    }


def _bytes(tensor: torch.Tensor) -> bytes:
    if tensor.numel() == 0:
        return b""
    plain = tensor.detach()
    if plain.is_quantized:
        plain = plain.int_repr()
    plain = plain.contiguous()
    raw = torch.empty(0, dtype=torch.uint8).set_(
        plain.untyped_storage(),
        plain.storage_offset() * plain.itemsize,
        (plain.numel() * plain.itemsize,),
        (1,),
    )
    return raw.numpy().tobytes()


def read_elements(path: Path, record: TensorRecord) -> bytes:
    """The elements of one record, in C order, taken from where the record says they are."""
    storage = record.storage
    if storage is None or record.numel == 0:
        return b""
    if storage.inline is not None:
        data = storage.inline
    elif storage.text_nbytes is not None:
        text = path.read_bytes()[storage.offset : storage.offset + storage.text_nbytes]
        data = text.decode().encode("latin-1")[: storage.nbytes]
    else:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            stored = storage.nbytes if storage.deflated_nbytes is None else storage.deflated_nbytes
            data = whole[storage.offset : storage.offset + stored]
        if storage.deflated_nbytes is not None:
            data = zlib.decompress(data, -15)
    assert len(data) == storage.nbytes
    return elements_of(data, record)


def elements_of(data: bytes, record: TensorRecord) -> bytes:
    """The elements of one record, in C order, from the plain bytes of its storage."""
    itemsize = BY_NAME[record.dtype].itemsize
    elements: np.ndarray[Any, Any] = np.lib.stride_tricks.as_strided(
        np.frombuffer(data, np.uint8)[record.storage_offset * itemsize :],
        (*record.shape, itemsize),
        (*(step * itemsize for step in record.stride), 1),
    )
    return elements.tobytes()


def listed(checkpoint: Checkpoint) -> dict[str, Described]:
    """Name -> dtype, shape and bytes, as our reader finds them in the file."""
    assert not [tensor.fqn for tensor in checkpoint.tensors if tensor.lost]
    found = {
        tensor.fqn: (tensor.dtype, tensor.shape, read_elements(checkpoint.path, tensor))
        for tensor in checkpoint.tensors
    }
    assert len(found) == len(checkpoint.tensors)
    return found


def assert_same_tensors(checkpoint: Checkpoint, loaded: object) -> None:
    """Our list and torch's object hold the same tensors under the same names, in one order."""
    ours, theirs = listed(checkpoint), described(loaded)
    assert list(ours) == list(theirs)
    for name, expected in theirs.items():
        assert ours[name][:2] == expected[:2], name
        assert ours[name][2] == expected[2], f"{name}: other bytes"


def assert_same_scalars(checkpoint: Checkpoint, loaded: object) -> None:
    """Our scalars are torch's, one-element tensors left aside."""
    tensors = {tensor.fqn for tensor in checkpoint.tensors}
    ours = {name: value for name, value in checkpoint.scalars.items() if name not in tensors}
    theirs = {name[1:]: value for name, value in named_scalars(loaded)}
    assert {name: repr(value) for name, value in ours.items()} == {
        name: repr(value) for name, value in theirs.items()
    }
