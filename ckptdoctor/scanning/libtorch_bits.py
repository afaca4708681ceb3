"""Counting NaN and Inf in a chunk that is not clean, by torch's operators on the bits."""

from __future__ import annotations

import ctypes
from typing import Any, Protocol

from ckptdoctor.dtypes import DType, Kind

__all__ = ["C_INTEGERS", "INTEGERS", "Bits", "Caller", "Handle"]

INTEGERS = {1: "int8", 2: "int16", 4: "int32", 8: "int64"}
"""Bytes an element -> torch's signed integer of that size."""

C_INTEGERS: dict[int, Any] = {
    1: ctypes.c_int8,
    2: ctypes.c_int16,
    4: ctypes.c_int32,
    8: ctypes.c_int64,
}
"""Bytes an element -> C's signed integer of that size."""

Handle = int
"""An ``AtenTensorHandle``: owned by whoever holds it, consumed by a call it is passed to."""


class Caller(Protocol):
    """Who calls torch: tensors over memory, operators on them."""

    def tensor(self, address: int, numel: int, name: str) -> Handle:
        """A tensor over memory that stays the caller's."""

    def call(self, operator: bytes, *handles: Handle, overload: bytes = b"Tensor") -> Handle:
        """Call an operator; consumes the handles, returns that of the result."""

    def delete(self, handle: Handle) -> None:
        """Let go of a tensor."""

    def duplicate(self, handle: Handle) -> Handle:
        """A second handle on the same tensor."""

    def address_of(self, handle: Handle) -> int:
        """Where the first element of a tensor lies."""

    def item(self, handle: Handle) -> int:
        """The int64 in a tensor of one element, which is let go."""


class Bits:
    """The elements of one chunk as integers, and the tensors made of them."""

    def __init__(self, worker: Caller, address: int, numel: int, dtype: DType) -> None:
        self._worker = worker
        self._address = address
        self._numel = numel
        self._dtype = dtype
        self._name = INTEGERS[dtype.itemsize]
        self._owned: list[Handle] = []
        self._constants: list[Any] = []

    def close(self) -> None:
        """Let go of every tensor made here."""
        for handle in self._owned:
            self._worker.delete(handle)

    def bad(self) -> Handle:
        """True where an element is NaN or Inf."""
        dtype = self._dtype
        sign = 1 << (8 * dtype.itemsize - 1)
        if dtype.kind is Kind.EXPONENT:
            return self.equal(0xFF)
        if dtype.nan_is_negative_zero:
            return self.equal(sign)
        magnitude = self._call(b"aten::bitwise_and", self._elements(), self._constant(sign - 1))
        return self._call(
            b"aten::gt", self._again(magnitude), self._constant(dtype.finite_bits or 0)
        )

    def equal(self, bits: int) -> Handle:
        """True where an element has exactly these bits."""
        return self._call(b"aten::eq", self._elements(), self._constant(bits))

    def without(self, bad: Handle) -> Handle:
        """The elements, each bad one replaced by the first good one."""
        worker = self._worker
        good = self._call(b"aten::logical_not", self._again(bad), overload=b"")
        index = self.first(good)
        size = self._dtype.itemsize
        value = C_INTEGERS[size].from_address(self._address + index * size).value
        return self._call(
            b"aten::where",
            self._again(bad),
            self._constant(value),
            worker.tensor(self._address, self._numel, self._name),
            overload=b"self",
        )

    def count(self, mask: Handle) -> int:
        """How many are True."""
        return self._worker.item(
            self._worker.call(b"aten::count_nonzero", self._again(mask), 0, overload=b"")
        )

    def first(self, mask: Handle) -> int:
        """The index of the first True; there must be one."""
        worker = self._worker
        as_bytes = worker.tensor(worker.address_of(mask), self._numel, "uint8")
        return worker.item(worker.call(b"aten::argmax", as_bytes, 0, 0, overload=b""))

    def _elements(self) -> Handle:
        return self._worker.tensor(self._address, self._numel, self._name)

    def _constant(self, bits: int) -> Handle:
        constant = C_INTEGERS[self._dtype.itemsize](bits)  # wraps to the signed value
        self._constants.append(constant)
        return self._worker.tensor(ctypes.addressof(constant), 1, self._name)

    def _again(self, handle: Handle) -> Handle:
        return self._worker.duplicate(handle)

    def _call(self, operator: bytes, *handles: Handle, overload: bytes = b"Tensor") -> Handle:
        result = self._worker.call(operator, *handles, overload=overload)
        self._owned.append(result)
        return result
