"""A few elements measured by Python alone: before torch's library is loaded, they are done.

Loading the library takes as long as half a million elements take here.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Literal

from ckptdoctor.dtypes import BY_NAME, DType, Kind
from ckptdoctor.scanning.kernels import EMPTY, Extremes, Measurement

__all__ = ["PlainWorker"]

_SIGNED: dict[int, Literal["b", "h", "i", "q"]] = {1: "b", 2: "h", 4: "i", 8: "q"}
_UNSIGNED: dict[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}
_FLOATS: dict[str, Literal["f", "d"]] = {"float32": "f", "float64": "d"}


class PlainWorker:
    """Measures with Python's own numbers, and leaves the bytes as they are."""

    def measure(self, buffer: memoryview, dtype: DType) -> Measurement:
        """See :class:`~ckptdoctor.scanning.kernels.Worker`."""
        if not len(buffer) or dtype.kind is Kind.OPAQUE:
            return EMPTY
        if dtype.component is not None:
            found = self.measure(buffer, BY_NAME[dtype.component])
            first = None if found.first_bad is None else found.first_bad // 2
            return Measurement(found.nan, found.posinf, found.neginf, found.min, found.max, first)
        if dtype.kind in (Kind.SIGNED, Kind.UNSIGNED):
            codes = _SIGNED if dtype.kind is Kind.SIGNED else _UNSIGNED
            integers = buffer.cast(codes[dtype.itemsize])
            return Measurement(min=min(integers), max=max(integers))
        if dtype.name in _FLOATS:
            floats = buffer.cast(_FLOATS[dtype.name])
            if math.isfinite(sum(floats)):  # NaN and Inf would be in it
                return Measurement(min=min(floats), max=max(floats))
            return _counted(floats.tolist())
        return _of_few_values(buffer, dtype)

    def rows(self, buffer: memoryview, dtype: DType, count: int, width: int) -> Extremes:
        """See :class:`~ckptdoctor.scanning.kernels.Worker`."""
        lows: list[float] = []
        highs: list[float] = []
        nbytes = width * dtype.itemsize
        for start in range(0, count * nbytes, nbytes):
            found = self.measure(buffer[start : start + nbytes], dtype)
            is_clean = found.first_bad is None and found.min is not None and found.max is not None
            lows.append(found.min if is_clean and found.min is not None else math.nan)
            highs.append(found.max if is_clean and found.max is not None else math.nan)
        return lows, highs

    def count_magnitude(self, buffer: memoryview, dtype: DType, magnitude: int) -> int:
        """See :class:`~ckptdoctor.scanning.kernels.Worker`."""
        bits = buffer.cast(_UNSIGNED[dtype.itemsize]).tolist()
        return bits.count(magnitude) + bits.count(magnitude | 1 << (8 * dtype.itemsize - 1))


def _of_few_values(buffer: memoryview, dtype: DType) -> Measurement:
    """The measurement of floats of 8 or 16 bits, each of whose values is decoded once."""
    codes = buffer.cast(_UNSIGNED[dtype.itemsize])
    decode = _decoder(dtype.name)
    values = {bits: decode(bits) for bits in set(codes)}
    if all(map(math.isfinite, values.values())):
        return Measurement(min=min(values.values()), max=max(values.values()))
    return _counted([values[bits] for bits in codes])


@functools.cache
def _decoder(name: str) -> Callable[[int], float]:
    """What gives the value of an element's bits."""
    dtype = BY_NAME[name]
    sign = 0x100 if dtype.kind is Kind.EXPONENT else 1 << (8 * dtype.itemsize - 1)
    top = dtype.finite_bits or 0

    @functools.cache
    def decoded(bits: int) -> float:
        magnitude = bits & (sign - 1)
        if dtype.nan_is_negative_zero and bits == sign:
            return math.nan
        if magnitude == dtype.inf_bits:
            value = math.inf
        else:
            value = math.nan if magnitude > top else dtype.decode(magnitude)
        return -value if bits & sign else value

    return decoded


def _counted(values: Sequence[float]) -> Measurement:
    """The measurement of floats of which some may not be finite."""
    finite = [value for value in values if math.isfinite(value)]
    posinf, neginf = values.count(math.inf), values.count(-math.inf)
    first = next((at for at, value in enumerate(values) if not math.isfinite(value)), None)
    return Measurement(
        len(values) - len(finite) - posinf - neginf,
        posinf,
        neginf,
        min(finite, default=None),
        max(finite, default=None),
        first,
    )
