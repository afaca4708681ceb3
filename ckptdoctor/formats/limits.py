"""What reading a file may cost at most, scaled to what the file itself can explain."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]

_OPCODES = 20_000_000
_LEAVES = 2_000_000
_METADATA_NBYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on the work that a reader does for one file.

    Attributes:
        opcodes: pickle opcodes; a tensor takes 40 to 90, so this is room for 200,000 tensors.
        depth: nesting of containers; real checkpoints stay below 20.
        leaves: scalars and tensors that are listed.
        name_chars: length of one path; longer ones are shortened in the middle.
        metadata_nbytes: a pickle, a directory or a header that has to be held in memory at once.
    """

    opcodes: int = _OPCODES
    depth: int = 200
    leaves: int = _LEAVES
    name_chars: int = 2_000
    metadata_nbytes: int = _METADATA_NBYTES

    @classmethod
    def for_file(cls, nbytes: int) -> Limits:
        """The limits for a file of ``nbytes``: every opcode and every leaf takes a byte of it."""
        return cls(
            opcodes=min(_OPCODES, nbytes + 1),
            leaves=min(_LEAVES, nbytes + 1),
            metadata_nbytes=min(_METADATA_NBYTES, max(64 << 20, 16 * nbytes)),
        )
