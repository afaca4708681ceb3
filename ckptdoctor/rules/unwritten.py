"""Whether the zeros that a file ends with were ever written: space reserved, and never filled.

Whoever copies or downloads may give a file its full size first. What arrives is then written in
order, and what never arrives stays zero. Zeros are honest as well: in biases, in layers that start
at zero, in the padding of an embedding, in moments of what has no gradient. They then begin where a
tensor or a row of it does, and all tensors of their kind are alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ckptdoctor.checkpoint import Role, TensorRecord, TensorStats, ZeroTail
from ckptdoctor.dtypes import Kind
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.rules.base import Case

__all__ = ["Unwritten", "unwritten_end"]

_LEAST_NUMEL = 64  # of the matrix in which the zeros begin
_LEAST_FILLED = 0.25  # of the bytes before them; a sparse matrix may well end with zeros
_LEAST_MATRICES = 2
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwritten:
    """The end of a file that was never written.

    Attributes:
        start: the first byte of the file that is missing.
        border: the tensor that is written in part; "" where the zeros begin with one.
        empty: the tensors behind it, which hold nothing.
    """

    start: int
    border: str
    empty: tuple[str, ...]


def unwritten_end(case: Case) -> Unwritten | None:
    """What was never written; None where the zeros may be meant, or there are none."""
    tail = case.zero_tail
    if tail is None:
        return None
    placed = sorted(case.tensors(), key=lambda pair: _start(pair[0]))
    empty = [(t, s) for t, s in placed if _start(t) >= tail.start and s.numel]
    border = next((t for t, _ in placed if _start(t) < tail.start < _start(t) + _nbytes(t)), None)
    begins_inside = border is not None and _is_cut_within(border, tail)
    if not begins_inside and not _differs_from_its_kind(empty, placed):
        return None
    return Unwritten(
        start=tail.start,
        border=border.fqn if border is not None else "",
        empty=tuple(tensor.fqn for tensor, _ in empty),
    )


def _start(tensor: TensorRecord) -> int:
    return tensor.storage.offset if tensor.storage is not None else 0


def _nbytes(tensor: TensorRecord) -> int:
    return tensor.storage.nbytes if tensor.storage is not None else 0


def _is_cut_within(tensor: TensorRecord, tail: ZeroTail) -> bool:
    """Whether the zeros begin within a row of a dense matrix, and go on for more than a row.

    A padded embedding ends with rows of zeros, a padded output layer may end with columns of them.
    """
    if tensor.role is Role.OTHER or not _is_matrix(tensor) or tail.filled < _LEAST_FILLED:
        return False
    itemsize, row = tensor.dtype_info.itemsize, max(tensor.stride)
    written = -(-(tail.start - _start(tensor)) // itemsize)
    zeros = _nbytes(tensor) // itemsize - written
    return written % row != 0 and zeros >= max(_LEAST_NUMEL, row)


def _is_matrix(tensor: TensorRecord) -> bool:
    return len(tensor.shape) > 1 and tensor.dtype_info.kind is Kind.FLOAT


def _differs_from_its_kind(
    empty: Sequence[tuple[TensorRecord, TensorStats]],
    placed: Sequence[tuple[TensorRecord, TensorStats]],
) -> bool:
    """Whether several matrices are zero whose like, in other layers, are not."""
    behind = {tensor.fqn for tensor, _ in empty}
    alike = {
        _kind(tensor)
        for tensor, stats in placed
        if tensor.fqn not in behind and (stats.min or stats.max)
    }
    return sum(1 for _ in _of_kinds(empty, alike)) >= _LEAST_MATRICES


def _of_kinds(
    empty: Sequence[tuple[TensorRecord, TensorStats]], kinds: set[str]
) -> Iterator[TensorRecord]:
    for tensor, _ in empty:
        weights = tensor.role in (Role.MODEL, Role.EMA)
        if weights and _is_matrix(tensor) and _kind(tensor) in kinds:
            yield tensor


def _kind(tensor: TensorRecord) -> str:
    """The name that the same weight of other layers has too."""
    return _DIGITS.sub("#", tensor.fqn)
