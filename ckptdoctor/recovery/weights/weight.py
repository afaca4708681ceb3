"""One weight, and how its elements are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from ckptdoctor.dtypes import BY_NAME
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Weight"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A tensor as it is to be written.

    Attributes:
        name: as ``load_state_dict`` knows it.
        dtype: torch's name of the element type.
        shape: of the whole.
        pieces: its elements in order, little-endian, in pieces; read anew at each call.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    pieces: Callable[[], Iterator[bytes]]

    @property
    def nbytes(self) -> int:
        """Size of its elements."""
        return math.prod(self.shape) * BY_NAME[self.dtype].itemsize
