"""Few elements are measured by Python alone, and torch's library is loaded for more."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable

from ckptdoctor.dtypes import DType
from ckptdoctor.scanning.amount import FEW_NBYTES
from ckptdoctor.scanning.kernels import Extremes, Kernels, Measurement, Worker
from ckptdoctor.scanning.plain import PlainWorker
from ckptdoctor.scanning.preload import is_preloaded

__all__ = ["Gradual", "kernels_for"]

_BACKEND_VARIABLE = "CKPTDOCTOR_BACKEND"
_SHORT_NBYTES = 1 << 17
"""Who meets a tensor longer than this will meet more of them."""

_NOBODY_WAITS = contextlib.nullcontext()


def kernels_for(load: Callable[[], Kernels]) -> Kernels:
    """The backend, loaded when it pays; at once where it is asked for, or on its way already.

    Args:
        load: loads it.
    """
    if os.environ.get(_BACKEND_VARIABLE) or is_preloaded():
        return load()
    return Gradual(load)


class Gradual:
    """A backend that is loaded once there is enough to measure.

    Args:
        load: loads it.
    """

    max_workers = None

    def __init__(self, load: Callable[[], Kernels]) -> None:
        self._load = load
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._loaded: Kernels | None = None
        self._left = FEW_NBYTES

    @property
    def name(self) -> str:
        """That of the backend, which is loaded if need be."""
        return self.loaded().name

    def worker(self) -> Worker:
        """A worker for the calling thread."""
        return _GradualWorker(self)

    def is_enough(self, nbytes: int, longest: int) -> bool:
        """Whether so many more bytes make it worth while to load the backend.

        Args:
            nbytes: all of them.
            longest: those of the longest tensor.
        """
        self._left -= nbytes
        return self._loaded is not None or longest > _SHORT_NBYTES or self._left < 0

    def loaded(self) -> Kernels:
        """The backend."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def turn(self) -> contextlib.AbstractContextManager[object]:
        """What a worker of the backend has to hold: a lock, where only one may measure."""
        return self._turn if self.loaded().max_workers == 1 else _NOBODY_WAITS


class _GradualWorker:
    """Measures by itself, and has the backend measure once that is worth while."""

    def __init__(self, kernels: Gradual) -> None:
        self._kernels = kernels
        self._worker: Worker = PlainWorker()
        self._turn: contextlib.AbstractContextManager[object] = _NOBODY_WAITS
        self._is_plain = True

    def _prepare(self, nbytes: int, longest: int) -> None:
        if self._is_plain and self._kernels.is_enough(nbytes, longest):
            self._worker = self._kernels.loaded().worker()
            self._turn = self._kernels.turn()
            self._is_plain = False

    def measure(self, buffer: memoryview, dtype: DType) -> Measurement:
        """See :class:`~ckptdoctor.scanning.kernels.Worker`."""
        self._prepare(len(buffer), len(buffer))
        with self._turn:
            return self._worker.measure(buffer, dtype)

    def rows(self, buffer: memoryview, dtype: DType, count: int, width: int) -> Extremes:
        """See :class:`~ckptdoctor.scanning.kernels.Worker`."""
        self._prepare(count * width * dtype.itemsize, width * dtype.itemsize)
        with self._turn:
            return self._worker.rows(buffer, dtype, count, width)

    def count_magnitude(self, buffer: memoryview, dtype: DType, magnitude: int) -> int:
        """See :class:`~ckptdoctor.scanning.kernels.Worker`."""
        with self._turn:
            return self._worker.count_magnitude(buffer, dtype, magnitude)
