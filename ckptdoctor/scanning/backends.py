"""Which backend measures here: libtorch where it gives the known answers, else eager."""

from __future__ import annotations

import os
import struct

from ckptdoctor.dtypes import BY_NAME, DType, Kind
from ckptdoctor.errors import UsageError
from ckptdoctor.scanning.kernels import (
    EMPTY,
    BackendUnavailableError,
    Kernels,
    Measurement,
    Worker,
    merge,
)

__all__ = ["BACKEND_VARIABLE", "load_kernels", "self_test"]

BACKEND_VARIABLE = "CKPTDOCTOR_BACKEND"


def load_kernels(backend: str | None = None) -> Kernels:
    """The backend to use: libtorch where it works, else eager.

    Args:
        backend: ``libtorch`` or ``eager`` to have that one; by default ``$CKPTDOCTOR_BACKEND``.

    Raises:
        UsageError: there is no such backend.
        BackendUnavailableError: the backend asked for cannot be used.
    """
    wanted = backend or os.environ.get(BACKEND_VARIABLE, "")
    if wanted not in ("", "eager", "libtorch"):
        raise UsageError(
            f"{BACKEND_VARIABLE}={wanted!r}: there are two backends, libtorch and eager"
        )
    if wanted != "eager":
        from ckptdoctor.scanning.libtorch import load_libtorch

        try:
            kernels = load_libtorch()
            self_test(kernels)
        except BackendUnavailableError:
            if wanted == "libtorch":
                raise
        else:
            return kernels
    from ckptdoctor.scanning.eager import load_eager

    return load_eager()


def self_test(kernels: Kernels) -> None:
    """Measure a few elements of every type whose answer is known.

    Raises:
        BackendUnavailableError: an answer is wrong.
    """
    worker = kernels.worker()
    for dtype in BY_NAME.values():
        for elements, expected in _known_answers(dtype):
            found = worker.measure(memoryview(bytearray(elements)), dtype)
            if found != expected:
                raise BackendUnavailableError(
                    f"{kernels.name} gives {found} for {dtype.name}, not {expected}"
                )
        for bits in dtype.saturations.values():
            sign = 1 << (8 * dtype.itemsize - 1)
            buffer = bytearray(_pack(dtype.itemsize, bits, 0, bits | sign, bits - 1))
            count = worker.count_magnitude(memoryview(buffer), dtype, bits)
            if count != 2:
                raise BackendUnavailableError(
                    f"{kernels.name} counts {count} largest {dtype.name}, not 2"
                )
    for count, width in _ROWS:
        _test_rows(kernels.name, worker, count, width)


_ROWS = ((3, 2), (256, 64))  # few short ones, and so many that they are folded
_ROW_CODES = {"float32": "f", "bfloat16": "H", "int64": "q", "uint8": "B"}


def _test_rows(name: str, worker: Worker, count: int, width: int) -> None:
    """Measure rows, in each of which one element is the least, and one the largest."""
    for kind, code in _ROW_CODES.items():
        dtype, elements, rows = BY_NAME[kind], [1] * (count * width), range(count)
        if kind == "bfloat16":  # 2.0 + row / 64 and more, by bits; and one Inf
            elements = [0x3F80] * (count * width)
            highs = [0x4000 + row % 100 for row in rows]
            expected = [(1.0, dtype.decode(high)) for high in highs]
        else:
            highs = [2 + row % 100 for row in rows]
            expected = [(0, high) for high in highs]
            elements[width - 1 :: width] = [0] * count
        elements[::width] = highs
        buffer = bytearray(struct.pack(f"<{count * width}{code}", *elements))
        lows, found = worker.rows(memoryview(buffer), dtype, count, width)
        if list(zip(lows, found, strict=True)) != expected:
            raise BackendUnavailableError(f"{name} gives wrong extremes of {width} {kind} in a row")


def _known_answers(dtype: DType) -> list[tuple[bytes, Measurement]]:
    """Elements and what they are, for one type; from the bits alone, without torch."""
    size = dtype.itemsize
    if dtype.kind is Kind.SIGNED:
        return [(_pack(size, 3, -5, 2), Measurement(min=-5, max=3))]
    if dtype.kind is Kind.UNSIGNED:
        top = 1 if dtype.name == "bool" else (1 << 8 * size) - 1
        return [(_pack(size, 1, top, 0), Measurement(min=0, max=top))]
    if dtype.kind is Kind.EXPONENT:
        return [
            (_pack(size, 127, 128, 126), Measurement(min=0.5, max=2.0)),
            (_pack(size, 127, 255), Measurement(nan=1, min=1.0, max=1.0, first_bad=1)),
        ]
    if dtype.kind is Kind.FLOAT:
        return _known_floats(dtype)
    if dtype.component is not None:
        component = BY_NAME[dtype.component]
        return [(raw * 2, _doubled(raw, found, size)) for raw, found in _known_floats(component)]
    return [(_pack(size, 1, 2), EMPTY)]


def _doubled(raw: bytes, found: Measurement, itemsize: int) -> Measurement:
    """The answer for the same run of components twice, read as complex elements."""
    components = len(raw) // (itemsize // 2)
    twice = merge(found, found, components)
    first = twice.first_bad
    return Measurement(
        twice.nan,
        twice.posinf,
        twice.neginf,
        twice.min,
        twice.max,
        None if first is None else first // 2,
    )


def _known_floats(dtype: DType) -> list[tuple[bytes, Measurement]]:
    size, sign = dtype.itemsize, 1 << (8 * dtype.itemsize - 1)
    top, small = dtype.finite_bits or 0, 1
    high, low = dtype.decode(top), dtype.decode(small)
    answers = [
        (_pack(size, top, small, sign | top, 0), Measurement(min=-high, max=high)),
        (_pack(size, top, small), Measurement(min=low, max=high)),
        (_pack(size, sign | top, sign | small), Measurement(min=-high, max=-low)),
    ]
    nan = sign if dtype.nan_is_negative_zero else top + 2 if dtype.inf_bits else top + 1
    answers.append(
        (_pack(size, small, nan, 0, nan), Measurement(nan=2, min=0.0, max=low, first_bad=1))
    )
    answers.append((_pack(size, nan), Measurement(nan=1, first_bad=0)))
    if dtype.inf_bits is not None:
        inf = dtype.inf_bits
        answers.append(
            (
                _pack(size, 0, small, sign | inf, inf, inf),
                Measurement(posinf=2, neginf=1, min=0.0, max=low, first_bad=2),
            )
        )
    return answers


def _pack(itemsize: int, *bits: int) -> bytes:
    codes = {1: "B", 2: "H", 4: "I", 8: "Q"}
    mask = (1 << 8 * itemsize) - 1
    return struct.pack(f"<{len(bits)}{codes[itemsize]}", *(value & mask for value in bits))
