"""A checkpoint as its parity knows it: the blocks that are whole, and those that are given back."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence

from zlib_ng import zlib_ng

from ckptdoctor.formats.source import ByteSource
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.parity.form import Description, Parity

__all__ = ["Gap", "Rebuilt", "lost_blocks", "rebuilt", "widened"]


@dataclass(frozen=True, slots=True)
class Gap:
    """A source that lost bytes, with zeros in their place, so that the rest is where it was."""

    source: ByteSource
    at: int
    missing: int

    @property
    def nbytes(self) -> int:
        """Size with the gap."""
        return self.source.nbytes + self.missing

    @property
    def file_offset(self) -> None:
        """Its bytes lie elsewhere in the file."""

    def read(self, offset: int, nbytes: int) -> bytes:
        """Up to ``nbytes`` from ``offset``."""
        end = min(offset + nbytes, self.nbytes)
        before = self.source.read(offset, max(0, min(end, self.at) - offset))
        zeros = max(0, min(end, self.at + self.missing) - max(offset, self.at))
        start = max(offset, self.at + self.missing)
        behind = self.source.read(start - self.missing, max(0, end - start))
        return before + bytes(zeros) + behind


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A source in which some blocks are others.

    Attributes:
        source: as the file is.
        blocks: the bytes of those that are given back, by their number.
        description: how it is cut.
    """

    source: ByteSource
    blocks: dict[int, bytes]
    description: Description

    @property
    def nbytes(self) -> int:
        """Size of the checkpoint."""
        return self.description.nbytes

    @property
    def file_offset(self) -> None:
        """Its bytes do not lie in the file as they are."""

    def read(self, offset: int, nbytes: int) -> bytes:
        """Up to ``nbytes`` from ``offset``."""
        size = self.description.block_nbytes
        end, pieces = min(offset + nbytes, self.nbytes), []
        while offset < end:
            number = offset // size
            until = min(end, (number + 1) * size)
            block = self.blocks.get(number)
            if block is not None:
                pieces.append(block[offset - number * size : until - number * size])
            else:
                while until < end and until // size not in self.blocks:
                    until = min(end, until + size)
                pieces.append(self.source.read(offset, until - offset))
            offset = until
        return b"".join(pieces)


def widened(source: ByteSource, parity: Parity) -> ByteSource:
    """A source that is too short, with a gap before the first block that is not as it was."""
    missing = parity.description.nbytes - source.nbytes
    if missing <= 0:
        return source
    first = next(_others(source, parity), parity.description.blocks)
    return Gap(source, min(source.nbytes, first * parity.description.block_nbytes), missing)


def lost_blocks(source: ByteSource, parity: Parity) -> list[int]:
    """The blocks that are not as they were, or cannot be read."""
    return list(_others(source, parity))


def _others(source: ByteSource, parity: Parity) -> Iterator[int]:
    for number, checksum in enumerate(parity.checksums):
        block = _block(source, parity.description, number)
        if block is None or zlib_ng.crc32(block) != checksum:
            yield number


def _block(source: ByteSource, description: Description, number: int) -> bytes | None:
    """A block; None where the disk no longer gives it."""
    size = description.block_nbytes
    nbytes = min(size, description.nbytes - number * size)
    try:
        return source.read(number * size, nbytes)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return None


def rebuilt(source: ByteSource, parity: Parity, lost: Sequence[int]) -> Rebuilt | None:
    """The checkpoint with its lost blocks given back; None where they are too many.

    Args:
        source: as the file is, every block in its place.
        parity: of the checkpoint.
        lost: the numbers of the blocks that are not as they were.
    """
    columns = parity.description.columns
    if len({number % columns for number in lost}) < len(lost):
        return None
    blocks: dict[int, bytes] = {}
    for number in lost:
        block = _given_back(source, parity, number)
        if block is None or zlib_ng.crc32(block) != parity.checksums[number]:
            return None
        blocks[number] = block
    return Rebuilt(source, blocks, parity.description)


def _given_back(source: ByteSource, parity: Parity, number: int) -> bytes | None:
    """A block, from all others of its column and their XOR."""
    description = parity.description
    size, column = description.block_nbytes, number % description.columns
    total = int.from_bytes(parity.column_bytes[column * size : (column + 1) * size], "little")
    for other in range(column, description.blocks, description.columns):
        if other != number:
            block = _block(source, description, other)
            if block is None:
                return None
            total ^= int.from_bytes(block, "little")
    nbytes = min(size, description.nbytes - number * size)
    if total >> 8 * nbytes:
        return None
    return total.to_bytes(nbytes, "little")
