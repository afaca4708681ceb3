"""How long a run of elements is, and how far two of them lie apart: sums of squares, by torch.

Two ways to ask, as for the scan: torch's library through its stable C interface, which takes no
import, and torch itself, which is the reference. Sums are taken in float32 a chunk at a time, as
torch's own ``dot`` does, and in float64 where that is not enough; the chunks are added up in
float64. Known sums decide at the start which one is taken.
"""

from __future__ import annotations

import ctypes
import math
import struct
import warnings
from typing import Any, NamedTuple, Protocol

from ckptdoctor.dtypes import BY_NAME, DType
from ckptdoctor.scanning.backends import load_kernels
from ckptdoctor.scanning.kernels import BackendUnavailableError
from ckptdoctor.scanning.libtorch import LibTorch, LibTorchWorker

__all__ = ["CHUNK_NUMEL", "MEASURED", "Norms", "load_norms"]

MEASURED = frozenset({"float64", "float32", "float16", "bfloat16"})
"""The types that have a norm here. An element of eight bits is half of a number: its scale lies
beside it."""
CHUNK_NUMEL = 1 << 18
"""Elements of a chunk; two of float32 fit the second cache."""
_SUM = 2  # at::Reduction::Sum
_STEPS = 12  # of the power iteration


class Norms(Protocol):
    """What one thread asks; never shared between threads."""

    def square(self, raw: bytes, dtype: DType) -> float:
        """The sum of the squares of the elements; not finite where one of them is not.

        Args:
            raw: elements, little-endian; at least one.
            dtype: one of :data:`MEASURED`.
        """

    def square_moved(self, before: bytes, after: bytes, dtype: DType) -> float:
        """The sum of the squares of the differences of as many elements."""

    def spectral(self, raw: bytes, dtype: DType, rows: int) -> float:
        """About the largest singular value of a matrix, from below, by a few power iterations."""


def load_norms() -> Norms:
    """The way to ask that works here, for the calling thread."""
    kernels = load_kernels()
    if isinstance(kernels, LibTorch):
        try:
            norms = _LibTorchNorms(kernels)
            if _gives_known_answers(norms):
                return norms
        except (BackendUnavailableError, AttributeError):
            pass
    return _EagerNorms()


def _gives_known_answers(norms: Norms) -> bool:
    """Whether it reckons right on every type."""
    for name in MEASURED:
        dtype = BY_NAME[name]
        one, other = _encoded((3.0, -4.0, 0.0, 0.5), name), _encoded((1.0, -4.0, 2.0, 0.5), name)
        if norms.square(one, dtype) != 25.25 or norms.square_moved(one, other, dtype) != 8.0:
            return False
    matrix = _encoded((3.0, 0.0, 0.0, 4.0, 0.0, 0.0), "float32")
    return math.isclose(norms.spectral(matrix, BY_NAME["float32"], 3), 4.0, rel_tol=0.02)


def _encoded(values: tuple[float, ...], name: str) -> bytes:
    if name == "bfloat16":
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    code = {"float64": "d", "float32": "f", "float16": "e"}[name]
    return struct.pack(f"<{len(values)}{code}", *values)


class _Matrix(NamedTuple):
    """Where a matrix lies, its sizes, the steps from index to index, and torch's name of a type."""

    address: int
    sizes: tuple[int, int]
    steps: tuple[int, int]
    name: str


