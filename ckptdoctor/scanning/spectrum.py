"""The spectral norm of a matrix, and how many of its rows are all zeros; of a long one a sample."""

from __future__ import annotations

from dataclasses import replace

from ckptdoctor.checkpoint import TensorRecord
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.scanning.difference import Side
from ckptdoctor.scanning.elements import elements
from ckptdoctor.scanning.norms import CHUNK_NUMEL, Norms

__all__ = ["Spectrum", "spectrum_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """What a matrix is, the first dimension against all others.

    Attributes:
        largest: about its largest singular value, from below.
        dead: the share of the rows that are all zeros.
        rows: how many were looked at, from the first on.
    """

    largest: float
    dead: float
    rows: int


def spectrum_of(norms: Norms, side: Side, tensor: TensorRecord) -> Spectrum:
    """That of a tensor of two dimensions or more.

    Raises:
        FileShrankError: the file ends before the tensor does.
        OSError: the file cannot be read.
    """
    rows = tensor.shape[0]
    width = tensor.numel // rows
    shown = max(1, min(rows, CHUNK_NUMEL // width))
    view = replace(tensor, shape=(shown, *tensor.shape[1:]))
    raw = b"".join(elements(side.fd, view, side.byteorder, CHUNK_NUMEL))
    nbytes = width * tensor.dtype_info.itemsize
    zeros = bytes(nbytes)
    dead = sum(raw[at : at + nbytes] == zeros for at in range(0, len(raw), nbytes))
    largest = norms.spectral(raw, tensor.dtype_info, shown)
    return Spectrum(largest=largest, dead=dead / shown, rows=shown)
