"""The weights of a checkpoint as safetensors.

Source: the format's README: an 8-byte length, a JSON header, and the tensors one behind the other.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping, Sequence
from functools import partial
from typing import IO

from ckptdoctor.checkpoint import Role, Scalar
from ckptdoctor.dtypes import SAFETENSORS
from ckptdoctor.errors import RestoreError
from ckptdoctor.formats import read_checkpoint
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.recovery.draft import Action
from ckptdoctor.recovery.weights.of_parts import PIECE_NUMEL, only_dict
from ckptdoctor.recovery.weights.weight import Weight
from ckptdoctor.scanning.elements import elements
from ckptdoctor.sources.descriptors import pread

__all__ = ["WEIGHTS_ALONE", "write_named", "write_weights"]

WEIGHTS_ALONE = Action(
    name="to-safetensors",
    message="the weights alone, as safetensors; plain values are in its metadata, as text",
    notice="optimizer, scheduler and scaler start afresh; tied weights are stored under each name",
)

_NAMES = {dtype.name: name for name, dtype in SAFETENSORS.items()}
_ALIGNMENT = 8


def write_weights(file: OpenFile, out: IO[bytes]) -> None:
    """Write the model's tensors to a new file, read it back and compare.

    Args:
        file: a sound checkpoint, open.
        out: the new file.

    Raises:
        RestoreError: a tensor has a type that safetensors does not know, or comparing failed.
    """
    checkpoint = read_checkpoint(file)
    weights = [tensor for tensor in checkpoint.tensors if tensor.role is Role.MODEL]
    if not weights:
        raise RestoreError(f"{checkpoint.path}: it holds no weights")
    root = only_dict(file, [tensor.fqn for tensor in weights])
    write_named(
        [
            Weight(
                name=tensor.fqn.removeprefix(root),
                dtype=tensor.dtype,
                shape=tensor.shape,
                pieces=partial(elements, file.fd, tensor, checkpoint.byteorder, PIECE_NUMEL),
            )
            for tensor in weights
        ],
        checkpoint.scalars,
        out,
    )


def write_named(weights: Sequence[Weight], scalars: Mapping[str, Scalar], out: IO[bytes]) -> None:
    """Write weights to a new file, one after the other, read it back and compare.

    Args:
        weights: each of its own name.
        scalars: of the checkpoint: the plain ones go into the metadata.
        out: the new file.

    Raises:
        RestoreError: a tensor has a type that safetensors does not know, or comparing failed.
    """
    offset = 0
    header: dict[str, object] = {"__metadata__": _metadata(scalars)}
    for weight in weights:
        header[weight.name] = {
            "dtype": _dtype(weight),
            "shape": list(weight.shape),
            "data_offsets": [offset, offset + weight.nbytes],
        }
        offset += weight.nbytes
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % _ALIGNMENT)
    out.write(struct.pack("<Q", len(raw)) + raw)
    for weight in weights:
        for piece in weight.pieces():
            out.write(piece)
    out.flush()
    os.fsync(out.fileno())
    _compare(weights, out.fileno(), 8 + len(raw))


def _metadata(scalars: Mapping[str, Scalar]) -> dict[str, str]:
    """The plain values near the root, as text; safetensors holds nothing else."""
    plain = {
        name: str(value) for name, value in scalars.items() if "." not in name and value is not None
    }
    return {"format": "pt"} | plain


def _dtype(weight: Weight) -> str:
    name = _NAMES.get(weight.dtype)
    if name is None:
        raise RestoreError(f"{weight.name} is {weight.dtype}, which safetensors does not know")
    return name


def _compare(weights: Sequence[Weight], fd: int, offset: int) -> None:
    for weight in weights:
        end = offset + weight.nbytes
        for piece in weight.pieces():
            if pread(fd, len(piece), offset) != piece:
                raise RestoreError(f"verification failed: the bytes of {weight.name} differ")
            offset += len(piece)
        if offset != end:
            raise RestoreError(f"verification failed: {weight.name} is not as large as its shape")
    if os.fstat(fd).st_size != offset:
        raise RestoreError("verification failed: the file has another size")
