"""Elements that are not finite, replaced by zero."""

from __future__ import annotations

import warnings

__all__ = ["zeroed"]


def zeroed(raw: bytes, dtype: str) -> bytes:
    """The elements with 0 in place of NaN and Inf.

    Args:
        raw: a whole number of elements, little-endian.
        dtype: torch's name of a real floating point type.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing numpy, and of a buffer that is not ours
        import torch

        values = torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(getattr(torch, dtype))
    bad = ~values.to(torch.float64).isfinite()
    bits = values.view(
        {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[values.itemsize]
    )
    bits[bad] = 0
    return bytes(bits.view(torch.uint8).untyped_storage())
