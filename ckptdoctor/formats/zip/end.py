"""The records at the end of a zip archive, which tell where its directory is.

Two of them say the same, the zip64 record in wider fields, and a third says where that one is.
torch refuses an archive in which they disagree, so what they disagree about is reported.

Source: PKWARE APPNOTE 6.3.10, sections 4.3.14 to 4.3.16, and 4.4.1.4 (fields of all ones).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ckptdoctor.formats.source import ByteSource
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["DirectoryPlace", "find_directory"]

_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<4sIQI")
_END_MAGIC = b"PK\x05\x06"
_MAX_COMMENT = 65_535
_SIZE_FIELD_NBYTES = 12  # the size of a zip64 record does not count its magic and itself


@dataclass(frozen=True, slots=True)
class DirectoryPlace:
    """Where the directory is.

    Attributes:
        offset: its first byte in the file.
        nbytes: its size.
        count: how many entries it holds.
        contradictions: what the end records disagree about, each a clause.
        behind: bytes of the file behind the end record and its comment.
    """

    offset: int
    nbytes: int
    count: int
    contradictions: tuple[str, ...]
    behind: int


@dataclass(frozen=True, slots=True)
class _End:
    """One end record; both kinds have these fields."""

    disk: int
    directory_disk: int
    count_here: int
    count: int
    nbytes: int
    offset: int


def find_directory(source: ByteSource) -> DirectoryPlace | None:
    """Where the directory is, or None where the file has no end record."""
    tail_nbytes = min(source.nbytes, _END.size + _MAX_COMMENT + _LOCATOR64.size)
    tail_offset = source.nbytes - tail_nbytes
    tail = source.read(tail_offset, tail_nbytes)
    at = tail.rfind(_END_MAGIC)
    if at < 0 or at + _END.size > len(tail):
        return None
    *fields, comment_nbytes = _END.unpack_from(tail, at)[1:]
    narrow = _End(*fields)
    start = tail_offset + at
    end, contradictions = narrow, list(_of_one(narrow))
    at64 = at - _LOCATOR64.size
    if at64 >= 0 and tail[at64 : at64 + 4] == b"PK\x06\x07":
        _, disk, offset, disks = _LOCATOR64.unpack_from(tail, at64)
        record = source.read(offset, _END64.size)
        if len(record) == _END64.size and record[:4] == b"PK\x06\x06":
            _, nbytes, _, _, *fields = _END64.unpack(record)
            end = _End(*fields)
            start = offset
            contradictions += _of_one(end)
            contradictions += _of_two(narrow, end)
            if offset + _SIZE_FIELD_NBYTES + nbytes != tail_offset + at64:
                contradictions.append("the zip64 record does not end where its locator starts")
        else:
            contradictions.append("the zip64 record is not where its locator says")
        if disk != 0 or disks != 1:
            contradictions.append(f"the locator counts {disks} disks")
    if _fits_before(tail, at):
        contradictions.append("the archive ends twice: two readers would see two archives")
    if end.offset + end.nbytes != start:
        contradictions.append("the directory does not end where its end record starts")
    return DirectoryPlace(
        offset=end.offset,
        nbytes=end.nbytes,
        count=end.count,
        contradictions=tuple(dict.fromkeys(contradictions)),
        behind=max(0, len(tail) - (at + _END.size + comment_nbytes)),
    )


def _fits_before(tail: bytes, last: int) -> bool:
    """Whether an end record before the last has it for its comment."""
    at = tail.find(_END_MAGIC)
    while 0 <= at < last:
        comment_nbytes = int.from_bytes(tail[at + _END.size - 2 : at + _END.size], "little")
        if at + _END.size + comment_nbytes == len(tail):
            return True
        at = tail.find(_END_MAGIC, at + 1)
    return False


def _of_one(end: _End) -> Iterator[str]:
    """What one record contradicts itself about."""
    if end.disk not in (0, 0xFFFF) or end.directory_disk not in (0, 0xFFFF):
        yield "an end record speaks of several disks"
    if end.count_here != end.count:
        yield f"an end record counts {end.count_here} entries and {end.count}"


def _of_two(narrow: _End, wide: _End) -> Iterator[str]:
    """What the two records disagree about; a narrow field of all ones leaves it to the wide one."""
    for what, ours, theirs, deferred in (
        ("number of entries", narrow.count, wide.count, 0xFFFF),
        ("size of the directory", narrow.nbytes, wide.nbytes, 0xFFFF_FFFF),
        ("offset of the directory", narrow.offset, wide.offset, 0xFFFF_FFFF),
    ):
        if ours not in (theirs, deferred):
            yield f"the end records disagree about the {what}"
