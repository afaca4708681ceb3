"""The extremes of many short runs of elements by a few calls of torch's library.

A call takes ten microseconds, whatever it is asked. So short tensors are put side by side as the
rows of a matrix, and torch is asked for the extremes of each row. It goes through a row element by
element; through a whole matrix much faster. So a matrix of long rows is folded first: its right
half onto its left one, as long as that is worth a call.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any, Protocol

from ckptdoctor.dtypes import DType, Kind
from ckptdoctor.scanning.kernels import BackendUnavailableError, Extremes
from ckptdoctor.scanning.libtorch_bits import C_INTEGERS, INTEGERS, Handle

__all__ = ["MOST_ROWS", "RowCaller", "Rows"]

MOST_ROWS = 4096
_LARGEST, _SMALLEST = b"max", b"min"
_FOLDED_NUMEL = 1 << 13
_NARROW = 16


class RowCaller(Protocol):
    """Who calls torch."""

    def matrix(self, address: int, sizes: tuple[int, ...], step: int, name: str) -> Handle:
        """A tensor over memory that stays the caller's, with so many elements from row to row."""

    def flip_sign(self, address: int, numel: int, itemsize: int) -> None:
        """Flip the top bit of every element in place."""

    def dispatch(self, operator: bytes, overload: bytes, stack: Any) -> int:
        """Call an operator on a stack; 0 where it worked."""

    def delete(self, handle: Handle) -> None:
        """Let go of a tensor."""


class Rows:
    """Rows of elements of one type.

    Args:
        caller: calls torch.
        dtype: of the elements: a real float, a signed integer, or one of a byte.
    """

    def __init__(self, caller: RowCaller, dtype: DType) -> None:
        self._caller = caller
        self._dtype = dtype
        self._plain = dtype.name in ("float32", "float64")
        unsigned = dtype.kind is Kind.UNSIGNED
        self._name = dtype.name if self._plain else INTEGERS[dtype.itemsize]
        kind: Any = C_INTEGERS[dtype.itemsize]
        if self._plain:
            kind = ctypes.c_float if dtype.itemsize == 4 else ctypes.c_double
        elif unsigned:
            self._name, kind = "uint8", ctypes.c_uint8
        self._found = (kind * MOST_ROWS)()
        self._places = (ctypes.c_int64 * MOST_ROWS)()
        self._stack = (ctypes.c_uint64 * 5)()
        self._scratch = mmap.mmap(-1, mmap.PAGESIZE)

    def extremes(self, address: int, count: int, width: int) -> Extremes:
        """The least and the largest of each row; the bytes are destroyed.

        Args:
            address: of the first row; the others follow.
            count: how many rows, no more than :data:`MOST_ROWS`.
            width: elements of each, at least one.

        Returns:
            NaN, or something beyond the finite, for a row that is not finite.
        """
        sizes = (count, width)
        lows, highs = self._ask(_SMALLEST, address, sizes), self._ask(_LARGEST, address, sizes)
        if self._plain or self._dtype.finite_bits is None:
            return lows, highs
        return self._decoded(address, sizes, lows, highs)

    def _decoded(
        self, address: int, sizes: tuple[int, int], lows: list[Any], highs: list[Any]
    ) -> Extremes:
        """From the extremes of bits to those of floats: magnitudes are ordered like their bits."""
        dtype = self._dtype
        top, decode = dtype.finite_bits or 0, dtype.decode
        sign, nan = 1 << (8 * dtype.itemsize - 1), float("nan")
        self._caller.flip_sign(address, sizes[0] * sizes[1], dtype.itemsize)
        flipped = self._ask(_LARGEST, address, sizes)
        for row, (low, high, most) in enumerate(zip(lows, highs, flipped, strict=True)):
            lost_zero = dtype.nan_is_negative_zero and low == -sign
            if high > top or (low < 0 and (most > top or lost_zero)):
                lows[row] = highs[row] = nan
                continue
            lows[row] = decode(low) if low >= 0 else -decode(most)
            highs[row] = decode(high) if high >= 0 else -decode(low + sign)
        return lows, highs

    def _ask(self, what: bytes, address: int, sizes: tuple[int, int]) -> list[Any]:
        """The least, or the largest, of each row; leaves the rows as they are."""
        count, width = sizes
        step = width
        if width > _NARROW and count * width >= _FOLDED_NUMEL:
            address, width, step = self._folded(what, address, sizes)
        caller, stack = self._caller, self._stack
        stack[0] = caller.matrix(address, (count, width), step, self._name)
        stack[1], stack[2] = 1, 0  # dim, keepdim
        stack[3] = caller.matrix(ctypes.addressof(self._found), (count,), 1, self._name)
        stack[4] = caller.matrix(ctypes.addressof(self._places), (count,), 1, "int64")
        self._call(b"aten::" + what, b"dim_" + what)
        caller.delete(stack[0])
        caller.delete(stack[1])
        found: list[Any] = self._found[:count]
        return found

    def _folded(self, what: bytes, address: int, sizes: tuple[int, int]) -> tuple[int, int, int]:
        """Rows of sixteen that have the same extremes: where they lie, their width, their step."""
        count, width = sizes
        caller, stack, nbytes = self._caller, self._stack, self._dtype.itemsize
        step, kept = width, max(1, width // 2)
        if len(self._scratch) < count * kept * nbytes:
            self._scratch = mmap.mmap(-1, count * kept * nbytes)
        scratch = ctypes.addressof(ctypes.c_char.from_buffer(self._scratch))
        while width > _NARROW:
            width //= 2
            stack[0] = caller.matrix(address, (count, width), step, self._name)
            right = address + width * nbytes
            stack[1] = caller.matrix(right, (count, width), step, self._name)
            stack[2] = caller.matrix(scratch, (count, width), kept, self._name)
            self._call(b"aten::" + what + b"imum", b"out")
            caller.delete(stack[0])
            address, step = scratch, kept
        return address, width, step

    def _call(self, operator: bytes, overload: bytes) -> None:
        if self._caller.dispatch(operator, overload, self._stack):
            raise BackendUnavailableError(f"libtorch refused {operator.decode()} of rows")
