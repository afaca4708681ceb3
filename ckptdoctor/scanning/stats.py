"""From the pieces of a storage to the statistics of the tensors that view it."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator

from ckptdoctor.checkpoint import TensorRecord, TensorStats
from ckptdoctor.scanning.kernels import EMPTY, Measurement, merge
from ckptdoctor.scanning.plan import Extent, Piece, StorageScan

__all__ = ["collect_stats", "index_of"]


def collect_stats(scan: StorageScan) -> Iterator[tuple[str, TensorStats]]:
    """For each tensor on the storage its fqn and its statistics.

    Args:
        scan: a storage whose pieces were all measured.
    """
    if len(scan.pieces) == len(scan.tensors) == 1 and not scan.views:
        yield scan.tensors[0].fqn, _stats(scan.tensors[0], scan.pieces)
        return
    starts = [piece.start for piece in scan.pieces]
    for tensor, extent in zip(scan.tensors, scan.extents, strict=True):
        shown = scan.views.get(tensor.fqn)
        pieces = _run(scan, starts, extent) if shown is None else [shown]
        yield tensor.fqn, _stats(tensor, pieces)


def _run(scan: StorageScan, starts: list[int], extent: Extent) -> list[Piece]:
    """The pieces from the first to the last byte of a run."""
    first = bisect.bisect_right(starts, extent.start) - 1
    last = bisect.bisect_left(starts, extent.start + extent.nbytes)
    return scan.pieces[first:last]


def _merged(pieces: list[Piece]) -> Measurement:
    if len(pieces) == 1:
        return pieces[0].measurement
    total, numel = EMPTY, 0
    for piece in pieces:
        total = merge(total, piece.measurement, numel)
        numel += piece.nbytes // piece.dtype.itemsize if piece.dtype is not None else 0
    return total


def _stats(tensor: TensorRecord, pieces: list[Piece]) -> TensorStats:
    repeats, found = _repeats(tensor), _merged(pieces)
    return TensorStats(
        fqn=tensor.fqn,
        numel=tensor.numel,
        nan=found.nan * repeats,
        posinf=found.posinf * repeats,
        neginf=found.neginf * repeats,
        min=found.min,
        max=found.max,
        first_bad_index=None if found.first_bad is None else index_of(tensor, found.first_bad),
        saturated=sum(piece.saturated for piece in pieces) * repeats,
        sample=b"".join(piece.sample for piece in pieces),
    )


def _repeats(tensor: TensorRecord) -> int:
    """How often an expanded tensor shows each element of its storage."""
    if 0 not in tensor.stride:
        return 1
    dims = zip(tensor.shape, tensor.stride, strict=True)
    return math.prod(size for size, step in dims if step == 0)


def index_of(tensor: TensorRecord, element: int) -> tuple[int, ...]:
    """The index of the element that lies ``element`` places behind the first, in memory."""
    index = [0] * len(tensor.shape)
    order = sorted(range(len(index)), key=lambda dim: tensor.stride[dim], reverse=True)
    for dim in order:
        if tensor.stride[dim] and tensor.shape[dim] > 1:
            place = min(element // tensor.stride[dim], tensor.shape[dim] - 1)
            index[dim] = place
            element -= place * tensor.stride[dim]
    return tuple(index)
