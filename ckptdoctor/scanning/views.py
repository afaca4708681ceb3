"""Views that leave gaps: a slice of columns, every second element. Their elements alone count."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ckptdoctor.checkpoint import TensorRecord
from ckptdoctor.scanning.kernels import EMPTY, Measurement, merge
from ckptdoctor.scanning.plan import CHUNK_NBYTES
from ckptdoctor.scanning.reading import read_into

__all__ = ["measure_view"]

_MAX_READS = 200_000


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

    Raises:
        FileShrankError: the file ends first.
        OSError: it cannot be read.
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
    grids = _grids(dims, itemsize)
    if grids is None or tensor.storage is None:
        return None
    base = tensor.storage.offset + tensor.storage_offset * itemsize
    total = EMPTY
    for grid in grids:
        grid.gather(fd, base, itemsize, buffer)
        found = measure(buffer[: grid.rows * grid.size * itemsize])
        if found.first_bad is not None:
            found = found._replace(first_bad=grid.element(found.first_bad))
        total = merge(total, found, 0)
    return total


@dataclass(frozen=True, slots=True)
class _Grid:
    """Elements that one read brings in: ``rows`` of ``size``, their steps counted in elements."""

    start: int
    rows: int
    row_step: int
    size: int
    step: int

    def element(self, place: int) -> int:
        """Where an element of the gathered ones lies in memory."""
        row, column = divmod(place, self.size)
        return self.start + row * self.row_step + column * self.step

    def gather(self, fd: int, base: int, itemsize: int, buffer: memoryview) -> None:
        """Put the elements side by side into the buffer."""
        offset = base + self.start * itemsize
        width = self.size * itemsize
        if self.rows == 1 and (self.step == 1 or self.size == 1):
            read_into(buffer[:width], fd, offset)
            return
        raw = bytearray((self.element(self.rows * self.size - 1) - self.start + 1) * itemsize)
        read_into(memoryview(raw), fd, offset)
        # A strided slice of bytes is copied in C: the fewer and the longer, the better.
        if self.rows == 1:
            for byte in range(itemsize):
                buffer[byte:width:itemsize] = raw[byte :: self.step * itemsize]
            return
        for column, byte in itertools.product(range(self.size), range(itemsize)):
            first = column * self.step * itemsize + byte
            to = slice(column * itemsize + byte, self.rows * width, width)
            buffer[to] = raw[first :: self.row_step * itemsize]


def _grids(dims: list[tuple[int, int]], itemsize: int) -> Iterator[_Grid] | None:
    """The reads, in the order of memory; None for too many.

    Args:
        dims: step and size of each dimension, the longest step first.
        itemsize: bytes an element.
    """
    *outer, (step, size) = dims
    row_step, bundle = _bundle(dims, itemsize)
    block = max(1, CHUNK_NBYTES // (step * itemsize))
    starts = [range(0, step * size, step) for step, size in outer]
    reads = -(-size // block)
    for start in starts:
        reads *= len(start)
    if reads // bundle > _MAX_READS:
        return None
    if bundle > 1:
        *starts, last = starts
        return (
            _Grid(sum(place) + rows[0], len(rows), row_step, size, step)
            for place in itertools.product(*starts)
            for rows in (last[at : at + bundle] for at in range(0, len(last), bundle))
        )
    return (
        _Grid(sum(place) + first * step, 1, row_step, min(block, size - first), step)
        for place in itertools.product(*starts)
        for first in range(0, size, block)
    )


def _bundle(dims: list[tuple[int, int]], itemsize: int) -> tuple[int, int]:
    """The step between rows, and how many of them one read takes: many where they are short."""
    if len(dims) == 1:
        return 0, 1
    (row_step, rows), (step, size) = dims[-2:]
    fit = min(rows, CHUNK_NBYTES // (row_step * itemsize))
    overlap = (size - 1) * step >= row_step
    return row_step, 1 if overlap or size * itemsize > 4 * fit else max(1, fit)
