"""Sums of squares of a tensor, and of its way from one file to another, of evenly spaced chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ckptdoctor.checkpoint import TensorRecord
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.scanning.difference import Side
from ckptdoctor.scanning.elements import elements
from ckptdoctor.scanning.norms import CHUNK_NUMEL, MEASURED, Norms

__all__ = ["Squares", "is_measured", "is_there", "squares_of"]

_MOST_CHUNKS = 4
"""Of a long tensor; a million elements tell its norm to a part in a thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Squares:
    """Sums over the elements that were looked at.

    Attributes:
        numel: how many those are.
        own: the sum of their squares.
        moved: the sum of the squares of the differences to the same elements before; None where
            there is nothing before.
    """

    numel: int
    own: float
    moved: float | None


def is_measured(tensor: TensorRecord) -> bool:
    """Whether a tensor has a norm, and elements in its file."""
    return is_there(tensor) and 0 not in tensor.stride and tensor.dtype in MEASURED


def is_there(tensor: TensorRecord) -> bool:
    """Whether a tensor has elements in its file."""
    return tensor.storage is not None and not tensor.lost and 0 not in tensor.shape


def squares_of(
    norms: Norms, side: Side, tensor: TensorRecord, before: tuple[Side, TensorRecord] | None
) -> Squares:
    """The sums of a tensor.

    Args:
        norms: that of the thread.
        side: the file.
        tensor: one with a norm.
        before: the same tensor in an earlier file, where there is one, of the same shape.

    Raises:
        FileShrankError: a file ends before the tensor does.
        OSError: a file cannot be read.
    """
    dtype = tensor.dtype_info
    if before is not None and not _alike(side, tensor, before):
        before = None
    numel, own, moved = 0, 0.0, None if before is None else 0.0
    for view, other in _views(tensor, None if before is None else before[1]):
        pieces = elements(side.fd, view, side.byteorder, CHUNK_NUMEL, in_memory_order=True)
        for raw in pieces if other is None or before is None else ():
            numel += len(raw) // dtype.itemsize
            own += norms.square(raw, dtype)
        if other is None or before is None or moved is None:
            continue
        old = elements(before[0].fd, other, side.byteorder, CHUNK_NUMEL, in_memory_order=True)
        for raw, was in zip(pieces, old, strict=True):
            numel += len(raw) // dtype.itemsize
            own += norms.square(raw, dtype)
            moved += norms.square_moved(was, raw, dtype) if was != raw else 0.0
    return Squares(numel=numel, own=own, moved=moved)


def _alike(side: Side, tensor: TensorRecord, before: tuple[Side, TensorRecord]) -> bool:
    other = before[1]
    return (
        is_measured(other)
        and (tensor.dtype, tensor.shape, tensor.stride) == (other.dtype, other.shape, other.stride)
        and side.byteorder == before[0].byteorder
    )


def _views(
    tensor: TensorRecord, other: TensorRecord | None
) -> Iterator[tuple[TensorRecord, TensorRecord | None]]:
    """The tensor, or a few runs of it where it is long and lies in order."""
    storage, numel = tensor.storage, tensor.numel
    is_long = numel > _MOST_CHUNKS * CHUNK_NUMEL
    if not is_long or storage is None or not storage.is_plain or not _is_contiguous(tensor):
        yield tensor, other
        return
    for number in range(_MOST_CHUNKS):
        start = (numel - CHUNK_NUMEL) * number // (_MOST_CHUNKS - 1)
        yield _run(tensor, start), None if other is None else _run(other, start)


def _run(tensor: TensorRecord, start: int) -> TensorRecord:
    offset = tensor.storage_offset + start
    return replace(tensor, shape=(CHUNK_NUMEL,), stride=(1,), storage_offset=offset)


def _is_contiguous(tensor: TensorRecord) -> bool:
    expected = 1
    for size, step in zip(reversed(tensor.shape), reversed(tensor.stride), strict=True):
        if size > 1 and step != expected:
            return False
        expected *= size
    return True
