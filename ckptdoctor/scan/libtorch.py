"""The fast backend: ``libtorch_cpu`` through torch's stable C interface, without importing torch.

Clean data needs one or two reductions a chunk, and no copy. float32 and float64 are reduced as
they are. The 16 and 8 bit types, for which torch's own reduction is two to four times slower or
missing, are reduced as integers: magnitudes of IEEE-like floats are ordered like their bits, so the
signed minimum and maximum before and after flipping the sign bit give the extremes of both signs,
and a magnitude above the largest finite one is NaN or Inf.

Only where a chunk is not clean are its elements counted.

Source: ``torch/csrc/inductor/aoti_torch/c/shim.h`` and ``torch/csrc/stable/c/shim.h``. A dispatcher
call consumes the tensor handles on its stack and leaves those of its results there.
"""

from __future__ import annotations

import ctypes
import importlib.util
import math
import sys
from pathlib import Path
from typing import Any

from ckptdoctor.dtypes import BY_NAME, DType, Kind
from ckptdoctor.scan.kernels import EMPTY, BackendUnavailableError, Measurement

__all__ = ["LibTorch", "load_libtorch"]

_LIBRARIES = {"darwin": "libtorch_cpu.dylib", "win32": "torch_cpu.dll"}
_SYMBOLS = (
    "aoti_torch_call_dispatcher",
    "aoti_torch_create_tensor_from_blob",
    "aoti_torch_delete_tensor_object",
    "aoti_torch_get_data_ptr",
    "aoti_torch_new_tensor_handle",
)
_INTEGERS = {1: "int8", 2: "int16", 4: "int32", 8: "int64"}
_C_INTEGERS: dict[int, Any] = {
    1: ctypes.c_int8,
    2: ctypes.c_int16,
    4: ctypes.c_int32,
    8: ctypes.c_int64,
}
_C_FLOATS: dict[str, Any] = {"float32": ctypes.c_float, "float64": ctypes.c_double}
_WARM_UP_NUMEL = 1 << 17  # more than torch computes without asking how many threads to use

_Handle = int


def load_libtorch() -> LibTorch:
    """The backend.

    Raises:
        BackendUnavailableError: torch, its library or a symbol of it is missing.
    """
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise BackendUnavailableError("torch is not installed")
    path = Path(spec.origin).parent / "lib" / _LIBRARIES.get(sys.platform, "libtorch_cpu.so")
    if not path.is_file():
        raise BackendUnavailableError(f"{path.name} is not where torch keeps it")
    try:
        return LibTorch(ctypes.CDLL(str(path)))
    except OSError as error:
        raise BackendUnavailableError(f"{path.name} cannot be loaded: {error}") from error
    except AttributeError as error:
        raise BackendUnavailableError(f"{path.name} has another interface: {error}") from error


class LibTorch:
    """The library with its functions bound."""

    name = "libtorch"
    max_workers = None

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        (self.dispatch, self.create, self.delete, self.data_ptr, self.duplicate) = (
            getattr(library, symbol) for symbol in _SYMBOLS
        )
        needed = ("float32", "float64", "uint8", *_INTEGERS.values())
        self.dtypes = {name: int(getattr(library, f"aoti_torch_dtype_{name}")()) for name in needed}

    def worker(self) -> LibTorchWorker:
        """A worker for the calling thread, which torch will not split over further threads."""
        worker = LibTorchWorker(self)
        self._claim_one_thread(worker)
        return worker

    def _claim_one_thread(self, worker: LibTorchWorker) -> None:
        """Make OpenMP use one thread in this thread only.

        torch sets its default at the first call that could be split; after that our setting
        stands. Each worker has its own core already.
        """
        buffer = memoryview(bytearray(4 * _WARM_UP_NUMEL))
        worker.measure(buffer, BY_NAME["float32"])
        set_num_threads = getattr(self.library, "omp_set_num_threads", None)
        if set_num_threads is not None:
            set_num_threads(1)


