"""The weights of a checkpoint as safetensors.

Source: the format's README: an 8-byte length, a JSON header, and the tensors one behind the other.
"""

from __future__ import annotations

import json
import os
import struct
from typing import IO

from ckptdoctor.checkpoint import Checkpoint, Role, TensorRecord
from ckptdoctor.dtypes import SAFETENSORS
from ckptdoctor.errors import RestoreError, UnsupportedCheckpointError
from ckptdoctor.formats import read_checkpoint
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.saved_object import read_object
from ckptdoctor.recovery.draft import Action
from ckptdoctor.recovery.tree import find
from ckptdoctor.scanning.elements import elements

__all__ = ["WEIGHTS_ALONE", "write_weights"]

WEIGHTS_ALONE = Action(
    name="to-safetensors",
    message="the weights alone, as safetensors; plain values are in its metadata, as text",
    notice="optimizer, scheduler and scaler start afresh; tied weights are stored under each name",
)

_NAMES = {dtype.name: name for name, dtype in SAFETENSORS.items()}
_PIECE_NUMEL = 1 << 20
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
    names = _names(file, checkpoint)
    offset = 0
    header: dict[str, object] = {"__metadata__": _metadata(checkpoint)}
    for name, tensor in names.items():
        header[name] = {
            "dtype": _dtype(tensor),
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.nbytes],
        }
        offset += tensor.nbytes
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % _ALIGNMENT)
    out.write(struct.pack("<Q", len(raw)) + raw)
    for tensor in names.values():
        for piece in elements(file.fd, tensor, checkpoint.byteorder, _PIECE_NUMEL):
            out.write(piece)
    out.flush()
    os.fsync(out.fileno())
    _compare(file, checkpoint, names, out.fileno(), 8 + len(raw))


def _names(file: OpenFile, checkpoint: Checkpoint) -> dict[str, TensorRecord]:
    """The tensors of the model by the names that ``load_state_dict`` knows them by."""
    weights = [tensor for tensor in checkpoint.tensors if tensor.role is Role.MODEL]
    if not weights:
        raise RestoreError(f"{checkpoint.path}: it holds no weights")
    root = _only_dict(file, [tensor.fqn for tensor in weights])
    return {tensor.fqn.removeprefix(root): tensor for tensor in weights}


def _only_dict(file: OpenFile, fqns: list[str]) -> str:
    """The name of the one dict that holds all the weights, with its dot; "" where they lie bare."""
    try:
        tree = read_object(file).root
    except UnsupportedCheckpointError:
        return ""
    found = [find(tree, fqn) for fqn in fqns]
    roots = {place.path[0] for place in found if place is not None and len(place.path) > 1}
    inside = all(place is not None and len(place.path) > 1 for place in found)
    return f"{roots.pop()}." if inside and len(roots) == 1 else ""


def _metadata(checkpoint: Checkpoint) -> dict[str, str]:
    """The plain values near the root, as text; safetensors holds nothing else."""
    plain = {
        name: str(value)
        for name, value in checkpoint.scalars.items()
        if "." not in name and value is not None
    }
    return {"format": "pt"} | plain


def _dtype(tensor: TensorRecord) -> str:
    name = _NAMES.get(tensor.dtype)
    if name is None:
        raise RestoreError(f"{tensor.fqn} is {tensor.dtype}, which safetensors does not know")
    return name


def _compare(
    file: OpenFile, checkpoint: Checkpoint, names: dict[str, TensorRecord], fd: int, offset: int
) -> None:
    for name, tensor in names.items():
        for piece in elements(file.fd, tensor, checkpoint.byteorder, _PIECE_NUMEL):
            if os.pread(fd, len(piece), offset) != piece:
                raise RestoreError(f"verification failed: the bytes of {name} differ")
            offset += len(piece)
    if os.fstat(fd).st_size != offset:
        raise RestoreError("verification failed: the file has another size")
