"""The fast backend: ``libtorch_cpu`` through torch's stable C interface, without importing torch.

Clean data needs one or two reductions a chunk, and no copy. float32 and float64 are reduced as
they are. The 16 and 8 bit types, for which torch's own reduction is half as fast or missing, are
reduced as integers: magnitudes of IEEE-like floats are ordered like their bits, so the
signed minimum and maximum before and after flipping the sign bit give the extremes of both signs,
and a magnitude above the largest finite one is NaN or Inf.

Only where a chunk is not clean are its elements counted.

Source: ``torch/csrc/inductor/aoti_torch/c/shim.h`` and ``torch/csrc/stable/c/shim.h``. A dispatcher
call consumes the tensor handles on its stack and leaves those of its results there.
"""

from __future__ import annotations

import ctypes
import math
import mmap
from typing import Any

from ckptdoctor.dtypes import BY_NAME, DType, Kind
from ckptdoctor.scanning.kernels import EMPTY, BackendUnavailableError, Extremes, Measurement
from ckptdoctor.scanning.libtorch_bits import C_INTEGERS, INTEGERS, Bits, Handle
from ckptdoctor.scanning.libtorch_rows import MOST_ROWS, Rows
from ckptdoctor.scanning.preload import library_path

__all__ = ["LibTorch", "load_libtorch"]

_SYMBOLS = (
    "aoti_torch_call_dispatcher",
    "aoti_torch_create_tensor_from_blob",
    "aoti_torch_delete_tensor_object",
    "aoti_torch_get_data_ptr",
    "aoti_torch_new_tensor_handle",
)
_SIGN_BITS = {size: kind(-1 << (8 * size - 1)) for size, kind in C_INTEGERS.items()}
_C_TYPES: dict[str, Any] = {
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
    "uint8": ctypes.c_uint8,
    **{name: C_INTEGERS[size] for size, name in INTEGERS.items()},
}
_WARM_UP_NUMEL = 1 << 15  # torch asks how many threads to use, and does not split so few

_LONG_NUMEL = 1 << 14  # a reduction over more than this is worth giving up the GIL for

_MAX_SEEN = 64  # tensors over the same memory that are kept


def load_libtorch() -> LibTorch:
    """The backend.

    Raises:
        BackendUnavailableError: torch, its library or a symbol of it is missing.
    """
    path = library_path()
    if path is None:
        raise BackendUnavailableError("torch is not installed")
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
        # Every call that gives up the GIL may have to wait to get it back. Only a reduction over
        # much data is worth that; the rest takes less than a microsecond.
        quick = ctypes.PyDLL(library._name, handle=library._handle)  # noqa: SLF001
        self.dispatch_long = getattr(library, _SYMBOLS[0])
        (self.dispatch, self.create, self.delete, self.data_ptr, self.duplicate) = (
            getattr(quick, symbol) for symbol in _SYMBOLS
        )
        self.delete.argtypes = (ctypes.c_void_p,)  # a plain int will do, also at exit
        self.dtypes = {
            name: int(getattr(library, f"aoti_torch_dtype_{name}")())
            for name in (*_C_TYPES, "float16", "bfloat16")
        }

    def worker(self) -> LibTorchWorker:
        """A worker for the calling thread, which torch will not split over further threads."""
        worker = LibTorchWorker(self)
        self._claim_one_thread(worker)
        return worker

    def _claim_one_thread(self, worker: LibTorchWorker) -> None:
        """Make OpenMP use one thread in this thread only.

        torch sets its default at the first call that asks for it; after that our setting stands.
        That call is not to start threads itself: they would wait for more work by spinning, also
        where MKL has a number of its own. Each worker has its own core already.
        """
        set_num_threads = getattr(self.library, "omp_set_num_threads", lambda _: None)
        set_num_threads(1)
        with mmap.mmap(-1, 4 * _WARM_UP_NUMEL) as scratch, memoryview(scratch) as view:
            worker.measure(view, BY_NAME["float32"])
        set_num_threads(1)


