"""The elements of a strided tensor, in the order of its indices."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from ckptdoctor.dtypes import BY_NAME

__all__ = ["contiguous"]


def contiguous(
    raw: bytes, dtype: str, shape: Sequence[int], stride: Sequence[int], byteorder: str
) -> bytes:
    """The elements one behind the other, little-endian.

    Args:
        raw: the run of the storage that the tensor reaches, from its first element.
        dtype: torch's name of the element type.
        shape: sizes of the dimensions.
        stride: steps in elements.
        byteorder: of ``raw``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing numpy
        import torch

    kind = BY_NAME[dtype]
    elements = torch.frombuffer(bytearray(raw), dtype=torch.uint8).reshape(-1, kind.itemsize)
    if byteorder == "big":
        part = kind.itemsize // (2 if kind.component else 1)
        elements = elements.reshape(-1, kind.itemsize // part, part).flip(-1)
        elements = elements.reshape(-1, kind.itemsize)
    places = torch.arange(elements.shape[0]).as_strided(tuple(shape), tuple(stride)).reshape(-1)
    return bytes(elements[places].contiguous().untyped_storage())
