"""One question to torch, two ways to ask it: what are the elements of this piece of memory?

``libtorch`` calls the shared library through torch's stable C interface, because importing torch
takes several times as long as the scan itself. ``eager`` imports torch; it is the reference, and
what is used where the library, a symbol or the self-test is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from ckptdoctor.dtypes import DType
from ckptdoctor.errors import CkptDoctorError

__all__ = [
    "EMPTY",
    "BackendUnavailableError",
    "Extremes",
    "Kernels",
    "Measurement",
    "Worker",
    "merge",
]


class Measurement(NamedTuple):
    """What a run of elements is: counts, the finite extremes, the first non-finite element."""

    nan: int = 0
    posinf: int = 0
    neginf: int = 0
    min: float | None = None
    max: float | None = None
    first_bad: int | None = None


EMPTY = Measurement()

Extremes = tuple[Sequence[float], Sequence[float]]
"""The least and the largest of each row."""


class BackendUnavailableError(CkptDoctorError):
    """A backend cannot be used here; the message says why."""


class Worker(Protocol):
    """What one thread asks; never shared between threads."""

    def measure(self, buffer: memoryview, dtype: DType) -> Measurement:
        """Measure the elements of ``dtype`` in a writable buffer, whose content may be destroyed.

        Args:
            buffer: a whole number of elements, little-endian, one byte an item.
            dtype: the type of the elements.

        Returns:
            counts of components for complex types; ``first_bad`` as an index of an element.
        """

    def rows(self, buffer: memoryview, dtype: DType, count: int, width: int) -> Extremes:
        """The extremes of each of many runs that lie side by side; destroys them.

        Args:
            buffer: starts with the runs.
            dtype: a real float, a signed integer, or a type of one byte.
            count: how many runs; at least one.
            width: elements of each; at least one.

        Returns:
            something that is not finite for a row with any such element.
        """

    def count_magnitude(self, buffer: memoryview, dtype: DType, magnitude: int) -> int:
        """How many elements have these bits, whatever their sign.

        Args:
            buffer: as for :meth:`measure`, and as that may have left it.
            dtype: a float type.
            magnitude: the bits without the sign.
        """


class Kernels(Protocol):
    """A backend."""

    @property
    def name(self) -> str:
        """``libtorch`` or ``eager``."""

    @property
    def max_workers(self) -> int | None:
        """How many threads may measure at once; None for as many as wanted."""

    def worker(self) -> Worker:
        """A worker for the calling thread."""


def merge(left: Measurement, right: Measurement, left_numel: int) -> Measurement:
    """The measurement of two runs that lie one behind the other.

    Args:
        left: the first run.
        right: the second run.
        left_numel: elements in the first run.
    """
    first = left.first_bad
    if first is None and right.first_bad is not None:
        first = left_numel + right.first_bad
    return Measurement(
        left.nan + right.nan,
        left.posinf + right.posinf,
        left.neginf + right.neginf,
        _pick(min, left.min, right.min),
        _pick(max, left.max, right.max),
        first,
    )


def _pick(
    choose: Callable[[float, float], float], left: float | None, right: float | None
) -> float | None:
    if left is None or right is None:
        return right if left is None else left
    return choose(left, right)
