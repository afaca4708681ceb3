"""What reading a file may cost at most, scaled to what the file itself can explain."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Limits"]

_OPCODES = 20_000_000
_LEAVES = 2_000_000
_TENSORS = 250_000
_TENSORS_OF_MORE = 50_000
_SCALARS = 250_000
_METADATA_NBYTES = 1 << 30
_SPARE_TENSORS = 1_000
_TENSOR_NBYTES = 40  # what torch writes for one takes 150 and more; a name for it again takes 10
_PICKLED_TENSOR_NBYTES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on the work that a reader does for one file.

    Attributes:
        opcodes: pickle opcodes; a tensor takes 40 to 90, so this is room for 200,000 tensors.
        depth: nesting of containers; real checkpoints stay below 20.
        leaves: scalars and tensors that are listed.
        tensors: tensors that are listed, one that has two names counted twice. The largest models
            known have 150,000, most of them the experts of a mixture.
        tensors_of_more: how many are listed of a header that is known to hold more than that.
        scalars: scalars that are listed; those beyond are passed over, and the rest is read on.
        name_chars: length of one path; longer ones are shortened in the middle.
        names_nbytes: the names and texts of all that is listed.
        metadata_nbytes: a pickle, a directory or a header that has to be held in memory at once.
    """

    opcodes: int = _OPCODES
    depth: int = 200
    leaves: int = _LEAVES
    tensors: int = _TENSORS
    tensors_of_more: int = _TENSORS_OF_MORE
    scalars: int = _SCALARS
    name_chars: int = 2_000
    names_nbytes: int = _METADATA_NBYTES
    metadata_nbytes: int = _METADATA_NBYTES

    @classmethod
    def for_file(cls, nbytes: int) -> Limits:
        """The limits for a file of ``nbytes``: every opcode and every leaf takes a byte of it."""
        return cls(
            opcodes=min(_OPCODES, nbytes + 1),
            leaves=min(_LEAVES, nbytes + 1),
            tensors=min(_TENSORS, _SPARE_TENSORS + nbytes // _TENSOR_NBYTES),
            names_nbytes=min(_METADATA_NBYTES, max(16 << 20, 4 * nbytes)),
            metadata_nbytes=min(_METADATA_NBYTES, max(64 << 20, 16 * nbytes)),
        )

    def within(self, nbytes: int) -> Self:
        """These limits for a pickle of ``nbytes`` in a file that may be larger by a hole.

        Args:
            nbytes: of the pickle; where it is deflated, what its size explains.
        """
        return replace(
            self,
            opcodes=min(self.opcodes, nbytes + 1),
            leaves=min(self.leaves, nbytes + 1),
            tensors=min(self.tensors, _SPARE_TENSORS + nbytes // _PICKLED_TENSOR_NBYTES),
        )
