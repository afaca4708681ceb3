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
    rows = 1
    for _, count in outer:
        rows *= count
    block = max(1, CHUNK_NBYTES // (step * itemsize))
    if rows * -(-size // block) > _MAX_ROWS or tensor.storage is None:
        return None
    base = tensor.storage.offset + tensor.storage_offset * itemsize
    total = EMPTY
    for start in _row_starts(outer):
        for first in range(0, size, block):
            count = min(block, size - first)
            element = start + first * step
            _gather(fd, base + element * itemsize, count, (step, itemsize), buffer)
            found = measure(buffer[: count * itemsize])
            if found.first_bad is not None:
                found = Measurement(
                    found.nan,
                    found.posinf,
                    found.neginf,
                    found.min,
                    found.max,
                    element + found.first_bad * step,
                )
            total = merge(total, found, 0)
    return total


def _row_starts(outer: list[tuple[int, int]]) -> Iterator[int]:
    ranges = (range(0, step * size, step) for step, size in outer)
    for place in itertools.product(*ranges):
        yield sum(place)


def _gather(fd: int, offset: int, count: int, shape: tuple[int, int], buffer: memoryview) -> None:
    """Put ``count`` elements, ``step`` apart in the file, side by side into the buffer."""
    step, itemsize = shape
    if count == 1 or step == 1:
        os.preadv(fd, [buffer[: count * itemsize]], offset)
        return
    raw = os.pread(fd, ((count - 1) * step + 1) * itemsize, offset)
    for byte in range(itemsize):  # a strided slice of bytes is copied in C
        buffer[byte : count * itemsize : itemsize] = raw[byte :: step * itemsize]