class LibTorchWorker:
    """Measures from one thread; keeps the small arrays that each call needs."""

    def __init__(self, torch: LibTorch) -> None:
        self._torch = torch
        self._one = (ctypes.c_int64 * 1)(1)
        self._size = (ctypes.c_int64 * 1)()
        self._stack = (ctypes.c_uint64 * 3)()
        self._handle = ctypes.c_void_p()
        self._pointer = ctypes.c_void_p()
        self._zero64 = ctypes.c_int64(0)
        self._cpu = ctypes.c_int32(0)

    # -- measuring -------------------------------------------------------------------------------

    def measure(self, buffer: memoryview, dtype: DType) -> Measurement:
        """See :class:`~ckptdoctor.scan.kernels.Worker`."""
        numel = len(buffer) // dtype.itemsize
        if not numel or dtype.kind is Kind.OPAQUE:
            return EMPTY
        address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
        if dtype.component is not None:
            return self._complex(address, numel, BY_NAME[dtype.component])
        return self._measure(address, numel, dtype)

    def _measure(self, address: int, numel: int, dtype: DType) -> Measurement:
        match dtype.kind:
            case Kind.SIGNED:
                low, high = self._integer_extremes(address, numel, dtype.itemsize)
                return Measurement(min=low, max=high)
            case Kind.UNSIGNED:
                low, high = self._unsigned_extremes(address, numel, dtype.itemsize)
                return Measurement(min=low, max=high)
            case Kind.EXPONENT:
                low, high = self._unsigned_extremes(address, numel, 1)
                if high == 0xFF:
                    return self._count(address, numel, dtype)
                return Measurement(min=dtype.decode(low), max=dtype.decode(high))
            case _:
                found = self._float_extremes(address, numel, dtype)
                return found if found is not None else self._count(address, numel, dtype)

    def _complex(self, address: int, numel: int, component: DType) -> Measurement:
        found = self._measure(address, 2 * numel, component)
        first = None if found.first_bad is None else found.first_bad // 2
        return Measurement(found.nan, found.posinf, found.neginf, found.min, found.max, first)

    def _float_extremes(self, address: int, numel: int, dtype: DType) -> Measurement | None:
        """The extremes if every element is finite; None, and the bytes as they were, if not."""
        if dtype.name in _C_FLOATS:
            low, high = self._reduce(address, numel, dtype.name, _C_FLOATS[dtype.name])
            finite = math.isfinite(low) and math.isfinite(high)
            return Measurement(min=low, max=high) if finite else None
        return self._small_float_extremes(address, numel, dtype)

    def _small_float_extremes(self, address: int, numel: int, dtype: DType) -> Measurement | None:
        size, top = dtype.itemsize, dtype.finite_bits or 0
        sign = 1 << (8 * size - 1)
        low, high = self._integer_extremes(address, numel, size)
        if dtype.nan_is_negative_zero and low == -sign:
            return None
        if high > top:
            return None
        if low >= 0:  # no element is negative
            return Measurement(min=dtype.decode(low), max=dtype.decode(high))
        self._flip_sign(address, numel, size)
        _, most_negative = self._integer_extremes(address, numel, size)
        if most_negative > top:
            self._flip_sign(address, numel, size)
            return None
        least = -dtype.decode(most_negative)
        most = dtype.decode(high) if high >= 0 else -dtype.decode(low + sign)
        return Measurement(min=least, max=most)

    # -- counting, where a chunk is not clean ----------------------------------------------------

    def _count(self, address: int, numel: int, dtype: DType) -> Measurement:
        """Exact counts, the first non-finite element, and the extremes of the finite ones."""
        bits = _Bits(self, address, numel, dtype)
        try:
            bad = bits.bad()
            total = bits.count(bad)
            first = bits.first(bad)
            posinf = neginf = 0
            if dtype.inf_bits is not None:
                sign = 1 << (8 * dtype.itemsize - 1)
                posinf = bits.count(bits.equal(dtype.inf_bits))
                neginf = bits.count(bits.equal(dtype.inf_bits | sign))
            low = high = None
            if total < numel:
                clean = bits.without(bad)
                extremes = self._measure(self.address_of(clean), numel, dtype)
                low, high = extremes.min, extremes.max
            return Measurement(total - posinf - neginf, posinf, neginf, low, high, first)
        finally:
            bits.close()

    # -- reductions ------------------------------------------------------------------------------

    def _integer_extremes(self, address: int, numel: int, itemsize: int) -> tuple[int, int]:
        return self._reduce(address, numel, _INTEGERS[itemsize], _C_INTEGERS[itemsize])

    def _unsigned_extremes(self, address: int, numel: int, itemsize: int) -> tuple[int, int]:
        """As above; torch has no order on wide unsigned types, so their top bit is flipped."""
        if itemsize == 1:
            return self._reduce(address, numel, "uint8", ctypes.c_uint8)
        self._flip_sign(address, numel, itemsize)
        low, high = self._integer_extremes(address, numel, itemsize)
        half = 1 << (8 * itemsize - 1)
        return low + half, high + half

    def _reduce(self, address: int, numel: int, name: str, element: Any) -> tuple[Any, Any]:
        """``aten::aminmax`` over the elements; NaN comes out as NaN."""
        stack = self._stack
        stack[0] = self.tensor(address, numel, name)
        stack[1] = stack[2] = 0  # dim=None, keepdim=False
        self._check(self._torch.dispatch(b"aten::aminmax", b"", stack), "aminmax")
        return self._item(stack[0], element), self._item(stack[1], element)

    def _flip_sign(self, address: int, numel: int, itemsize: int) -> None:
        """Flip the top bit of every element in place."""
        constant = _C_INTEGERS[itemsize](-1 << (8 * itemsize - 1))
        name = _INTEGERS[itemsize]
        flipped = self.call(
            b"aten::bitwise_xor_",
            self.tensor(address, numel, name),
            self.tensor(ctypes.addressof(constant), 1, name),
        )
        self.delete(flipped)

    # -- the C interface -------------------------------------------------------------------------

    def tensor(self, address: int, numel: int, name: str) -> _Handle:
        """A tensor over memory that stays ours."""
        self._size[0] = numel
        status = self._torch.create(
            ctypes.c_void_p(address),
            ctypes.c_int64(1),
            self._size,
            self._one,
            self._zero64,
            ctypes.c_int32(self._torch.dtypes[name]),
            self._cpu,
            self._cpu,
            ctypes.byref(self._handle),
        )
        self._check(status, "create_tensor_from_blob")
        return self._handle.value or 0

    def call(self, operator: bytes, *handles: _Handle, overload: bytes = b"Tensor") -> _Handle:
        """Call an operator of tensors alone; consumes the handles, returns that of the result."""
        stack = (ctypes.c_uint64 * max(3, len(handles)))(*handles)
        self._check(self._torch.dispatch(operator, overload, stack), operator.decode())
        return int(stack[0])

    def delete(self, handle: _Handle) -> None:
        """Let go of a tensor."""
        self._torch.delete(ctypes.c_void_p(handle))

    def duplicate(self, handle: _Handle) -> _Handle:
        """A second handle on the same tensor."""
        status = self._torch.duplicate(ctypes.c_void_p(handle), ctypes.byref(self._handle))
        self._check(status, "new_tensor_handle")
        return self._handle.value or 0

    def address_of(self, handle: _Handle) -> int:
        """Where the first element of a tensor lies."""
        self._check(
            self._torch.data_ptr(ctypes.c_void_p(handle), ctypes.byref(self._pointer)), "data_ptr"
        )
        return self._pointer.value or 0

    def _item(self, handle: _Handle, element: Any) -> Any:
        """The only element of a tensor, which is let go."""
        value = element.from_address(self.address_of(handle)).value
        self.delete(handle)
        return value

    def item(self, handle: _Handle) -> int:
        """The int64 in a tensor of one element, which is let go."""
        return int(self._item(handle, ctypes.c_int64))

    @staticmethod
    def _check(status: int, what: str) -> None:
        if status:
            raise BackendUnavailableError(f"libtorch refused {what}")


