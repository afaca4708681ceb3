"""How far the elements of a box moved. torch is imported here, once a comparison needs it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ckptdoctor.difference import Movement
from ckptdoctor.dtypes import BY_NAME, DType, Kind
from ckptdoctor.scanning.boxes import Layout

__all__ = ["BUFFER_NBYTES", "MAX_PARTS", "BoxWorker", "Half"]

MAX_PARTS = 1 << 16
"""Real numbers a box. As float64 two boxes fit the cache; half or twice as many take longer."""

BUFFER_NBYTES = MAX_PARTS * 8

_STORED = {"qint8": "int8", "quint8": "uint8", "qint32": "int32", "bool": "uint8"}
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_SMALLEST_SQUARE = 1e-280  # below it, and above the largest, squares lose digits


@dataclass(frozen=True, slots=True)
class Half:
    """One of the two tensors.

    Attributes:
        dtype: of its elements.
        byteorder: in which they were read.
        layout: how the box lies in the buffer.
    """

    dtype: DType
    byteorder: str
    layout: Layout

    @property
    def numel(self) -> int:
        """Elements in the buffer, gaps included."""
        return self.layout.reads * self.layout.slot


class BoxWorker:
    """What one thread works with: a buffer to read into and room to compute, for either side."""

    def __init__(self) -> None:
        self.buffers = bytearray(BUFFER_NBYTES), bytearray(BUFFER_NBYTES)
        self._bytes = [torch.frombuffer(buffer, dtype=torch.uint8) for buffer in self.buffers]
        self._doubles = [torch.empty(MAX_PARTS, dtype=torch.float64) for _ in self.buffers]

    def measure(
        self, halves: tuple[Half, Half], sizes: Sequence[int], known: float
    ) -> tuple[Movement, int | None]:
        """How far the box in the buffers moved.

        Args:
            halves: what was read into the one and into the other.
            sizes: of the box.
            known: the largest difference so far.

        Returns:
            the movement, and which element moved farther than ``known`` and than all others.
        """
        numel = math.prod(sizes)
        one, two = (half.dtype for half in halves)
        for side in (0, 1):
            self._to_little_endian(side, halves[side])
        if Kind.OPAQUE in (one.kind, two.kind):
            changed = self._unequal(halves, sizes) if one is two else numel
            return Movement(numel=numel, changed=changed), None
        parts = 1 if one.component is two.component is None else 2
        first = self._as_doubles(0, halves[0], sizes, parts)
        if self._same_bytes(halves):
            return Movement(numel=numel, norm_before=_norm_of_finite(first, parts)), None
        moved = self._as_doubles(1, halves[1], sizes, parts).sub_(first)
        square_before, square_moved = float(first.dot(first)), float(moved.dot(moved))
        if not math.isfinite(square_before + square_moved):
            found = _with_non_finite(first, self._as_doubles(1, halves[1], sizes, parts), parts)
            return found, None if found.largest <= known else self._farthest(first, parts)
        exact = one is two and one.kind in (Kind.SIGNED, Kind.UNSIGNED)
        largest = _largest(moved)
        found = Movement(
            numel=numel,
            changed=self._unequal(halves, sizes) if exact else _count(moved != 0, parts),
            norm_before=_norm(first, square_before),
            norm_moved=_norm(moved, square_moved),
            largest=largest,
        )
        return found, None if largest <= known else int(moved.abs().argmax()) // parts

    # -- the buffers ---------------------------------------------------------------------------

    def _to_little_endian(self, side: int, half: Half) -> None:
        width = half.dtype.itemsize // (1 if half.dtype.component is None else 2)
        if half.byteorder == "big" and width > 1:
            raw = self._bytes[side][: half.numel * half.dtype.itemsize].view(-1, width)
            raw.copy_(raw.flip(1))

    def _view(
        self, side: int, kind: torch.dtype, half: Half, sizes: Sequence[int], width: int = 1
    ) -> torch.Tensor:
        """The elements of the box as they lie; those of several numbers with one more dimension."""
        count = half.numel * width
        flat = torch.frombuffer(self.buffers[side], dtype=kind, count=count)
        if width == 1:
            return flat.as_strided(tuple(sizes), half.layout.strides)
        steps = (*(step * width for step in half.layout.strides), 1)
        return flat.as_strided((*sizes, width), steps)

    def _as_doubles(self, side: int, half: Half, sizes: Sequence[int], parts: int) -> torch.Tensor:
        """The elements row by row as float64; the two parts of complex ones side by side."""
        numel = math.prod(sizes)
        flat = self._doubles[side][: numel * parts]
        plain = half.dtype if half.dtype.component is None else BY_NAME[half.dtype.component]
        kind = getattr(torch, _STORED.get(plain.name, plain.name))
        view = self._view(side, kind, half, sizes, half.dtype.itemsize // plain.itemsize)
        if plain.itemsize == 1 and plain.kind in (Kind.FLOAT, Kind.EXPONENT):
            view = view.to(torch.float32)
        if parts == 1 or half.dtype.component is not None:
            flat.view(view.shape).copy_(view)
            return flat
        pairs = flat.view(*sizes, 2)
        pairs[..., 0].copy_(view)
        pairs[..., 1].zero_()
        return flat

    def _same_bytes(self, halves: tuple[Half, Half]) -> bool:
        """Whether the buffers hold the same elements in the same order; gaps are elements too."""
        one, two = halves
        if one.dtype is not two.dtype or one.layout.strides != two.layout.strides:
            return False
        if one.numel != two.numel:
            return False
        nbytes = one.numel * one.dtype.itemsize
        whole = nbytes - nbytes % 8
        longs = [raw[:whole].view(torch.int64) for raw in self._bytes]
        if not torch.equal(longs[0], longs[1]):
            return False
        return self.buffers[0][whole:nbytes] == self.buffers[1][whole:nbytes]

    def _unequal(self, halves: tuple[Half, Half], sizes: Sequence[int]) -> int:
        """How many elements of one type differ in their bits.

        As float64 large integers would look equal.
        """
        kind = _INTEGERS[halves[0].dtype.itemsize]
        one, two = (self._view(side, kind, halves[side], sizes) for side in (0, 1))
        return int((one != two).count_nonzero())

    def _farthest(self, first: torch.Tensor, parts: int) -> int:
        """The element that moved farthest where not all are finite; ends the use of the buffers."""
        second = self._doubles[1][: first.numel()]
        moved = (second - first).where(_finite(first, parts) & _finite(second, parts), 0.0)
        return int(moved.abs().argmax()) // parts


def _with_non_finite(first: torch.Tensor, second: torch.Tensor, parts: int) -> Movement:
    """The same where one of them holds NaN or Inf, or numbers whose squares overflow."""
    good, better = _finite(first, parts), _finite(second, parts)
    both = good & better
    moved = (second - first).where(both, 0.0)
    largest = _largest(moved)
    if largest < math.inf:
        norm_moved = _scaled_norm(moved)
    else:  # two numbers so large that their difference is not a number any more
        norm_moved = 2 * _scaled_norm((second / 2 - first / 2).where(both, 0.0))
    unlike = (first != second) & ~(first.isnan() & second.isnan())
    nan = second.isnan().view(-1, parts).any(1).repeat_interleave(parts)
    return Movement(
        numel=first.numel() // parts,
        changed=_count(unlike, parts),
        norm_before=_scaled_norm(first.where(both, 0.0)),
        norm_moved=norm_moved,
        largest=largest,
        new_nan=_count(good & nan, parts),
        new_inf=_count(good & ~better & ~nan, parts),
        mended=_count(~good & better, parts),
    )


def _finite(values: torch.Tensor, parts: int) -> torch.Tensor:
    """Which are finite; of a complex number both parts or none."""
    finite = values.isfinite()
    return finite if parts == 1 else finite.view(-1, parts).all(1).repeat_interleave(parts)


def _count(mask: torch.Tensor, parts: int) -> int:
    """How many elements have a part that is marked."""
    return int((mask if parts == 1 else mask.view(-1, parts).any(1)).count_nonzero())


def _largest(moved: torch.Tensor) -> float:
    """The largest magnitude."""
    low, high = moved.aminmax()
    return max(-float(low), float(high))


def _norm(values: torch.Tensor, square: float) -> float:
    """The norm, from the sum of the squares where that is good enough."""
    return math.sqrt(square) if square > _SMALLEST_SQUARE else _scaled_norm(values)


def _scaled_norm(values: torch.Tensor) -> float:
    """The norm of finite values whose squares may overflow, or vanish."""
    top = _largest(values)
    if top == 0:
        return 0.0
    values = values / top
    return top * math.sqrt(float(values.dot(values)))


def _norm_of_finite(values: torch.Tensor, parts: int) -> float:
    """The norm of those that are finite."""
    square = float(values.dot(values))
    if math.isfinite(square):
        return _norm(values, square)
    return _scaled_norm(values.where(_finite(values, parts), 0.0))
