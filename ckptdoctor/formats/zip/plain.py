"""The bytes of a zip record as they were before it was written."""

from __future__ import annotations

import zlib
from pathlib import Path

from ckptdoctor.errors import CorruptCheckpointError, LimitExceededError
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.source import ByteSource, MemorySource, PartSource
from ckptdoctor.formats.zip.records import DEFLATED, ZipRecord

__all__ = ["plain_source"]

_MAX_INFLATION = 1100  # deflate cannot do better than 1 : 1032
_HELD_NBYTES = 64 << 20


def plain_source(path: Path, archive: ByteSource, record: ZipRecord, limits: Limits) -> ByteSource:
    """The plain bytes of a record: in place where stored, in memory where deflated.

    Args:
        path: of the file, for messages.
        archive: the bytes that the record lies in.
        record: as the directory describes it.
        limits: bounds on what is held in memory.

    Raises:
        LimitExceededError: it claims to inflate to more than it can, or than may be held.
        CorruptCheckpointError: it cannot be inflated.
    """
    if record.method != DEFLATED:
        return PartSource(archive, record.offset, record.stored_nbytes)
    at = (archive.file_offset or 0) + record.offset
    plausible = record.nbytes <= record.stored_nbytes * _MAX_INFLATION + 64
    held = max(record.nbytes, record.stored_nbytes)
    explained = max(_HELD_NBYTES, 16 * record.stored_nbytes)
    if not plausible or held > min(explained, limits.metadata_nbytes):
        raise LimitExceededError(
            path, f"{record.name!r} claims to inflate to {record.nbytes} bytes", offset=at
        )
    packed = archive.read(record.offset, record.stored_nbytes)
    try:
        plain = zlib.decompressobj(-15).decompress(packed, max(1, record.nbytes))
    except zlib.error as error:
        raise CorruptCheckpointError(
            path, f"{record.name!r} cannot be inflated: {error}", offset=at
        ) from error
    return MemorySource(plain)
