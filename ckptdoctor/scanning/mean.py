"""The mean of the same elements of several files, reckoned in float64; and whether it is that."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from ckptdoctor.dtypes import BY_NAME

__all__ = ["AVERAGED", "mean_of", "off_mean"]

AVERAGED = frozenset({"float64", "float32", "float16", "bfloat16", "complex64", "complex128"})
"""The types that have a mean. An element of eight bits is half of a number: its scale lies beside
it."""
_SLACK = 1e-6  # float64 is rounded to bfloat16 by way of float32


def mean_of(pieces: Sequence[bytes], dtype: str) -> bytes:
    """The means of elements, summed up as float64 and rounded once to their own type.

    Args:
        pieces: as many elements of each file, little-endian.
        dtype: torch's name of one of ``AVERAGED``.
    """
    torch = _torch()
    first = _values(torch, pieces[0], dtype)
    total = first.to(torch.float64, copy=True)
    same = torch.ones_like(total, dtype=torch.bool)
    for piece in pieces[1:]:
        values = _values(torch, piece, dtype)
        same &= values == first
        total += values.to(torch.float64)
    total /= len(pieces)
    # What does not move stays to the bit: a sum of equal float64 may round away from them.
    mean = torch.where(same, first, total.to(first.dtype))
    raw = bytearray(len(pieces[0]))
    torch.frombuffer(raw, dtype=torch.uint8).copy_(mean.view(torch.uint8))
    return bytes(raw)


def off_mean(written: bytes, pieces: Sequence[bytes], dtype: str) -> int:
    """How many elements are not the mean, as a mean that is kept up to date tells it.

    Another way to it than ``mean_of`` goes, so that neither repeats a mistake of the other.

    Args:
        written: the elements that are to be checked, little-endian.
        pieces: as many elements of each file.
        dtype: torch's name of one of ``AVERAGED``.

    Returns:
        Those farther away than half of the distance to the next value of the type.
    """
    torch = _torch()
    found = _values(torch, written, dtype)
    mean = torch.zeros_like(found, dtype=torch.float64)
    largest = torch.zeros_like(mean)
    for count, piece in enumerate(pieces, start=1):
        values = _values(torch, piece, dtype).to(torch.float64, copy=True)
        torch.maximum(largest, values.abs(), out=largest)
        mean += values.sub_(mean).div_(count)
    limits = torch.finfo(found.dtype)
    half = 0.5 * limits.eps * torch.clamp(mean.abs(), min=limits.smallest_normal) * (1 + _SLACK)
    rounding = len(pieces) * torch.finfo(torch.float64).eps * largest
    off = (found.to(torch.float64) - mean).abs() <= half + rounding
    return int((~off).sum())


def _values(torch: Any, raw: bytes, dtype: str) -> Any:
    """The elements; of complex ones both parts, one behind the other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing numpy
        plain = torch.frombuffer(bytearray(raw), dtype=torch.uint8)
    return plain.view(getattr(torch, BY_NAME[dtype].component or dtype))


def _torch() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing numpy
        import torch
    return torch
