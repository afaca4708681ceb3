"""Views that leave gaps: a slice of columns, every second element. Their elements alone count."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Self

from ckptdoctor.checkpoint import TensorRecord
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.scanning.kernels import EMPTY, Measurement, merge
from ckptdoctor.scanning.plan import CHUNK_NBYTES
from ckptdoctor.scanning.reading import read_into

__all__ = ["Budget", "measure_view"]

_MAX_READS = 100_000  # a second of them
_READ_NBYTES = 4096  # of a large file: a read for so many of its bytes
_READ_OVER = 8
_SPARE_NBYTES = 64 << 20


class Budget:
    """How many views of one file are gathered; for the others the whole run stands.

    A pickle can hold a million views of one storage, each of which skips other elements of it.

    Args:
        nbytes: size of the file.
    """

    def __init__(self, nbytes: int) -> None:
        self._reads = _MAX_READS + nbytes // _READ_NBYTES
        self._nbytes = _SPARE_NBYTES + _READ_OVER * nbytes

    def allows(self, tensor: TensorRecord) -> bool:
        """Whether there is enough left for this view; then it is taken off."""
        layout = _Layout.of(_dims(tensor), tensor.dtype_info.itemsize)
        nbytes = layout.reads * layout.span_nbytes
        if layout.reads > self._reads or nbytes > self._nbytes:
            return False
        self._reads -= layout.reads
        self._nbytes -= nbytes
        return True


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
    layout = _Layout.of(_dims(tensor), itemsize)
    if layout.reads > _MAX_READS or tensor.storage is None:
        return None
    base = tensor.storage.offset + tensor.storage_offset * itemsize
    total = EMPTY
    for grid in layout.grids():
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


def _dims(tensor: TensorRecord) -> list[tuple[int, int]]:
    """Step and size of each dimension that moves through memory, the longest step first."""
    dims = zip(tensor.stride, tensor.shape, strict=True)
    return sorted(((step, size) for step, size in dims if size > 1 and step > 0), reverse=True)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the elements of a view are gathered.

    Attributes:
        starts: where the rows of the last dimension begin, a range for each of the others.
        step: between the elements of a row.
        size: elements in a row.
        block: elements of a row that one read brings in.
        row_step: between the rows that one read brings in together.
        bundle: how many rows that are.
        itemsize: bytes an element.
    """

    starts: list[range]
    step: int
    size: int
    block: int
    row_step: int
    bundle: int
    itemsize: int

    @classmethod
    def of(cls, dims: list[tuple[int, int]], itemsize: int) -> Self:
        """The layout of a view of these dimensions."""
        *outer, (step, size) = dims
        row_step, bundle = _bundle(dims, itemsize)
        starts = [range(0, step * size, step) for step, size in outer]
        block = max(1, CHUNK_NBYTES // (step * itemsize))
        return cls(starts, step, size, block, row_step, bundle, itemsize)

    @property
    def reads(self) -> int:
        """How many reads it takes, about."""
        rows = math.prod(map(len, self.starts))
        return -(-rows * -(-self.size // self.block) // self.bundle)

    @property
    def span_nbytes(self) -> int:
        """Bytes that one read brings in, gaps included."""
        row = (min(self.block, self.size) - 1) * self.step + 1
        return ((self.bundle - 1) * self.row_step + row) * self.itemsize

    def grids(self) -> Iterator[_Grid]:
        """The reads, in the order of memory."""
        if self.bundle > 1:
            *starts, last = self.starts
            for place in itertools.product(*starts):
                for at in range(0, len(last), self.bundle):
                    rows = last[at : at + self.bundle]
                    start = sum(place) + rows[0]
                    yield _Grid(start, len(rows), self.row_step, self.size, self.step)
            return
        for place in itertools.product(*self.starts):
            for first in range(0, self.size, self.block):
                size = min(self.block, self.size - first)
                yield _Grid(sum(place) + first * self.step, 1, self.row_step, size, self.step)


def _bundle(dims: list[tuple[int, int]], itemsize: int) -> tuple[int, int]:
    """The step between rows, and how many of them one read takes: many where they are short."""
    if len(dims) == 1:
        return 0, 1
    (row_step, rows), (step, size) = dims[-2:]
    fit = min(rows, CHUNK_NBYTES // (row_step * itemsize))
    overlap = (size - 1) * step >= row_step
    return row_step, 1 if overlap or size * itemsize > 4 * fit else max(1, fit)
