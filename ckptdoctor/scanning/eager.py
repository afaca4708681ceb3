"""The reference backend: ``import torch`` and ask it, in the plainest words."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from ckptdoctor.dtypes import BY_NAME, DType, Kind
from ckptdoctor.scanning.kernels import EMPTY, BackendUnavailableError, Extremes, Measurement

if TYPE_CHECKING:
    import torch

__all__ = ["Eager", "load_eager"]


class Eager:
    """torch, imported. torch spreads one call over the cores itself, so one thread asks."""

    name = "eager"
    max_workers = 1

    def __init__(self, torch_module: Any) -> None:
        self._torch = torch_module

    def worker(self) -> EagerWorker:
        """A worker."""
        return EagerWorker(self._torch)


def load_eager() -> Eager:
    """The backend.

    Raises:
        BackendUnavailableError: torch cannot be imported.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a missing numpy, which we do not use
            import torch
    except (ImportError, OSError) as error:
        raise BackendUnavailableError(f"torch cannot be imported: {error}") from error
    return Eager(torch)


class EagerWorker:
    """Measures with torch's own functions on torch's own dtypes."""

    def __init__(self, torch_module: Any) -> None:
        self._torch = torch_module

    def measure(self, buffer: memoryview, dtype: DType) -> Measurement:
        """See :class:`~ckptdoctor.scanning.kernels.Worker`."""
        if not len(buffer) or dtype.kind is Kind.OPAQUE:
            return EMPTY
        if dtype.component is not None:
            found = self.measure(buffer, BY_NAME[dtype.component])
            first = None if found.first_bad is None else found.first_bad // 2
            return Measurement(found.nan, found.posinf, found.neginf, found.min, found.max, first)
        values = self._tensor(buffer, dtype)
        if dtype.name == "uint64":  # torch has no order on it: shift it into int64 and back
            shifted = values.view(self._torch.int64) ^ -(1 << 63)
            return Measurement(
                min=int(shifted.min()) + (1 << 63), max=int(shifted.max()) + (1 << 63)
            )
        if dtype.kind in (Kind.SIGNED, Kind.UNSIGNED):
            return Measurement(min=int(values.min()), max=int(values.max()))
        low, high = (bound.item() for bound in values.aminmax())
        if math.isfinite(low) and math.isfinite(high):
            return Measurement(min=low, max=high)
        return self._count(values)

    def rows(self, buffer: memoryview, dtype: DType, count: int, width: int) -> Extremes:
        """See :class:`~ckptdoctor.scanning.kernels.Worker`."""
        values = self._tensor(buffer[: count * width * dtype.itemsize], dtype).view(count, width)
        lows, highs = values.aminmax(dim=1)
        return lows.tolist(), highs.tolist()

    def count_magnitude(self, buffer: memoryview, dtype: DType, magnitude: int) -> int:
        """See :class:`~ckptdoctor.scanning.kernels.Worker`."""
        values = self._tensor(buffer, dtype)
        integers = getattr(self._torch, f"int{8 * dtype.itemsize}")
        mask = (1 << (8 * dtype.itemsize - 1)) - 1
        return int(((values.view(integers) & mask) == magnitude).sum())

    def _count(self, values: torch.Tensor) -> Measurement:
        torch = self._torch
        nan, posinf, neginf = values.isnan(), values == math.inf, values == -math.inf
        bad = nan | posinf | neginf
        finite = values[~bad]
        return Measurement(
            int(nan.sum()),
            int(posinf.sum()),
            int(neginf.sum()),
            finite.min().item() if finite.numel() else None,
            finite.max().item() if finite.numel() else None,
            int(torch.argmax(bad.to(torch.uint8))),
        )

    def _tensor(self, buffer: memoryview, dtype: DType) -> torch.Tensor:
        """The elements, in a type that torch can compare: float8 as float32, uint64 as int64."""
        lib = self._torch
        name = {"qint8": "int8", "quint8": "uint8", "qint32": "int32", "bool": "uint8"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "the given buffer is not writable"
            raw = lib.frombuffer(buffer, dtype=lib.uint8)
        values: torch.Tensor = raw.clone().view(getattr(lib, name.get(dtype.name, dtype.name)))
        if dtype.itemsize == 1 and dtype.kind in (Kind.FLOAT, Kind.EXPONENT):
            return values.to(lib.float32)
        if dtype.name in ("uint16", "uint32"):
            return values.to(lib.int64)
        return values
