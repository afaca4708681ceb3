"""Elements of another float type as float32, as ``Tensor.float()`` makes them."""

from __future__ import annotations

import warnings

__all__ = ["as_float32"]


def as_float32(elements: bytes, dtype: str) -> bytes:
    """The elements as float32.

    Args:
        elements: little-endian.
        dtype: torch's name of their type.
    """
    if dtype == "float32" or not elements:
        return elements
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the buffer may not be written: nobody does
        given = torch.frombuffer(bytearray(elements), dtype=getattr(torch, dtype))
        return bytes(given.float().numpy().tobytes())
