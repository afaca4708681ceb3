"""Views that leave gaps: a slice of columns, every second element. Their elements alone count."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

from ckptdoctor.checkpoint import TensorRecord
from ckptdoctor.scan.kernels import EMPTY, Measurement, merge
from ckptdoctor.scan.plan import CHUNK_NBYTES

__all__ = ["measure_view"]

_MAX_ROWS = 200_000  # each costs a system call


def measure_view(
    tensor: TensorRecord, fd: int, buffer: memoryview, measure: Callable[[memoryview], Measurement]
) -> Measurement | None:
    """What the elements of a view are; ``first_bad`` counts in memory, gaps included.

    Args:
        tensor: a view with at least one element and a storage.
        fd: the file.
        buffer: room for one chunk.
        measure: measures elements that were put at the start of ``buffer``.

    Returns:
        None where gathering the elements would take too many reads; the whole run stands for them.
    """
    itemsize = tensor.dtype_info.itemsize
    dims = sorted(
        (
            (step, size)
            for size, step in zip(tensor.shape, tensor.stride, strict=True)
            if size > 1 and step > 0
        ),
        reverse=True,
    )
    *outer, (step, size) = dims
    rows = math.prod(count for _, count in outer)
    bundle = _bundle(outer, step, size, itemsize)
    block = max(1, CHUNK_NBYTES // (step * itemsize))
    if rows // bundle * -(-size // block) > _MAX_READS or tensor.storage is None:
        return None
    base = tensor.storage.offset + tensor.storage_offset * itemsize
    total = EMPTY
    for start, count in _row_starts(outer, bundle):
        for first in range(0, size, block):
            width = min(block, size - first)
            grid = _Grid(start + first * step, count, outer[-1][0] if outer else 0, width, step)
            grid.gather(fd, base, itemsize, buffer)
            found = measure(buffer[: count * width * itemsize])
            total = merge(total, grid.placed(found), 0)
    return total