class _Bits:
    """The elements of one chunk as integers, and the tensors made of them."""

    def __init__(self, worker: LibTorchWorker, address: int, numel: int, dtype: DType) -> None:
        self._worker = worker
        self._address = address
        self._numel = numel
        self._dtype = dtype
        self._name = _INTEGERS[dtype.itemsize]
        self._owned: list[_Handle] = []
        self._constants: list[Any] = []

    def close(self) -> None:
        """Let go of every tensor made here."""
        for handle in self._owned:
            self._worker.delete(handle)

    def bad(self) -> _Handle:
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

    def equal(self, bits: int) -> _Handle:
        """True where an element has exactly these bits."""
        return self._call(b"aten::eq", self._elements(), self._constant(bits))

    def without(self, bad: _Handle) -> _Handle:
        """The elements, each bad one replaced by the first good one."""
        worker = self._worker
        good = self._call(b"aten::logical_not", self._again(bad), overload=b"")
        index = self.first(good)
        size = self._dtype.itemsize
        value = _C_INTEGERS[size].from_address(self._address + index * size).value
        return self._call(
            b"aten::where",
            self._again(bad),
            self._constant(value),
            worker.tensor(self._address, self._numel, self._name),
            overload=b"self",
        )

    def count(self, mask: _Handle) -> int:
        """How many are True."""
        return self._worker.item(
            self._worker.call(b"aten::count_nonzero", self._again(mask), 0, overload=b"")
        )

    def first(self, mask: _Handle) -> int:
        """The index of the first True; there must be one."""
        worker = self._worker
        as_bytes = worker.tensor(worker.address_of(mask), self._numel, "uint8")
        return worker.item(worker.call(b"aten::argmax", as_bytes, 0, 0, overload=b""))

    def _elements(self) -> _Handle:
        return self._worker.tensor(self._address, self._numel, self._name)

    def _constant(self, bits: int) -> _Handle:
        constant = _C_INTEGERS[self._dtype.itemsize](bits)  # wraps to the signed value
        self._constants.append(constant)
        return self._worker.tensor(ctypes.addressof(constant), 1, self._name)

    def _again(self, handle: _Handle) -> _Handle:
        return self._worker.duplicate(handle)

    def _call(self, operator: bytes, *handles: _Handle, overload: bytes = b"Tensor") -> _Handle:
        result = self._worker.call(operator, *handles, overload=overload)
        self._owned.append(result)
        return result