class LibTorchWorker:
    """Measures from one thread; keeps what each call would otherwise have to make anew."""

    def __init__(self, torch: LibTorch) -> None:
        self._torch = torch
        self._address = ctypes.c_void_p()
        self._handle = ctypes.c_void_p()
        self._handle_at = ctypes.byref(self._handle)
        self._pointer = ctypes.c_void_p()
        self._pair = (ctypes.c_uint64 * 2)()
        self._zero64 = ctypes.c_int64(0)
        self._cpu = ctypes.c_int32(0)
        self._reductions: dict[str, _Reduction] = {}
        self._seen: dict[tuple[int, int, str], ctypes.c_void_p] = {}
        self._rows: dict[str, Rows] = {}
        self._sizes, self._steps = (ctypes.c_int64 * 2)(), (ctypes.c_int64 * 2)()
        self.dispatch = torch.dispatch

    def __del__(self) -> None:
        for handle in self._seen.values():
            self._torch.delete(handle)

    # -- measuring -------------------------------------------------------------------------------

    def measure(self, buffer: memoryview, dtype: DType) -> Measurement:
        """See :class:`~ckptdoctor.scanning.kernels.Worker`."""
        numel = len(buffer) // dtype.itemsize
        if not numel or dtype.kind is Kind.OPAQUE:
            return EMPTY
        address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
        if dtype.component is not None:
            return self._complex(address, numel, BY_NAME[dtype.component])
        return self._measure(address, numel, dtype)

    def count_magnitude(self, buffer: memoryview, dtype: DType, magnitude: int) -> int:
        """See :class:`~ckptdoctor.scanning.kernels.Worker`."""
        address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
        bits = Bits(self, address, len(buffer) // dtype.itemsize, dtype)
        sign = 1 << (8 * dtype.itemsize - 1)
        try:
            return sum(bits.count(bits.equal(value)) for value in (magnitude, magnitude | sign))
        finally:
            bits.close()

    def rows(self, buffer: memoryview, dtype: DType, count: int, width: int) -> Extremes:
        """See :class:`~ckptdoctor.scanning.kernels.Worker`."""
        rows = self._rows.get(dtype.name)
        if rows is None:
            rows = self._rows[dtype.name] = Rows(self, dtype)
        address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
        lows: list[float] = []
        highs: list[float] = []
        for done in range(0, count, MOST_ROWS):
            at = address + done * width * dtype.itemsize
            low, high = rows.extremes(at, min(MOST_ROWS, count - done), width)
            lows += low
            highs += high
        return lows, highs

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
        if dtype.name in ("float32", "float64"):
            low, high = self._reduce(address, numel, dtype.name)
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
        flipped = self._flip_sign(address, numel, size)
        _, most_negative = self._reduce_tensor(flipped, numel, INTEGERS[size])
        if most_negative > top:
            self.delete(self._flip_sign(address, numel, size))
            return None
        least = -dtype.decode(most_negative)
        most = dtype.decode(high) if high >= 0 else -dtype.decode(low + sign)
        return Measurement(min=least, max=most)

    # -- counting, where a chunk is not clean ----------------------------------------------------

    def _count(self, address: int, numel: int, dtype: DType) -> Measurement:
        """Exact counts, the first non-finite element, and the extremes of the finite ones."""
        bits = Bits(self, address, numel, dtype)
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
        return self._reduce(address, numel, INTEGERS[itemsize])

    def _unsigned_extremes(self, address: int, numel: int, itemsize: int) -> tuple[int, int]:
        """As above; torch has no order on wide unsigned types, so their top bit is flipped."""
        if itemsize == 1:
            return self._reduce(address, numel, "uint8")
        flipped = self._flip_sign(address, numel, itemsize)
        low, high = self._reduce_tensor(flipped, numel, INTEGERS[itemsize])
        half = 1 << (8 * itemsize - 1)
        return low + half, high + half

    def _reduce(self, address: int, numel: int, name: str) -> tuple[Any, Any]:
        """The extremes of the elements; NaN comes out as NaN."""
        return self._reduce_tensor(self.tensor(address, numel, name), numel, name)

    def _reduce_tensor(self, elements: Handle, numel: int, name: str) -> tuple[Any, Any]:
        """The extremes of a tensor, which is let go."""
        reduction = self._reductions.get(name)
        if reduction is None:
            reduction = self._reductions[name] = _Reduction(self._torch, self, name)
        return reduction.run(elements, long=numel > _LONG_NUMEL)

    def _flip_sign(self, address: int, numel: int, itemsize: int) -> Handle:
        """Flip the top bit of every element in place; the elements, for whoever goes on."""
        name = INTEGERS[itemsize]
        sign = ctypes.addressof(_SIGN_BITS[itemsize])
        stack = self._pair
        stack[0] = self.tensor(address, numel, name)
        stack[1] = self.tensor(sign, 1, name, keep=True)
        dispatch = self._torch.dispatch_long if numel > _LONG_NUMEL else self._torch.dispatch
        self._check(dispatch(b"aten::bitwise_xor_", b"Tensor", stack), "bitwise_xor_")
        return int(stack[0])

    # -- the C interface -------------------------------------------------------------------------

    def tensor(
        self,
        address: int,
        numel: int,
        name: str,
        *,
        ndim: int = 1,
        keep: bool = False,
        passing: bool = False,
    ) -> Handle:
        """A tensor over memory that stays ours; one that comes often is kept to be had again.

        Unless it is passing: over memory that will be another's.
        """
        key = (address, numel, name)
        known = self._seen.get(key)
        if known is not None:  # the buffer, again: a second handle is cheaper than a second tensor
            self._torch.duplicate(known, self._handle_at)
            return self._handle.value or 0
        self._sizes[0], self._steps[0] = numel, 1
        handle = self._create(address, ndim, name)
        if keep or (numel > _LONG_NUMEL and len(self._seen) < _MAX_SEEN and not passing):
            self._seen[key] = ctypes.c_void_p(self.duplicate(handle))
        return handle

    def matrix(self, address: int, sizes: tuple[int, ...], step: int, name: str) -> Handle:
        """A tensor over memory that stays ours, with so many elements from row to row."""
        self._sizes[0], self._steps[0] = sizes[0], step
        self._sizes[1], self._steps[1] = sizes[-1], 1
        return self._create(address, len(sizes), name)

    def strided(
        self, address: int, sizes: tuple[int, int], steps: tuple[int, int], name: str
    ) -> Handle:
        """A matrix over memory that stays ours, with so many elements from index to index."""
        self._sizes[0], self._sizes[1] = sizes
        self._steps[0], self._steps[1] = steps
        return self._create(address, 2, name)

    def _create(self, address: int, ndim: int, name: str) -> Handle:
        self._address.value = address
        status = self._torch.create(
            self._address,
            ctypes.c_int64(ndim),
            self._sizes,
            self._steps,
            self._zero64,
            ctypes.c_int32(self._torch.dtypes[name]),
            self._cpu,
            self._cpu,
            self._handle_at,
        )
        self._check(status, "create_tensor_from_blob")
        return self._handle.value or 0

    def flip_sign(self, address: int, numel: int, itemsize: int) -> None:
        """Flip the top bit of every element in place."""
        self.delete(self._flip_sign(address, numel, itemsize))

    def call(self, operator: bytes, *handles: Handle, overload: bytes = b"Tensor") -> Handle:
        """Call an operator of tensors alone; consumes the handles, returns that of the result."""
        stack = (ctypes.c_uint64 * max(3, len(handles)))(*handles)
        self._check(self._torch.dispatch_long(operator, overload, stack), operator.decode())
        return int(stack[0])

    def delete(self, handle: Handle) -> None:
        """Let go of a tensor."""
        self._torch.delete(ctypes.c_void_p(handle))

    def duplicate(self, handle: Handle) -> Handle:
        """A second handle on the same tensor."""
        status = self._torch.duplicate(ctypes.c_void_p(handle), self._handle_at)
        self._check(status, "new_tensor_handle")
        return self._handle.value or 0

    def address_of(self, handle: Handle) -> int:
        """Where the first element of a tensor lies."""
        self._check(
            self._torch.data_ptr(ctypes.c_void_p(handle), ctypes.byref(self._pointer)), "data_ptr"
        )
        return self._pointer.value or 0

    def _item(self, handle: Handle, element: Any) -> Any:
        """The only element of a tensor, which is let go."""
        value = element.from_address(self.address_of(handle)).value
        self.delete(handle)
        return value

    def item(self, handle: Handle) -> int:
        """The int64 in a tensor of one element, which is let go."""
        return int(self._item(handle, ctypes.c_int64))

    @staticmethod
    def _check(status: int, what: str) -> None:
        if status:
            raise BackendUnavailableError(f"libtorch refused {what}")


class _Reduction:
    """``aten::aminmax`` into two elements of ours, its stack reused from call to call.

    The call hands back the very handles of the two outputs that it was given, so that nothing has
    to be made, read through a pointer, or let go.
    """

    def __init__(self, torch: LibTorch, worker: LibTorchWorker, name: str) -> None:
        self._torch = torch
        self._low = _C_TYPES[name]()
        self._high = _C_TYPES[name]()
        self._stack = (ctypes.c_uint64 * 5)()
        self._outputs: list[Handle] = []
        self._outputs += [
            worker.tensor(ctypes.addressof(element), 1, name, ndim=0)
            for element in (self._low, self._high)
        ]

    def run(self, elements: Handle, *, long: bool) -> tuple[Any, Any]:
        """The extremes; consumes the handle."""
        stack = self._stack
        stack[0] = elements
        stack[1] = stack[2] = 0  # dim=None, keepdim=False
        stack[3], stack[4] = self._outputs
        dispatch = self._torch.dispatch_long if long else self._torch.dispatch
        if dispatch(b"aten::aminmax", b"out", stack):
            raise BackendUnavailableError("libtorch refused aminmax")
        self._outputs = [stack[0], stack[1]]
        return self._low.value, self._high.value

    def __del__(self) -> None:
        for handle in self._outputs:
            self._torch.delete(handle)
