"""Two tensors, element by element, in chunks: what is compared never lies in memory as a whole.

torch is imported here: comparing needs more of it than the scan does.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptdoctor.checkpoint import TensorRecord
from ckptdoctor.difference import Movement
from ckptdoctor.dtypes import BY_NAME, DType, Kind
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.scanning.elements import elements

if TYPE_CHECKING:
    import torch

__all__ = ["Side", "compare_tensors"]

_CHUNK_NUMEL = 1 << 16  # two chunks as float64 fit the cache; 2^15 and 2^17 take longer


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two files.

    Attributes:
        fd: open for reading.
        byteorder: of its storages.
    """

    fd: int
    byteorder: str


def compare_tensors(a: Side, before: TensorRecord, b: Side, after: TensorRecord) -> Movement:
    """How far the elements of one tensor moved.

    Args:
        a: the first file.
        before: a tensor in it, whose bytes are there.
        b: the second file.
        after: one of the same shape in it.

    Raises:
        FileShrankError: a file ends before the tensor does.
        OSError: a file cannot be read.
    """
    in_memory_order = before.stride == after.stride and a.byteorder == b.byteorder == "little"
    _load_torch()
    left = elements(a.fd, before, a.byteorder, _CHUNK_NUMEL, in_memory_order=in_memory_order)
    right = elements(b.fd, after, b.byteorder, _CHUNK_NUMEL, in_memory_order=in_memory_order)
    return Movement.sum(_movements(left, before.dtype_info, right, after.dtype_info))


def _load_torch() -> None:
    """Import torch, and let it say now, and to nobody, what it says only once.

    It warns of a missing numpy when it is imported, and at the first buffer that may not be
    written to; we only read from those.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch

        torch.frombuffer(b"\0", dtype=torch.uint8)


def _movements(
    left: Iterator[bytes], dtype: DType, right: Iterator[bytes], other: DType
) -> Iterator[Movement]:
    for old, new in zip(left, right, strict=True):
        yield _movement(old, dtype, new, other)


def _movement(old: bytes, dtype: DType, new: bytes, other: DType) -> Movement:
    import torch

    if (dtype.component is None) != (other.component is None):  # real against complex
        numel = len(old) // dtype.itemsize
        return Movement(numel=numel, changed=numel)
    same_bytes = dtype is other and old == new
    if dtype.kind is Kind.OPAQUE or other.kind is Kind.OPAQUE:
        numel = len(old) // dtype.itemsize
        changed = 0 if same_bytes else sum(x != y for x, y in zip(old, new, strict=False))
        return Movement(numel=numel, changed=changed)
    numel = len(old) // dtype.itemsize
    first = _doubles(old, dtype)
    if same_bytes:
        return Movement(numel=numel, square_before=_square(first))
    second = _doubles(new, other)
    moved = second - first
    square_before, square_moved = _sum_of_squares(first), _sum_of_squares(moved)
    if torch.isfinite(torch.tensor(square_before + square_moved)):
        exact = dtype is other and dtype.kind in (Kind.SIGNED, Kind.UNSIGNED)
        return Movement(
            numel=numel,
            changed=_unequal(old, new, dtype) if exact else int(moved.count_nonzero()),
            square_before=square_before,
            square_moved=square_moved,
            largest=_largest(moved),
        )
    return _with_non_finite(first, second, numel)


def _with_non_finite(first: torch.Tensor, second: torch.Tensor, numel: int) -> Movement:
    """The same where one of them holds NaN or Inf, or numbers whose squares overflow."""
    good, better = first.isfinite(), second.isfinite()
    both = good & better
    moved = (second - first).where(both, 0.0)
    alike = (first == second) | (first.isnan() & second.isnan())
    return Movement(
        numel=numel,
        changed=int((~alike).sum()),
        square_before=_sum_of_squares(first.where(both, 0.0)),
        square_moved=_sum_of_squares(moved),
        largest=_largest(moved),
        new_nan=int((good & second.isnan()).sum()),
        new_inf=int((good & second.isinf()).sum()),
        mended=int((~good & better).sum()),
    )


def _largest(moved: torch.Tensor) -> float:
    """The largest magnitude."""
    low, high = moved.aminmax()
    return max(-float(low), float(high))


def _sum_of_squares(values: torch.Tensor) -> float:
    return float(values.dot(values))


def _square(values: torch.Tensor) -> float:
    """The sum of the squares of the finite ones."""
    square = _sum_of_squares(values)
    return square if square < float("inf") else _sum_of_squares(values.where(values.isfinite(), 0))


def _doubles(raw: bytes, dtype: DType) -> torch.Tensor:
    """The elements as float64; the parts of complex ones side by side."""
    import torch

    flat = torch.frombuffer(raw, dtype=torch.uint8)
    plain = BY_NAME[dtype.component] if dtype.component is not None else dtype
    name = {"qint8": "int8", "quint8": "uint8", "qint32": "int32", "bool": "uint8"}
    typed = flat.view(getattr(torch, name.get(plain.name, plain.name)))
    if plain.itemsize == 1 and plain.kind in (Kind.FLOAT, Kind.EXPONENT):
        typed = typed.to(torch.float32)
    return typed.to(torch.float64)


def _unequal(old: bytes, new: bytes, dtype: DType) -> int:
    """How many integers differ; as float64 large ones would look equal."""
    import torch

    kind = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize]
    pair = [torch.frombuffer(raw, dtype=torch.uint8) for raw in (old, new)]
    return int((pair[0].view(kind) != pair[1].view(kind)).sum())