class _LibTorchNorms:
    """Asks the library. ``mul`` with an element of a wider type is how a tensor is widened."""

    def __init__(self, library: LibTorch) -> None:
        self._worker: LibTorchWorker = library.worker()
        self._one = (ctypes.c_float * 1)(1.0)
        self._wide_one = (ctypes.c_double * 1)(1.0)

    def square(self, raw: bytes, dtype: DType) -> float:
        """See :class:`Norms`."""
        numel = len(raw) // dtype.itemsize
        found = self._dot(raw, numel, dtype.name, wide=False)
        return found if math.isfinite(found) else self._dot(raw, numel, dtype.name, wide=True)

    def square_moved(self, before: bytes, after: bytes, dtype: DType) -> float:
        """See :class:`Norms`."""
        numel = len(before) // dtype.itemsize
        found = self._apart(before, after, numel, dtype.name, wide=False)
        if math.isfinite(found):
            return found
        return self._apart(before, after, numel, dtype.name, wide=True)

    def spectral(self, raw: bytes, dtype: DType, rows: int) -> float:
        """See :class:`Norms`."""
        columns = len(raw) // dtype.itemsize // rows
        worker, name = self._worker, "float64" if dtype.name == "float64" else "float32"
        widened = self._widened(raw, rows * columns, dtype.name, wide=False)
        matrix, kind = (
            worker.address_of(widened),
            ctypes.c_double if dtype.itemsize == 8 else ctypes.c_float,
        )
        right = (kind * columns)(*_start(columns))
        left = (kind * rows)()
        size = 0.0
        for _ in range(_STEPS):
            self._multiply(_Matrix(matrix, (rows, columns), (columns, 1), name), right, left)
            if not 0.0 < _normalise(left) < math.inf:
                break
            self._multiply(_Matrix(matrix, (columns, rows), (1, columns), name), left, right)
            size = _normalise(right)
            if not 0.0 < size < math.inf:
                break
        worker.delete(widened)
        return size

    def _multiply(self, matrix: _Matrix, vector: Any, out: Any) -> None:
        """The product of a matrix and a vector, into another."""
        worker = self._worker
        left = worker.strided(*matrix)
        right = worker.tensor(ctypes.addressof(vector), matrix.sizes[1], matrix.name, passing=True)
        found = worker.call(b"aten::mv", left, right, overload=b"")
        ctypes.memmove(out, worker.address_of(found), ctypes.sizeof(out))
        worker.delete(found)

    def _dot(self, raw: bytes, numel: int, name: str, *, wide: bool) -> float:
        left = self._widened(raw, numel, name, wide=wide)
        right = self._worker.duplicate(left)
        found = self._worker.call(b"aten::dot", left, right, overload=b"")
        return self._number(found, name, wide=wide)

    def _apart(self, before: bytes, after: bytes, numel: int, name: str, *, wide: bool) -> float:
        left = self._widened(before, numel, name, wide=wide)
        right = self._widened(after, numel, name, wide=wide)
        found = self._worker.call(b"aten::mse_loss", left, right, _SUM, overload=b"")
        return self._number(found, name, wide=wide)

    def _widened(self, raw: bytes, numel: int, name: str, *, wide: bool) -> int:
        """The elements as float32, or as float64."""
        worker = self._worker
        address = ctypes.cast(ctypes.c_char_p(raw), ctypes.c_void_p).value or 0
        given = worker.tensor(address, numel, name, passing=True)
        if name == "float64" or (name == "float32" and not wide):
            return given
        one = self._wide_one if wide else self._one
        other = worker.tensor(ctypes.addressof(one), 1, "float64" if wide else "float32")
        return worker.call(b"aten::mul", given, other)

    def _number(self, handle: int, name: str, *, wide: bool) -> float:
        kind = ctypes.c_double if wide or name == "float64" else ctypes.c_float
        value = kind.from_address(self._worker.address_of(handle)).value
        self._worker.delete(handle)
        return float(value)


def _start(count: int) -> list[float]:
    """A vector that is hardly at a right angle to the one that is sought, the same every time."""
    return [1.0 + math.sin(7.0 * at) for at in range(count)]


def _normalise(vector: Any) -> float:
    """Bring a vector to the length of 1; its length before."""
    size = math.hypot(*vector)
    if 0.0 < size < math.inf:
        vector[:] = [value / size for value in vector]
    return size


class _EagerNorms:
    """torch itself, the reference: everything as float64."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a missing numpy, which we do not use
            import torch
        self._torch = torch

    def square(self, raw: bytes, dtype: DType) -> float:
        """See :class:`Norms`."""
        values = self._doubles(raw, dtype)
        return float(values.dot(values))

    def square_moved(self, before: bytes, after: bytes, dtype: DType) -> float:
        """See :class:`Norms`."""
        moved = self._doubles(after, dtype) - self._doubles(before, dtype)
        return float(moved.dot(moved))

    def spectral(self, raw: bytes, dtype: DType, rows: int) -> float:
        """See :class:`Norms`."""
        matrix = self._doubles(raw, dtype).view(rows, -1)
        right = matrix.new_tensor(_start(matrix.shape[1]))
        size = 0.0
        for _ in range(_STEPS):
            left = matrix @ right
            right = matrix.T @ (left / left.norm())
            size = float(right.norm())
            if not 0.0 < size < math.inf:
                break
            right = right / size
        return 0.0 if math.isnan(size) else size

    def _doubles(self, raw: bytes, dtype: DType) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "the given buffer is not writable"
            given = self._torch.frombuffer(raw, dtype=getattr(self._torch, dtype.name))
        return given.to(self._torch.float64)
