"""The checksums that records have now, each computed once; sources with bits flipped."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

from zlib_ng import zlib_ng

from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.zip.records import DEFLATED, Bone, ZipRecord
from ckptdoctor.recovery.draft import FilePatch
from ckptdoctor.recovery.patched import PatchedSource

__all__ = ["Sums", "with_bits"]

_CHUNK_NBYTES = 1 << 22


class Sums:
    """The checksums of an archive's records."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._known: dict[tuple[int, int], int] = {}

    def of(self, offset: int, nbytes: int) -> int:
        """The CRC32 of these bytes."""
        where = (offset, nbytes)
        if where not in self._known:
            found = 0
            for start in range(0, nbytes, _CHUNK_NBYTES):
                size = min(_CHUNK_NBYTES, nbytes - start)
                found = zlib_ng.crc32(self._source.read(offset + start, size), found)
            self._known[where] = found
        return self._known[where]

    def fits(self, record: ZipRecord | Bone) -> bool:
        """Whether a record has its checksum, or none is stored."""
        return not record.crc32 or self.now(record) == record.crc32

    def now(self, record: ZipRecord | Bone) -> int | None:
        """The CRC32 of a record's plain bytes; None where it does not inflate."""
        if record.method == DEFLATED:
            return self._inflated(record)
        return self.of(record.offset, record.nbytes)

    def fit_all(self, bones: Iterable[Bone]) -> bool:
        """Whether all records have the checksums that one side of the archive tells."""
        return all(map(self.fits, bones))

    def _inflated(self, record: ZipRecord | Bone) -> int | None:
        """The CRC32 of what a record inflates to; None where it does not."""
        inflater, found, left = zlib.decompressobj(-15), 0, record.nbytes
        try:
            for start in range(0, record.stored_nbytes, _CHUNK_NBYTES):
                size = min(_CHUNK_NBYTES, record.stored_nbytes - start)
                packed = self._source.read(record.offset + start, size)
                while packed and left >= 0:
                    plain = inflater.decompress(packed, _CHUNK_NBYTES)
                    found, left = zlib_ng.crc32(plain, found), left - len(plain)
                    packed = inflater.unconsumed_tail
        except zlib.error:
            return None
        return found if left == 0 else None


def with_bits(source: ByteSource, bits: Sequence[tuple[int, int]]) -> PatchedSource:
    """A source as it reads with some bits the other way round.

    Args:
        source: it.
        bits: offset and mask of each byte.
    """
    return PatchedSource(source, [_other(source, offset, mask) for offset, mask in bits])


def _other(source: ByteSource, offset: int, mask: int) -> FilePatch:
    new = bytes(byte ^ mask for byte in source.read(offset, 1))
    return FilePatch((source.file_offset or 0) + offset, 1, lambda start, end: new[start:end])
