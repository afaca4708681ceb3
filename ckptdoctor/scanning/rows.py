"""Short pieces measured many at once: the question to torch costs more than the answer."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterable, Sequence

from ckptdoctor.dtypes import DType, Kind
from ckptdoctor.scanning.kernels import Extremes, Measurement
from ckptdoctor.scanning.plan import Piece

__all__ = ["ROW_NBYTES", "Row", "RowKind", "Rows", "note_finite"]

ROW_NBYTES = 1 << 14
"""What is longer is measured alone."""

_MATRIX_NBYTES = 1 << 20
_FEWEST = 4  # rows that are worth two calls, and the copying
_KINDS = (Kind.FLOAT, Kind.SIGNED, Kind.UNSIGNED)

Row = tuple[Piece, memoryview]
"""A piece, and its bytes."""


class RowKind:
    """What pieces have in common that are measured together.

    Attributes:
        dtype: of their elements.
        width: elements of a row: a power of two.
    """

    __slots__ = ("dtype", "rows", "width")

    def __init__(self, dtype: DType, width: int) -> None:
        self.dtype = dtype
        self.width = width
        self.rows: list[Row] = []


class Rows:
    """The kinds of short pieces that one thread has met, and those that wait to be measured."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, int], RowKind | None] = {}
        self._by_width: dict[tuple[str, int], RowKind] = {}
        self._matrix = mmap.mmap(-1, _MATRIX_NBYTES)

    def take(self, piece: Piece, view: memoryview) -> bool:
        """Have a piece wait for others; False for one that has to be measured alone."""
        dtype = piece.dtype
        if dtype is None or piece.nbytes > ROW_NBYTES:
            return False
        key = dtype.name, piece.nbytes
        if key not in self._kinds:
            self._kinds[key] = self._kind(dtype, piece.nbytes // dtype.itemsize)
        kind = self._kinds[key]
        if kind is not None:
            kind.rows.append((piece, view))
        return kind is not None

    def _kind(self, dtype: DType, numel: int) -> RowKind | None:
        is_wide = dtype.kind is Kind.UNSIGNED and dtype.itemsize > 1
        if not numel or dtype.kind not in _KINDS or is_wide:
            return None
        width = 1 << (numel - 1).bit_length()
        return self._by_width.setdefault((dtype.name, width), RowKind(dtype, width))

    def batches(self) -> Iterable[tuple[RowKind, list[Row]]]:
        """Those that wait, in batches that fit the matrix; they wait no longer."""
        for kind in self._by_width.values():
            rows, kind.rows = kind.rows, []
            most = _MATRIX_NBYTES // (kind.width * kind.dtype.itemsize)
            for done in range(0, len(rows), most):
                yield kind, rows[done : done + most]

    def matrix(self, kind: RowKind, rows: Sequence[Row]) -> memoryview | None:
        """The elements side by side, the shorter rows filled up; None for too few to be worth it.

        What fills a row up are its own last elements again, which change no extreme.
        """
        if len(rows) < _FEWEST:
            return None
        full = kind.width * kind.dtype.itemsize
        parts: list[memoryview] = []
        for piece, view in rows:
            parts.append(view)
            if piece.nbytes < full:
                parts.append(view[piece.nbytes - full :])
        self._matrix[: full * len(rows)] = b"".join(parts)
        return memoryview(self._matrix)


def note_finite(kind: RowKind, rows: Sequence[Row], extremes: Extremes) -> list[Row]:
    """Note the extremes of rows that are finite; returns the others, and those that saturate.

    Args:
        kind: of the rows.
        rows: that were measured together.
        extremes: of each of them.
    """
    others: list[Row] = []
    least, isfinite = min(kind.dtype.saturations, default=math.inf), math.isfinite
    for row, low, high in zip(rows, *extremes, strict=True):
        if high >= least or -low >= least or not (isfinite(low) and isfinite(high)):
            others.append(row)
        else:
            row[0].measurement = Measurement(0, 0, 0, low, high)
    return others
