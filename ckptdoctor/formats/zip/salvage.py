"""The records of a zip archive that lost its directory, found by their local headers.

Source: PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header) and 4.3.9 (data descriptor).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from ckptdoctor.formats.member_names import odd_names
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.zip.records import (
    DEFLATED,
    ENCRYPTED,
    HAS_DESCRIPTOR,
    HEADER_GUESS_NBYTES,
    LOCAL,
    LOCAL_MAGIC,
    STORED,
    ZipDirectory,
    ZipRecord,
    wide_sizes,
)

__all__ = ["walk_headers"]

DESCRIPTOR_MAGIC = b"PK\x07\x08"

_DESCRIPTOR = struct.Struct("<4sIII")
_DESCRIPTOR64 = struct.Struct("<4sIQQ")
_SEARCH_NBYTES = 1 << 20

SizeHint = Callable[[str, int], int | None]
"""(name, offset of the data) -> size of a record whose header does not tell it."""


def walk_headers(source: ByteSource, size_of: SizeHint) -> ZipDirectory:
    """The records of an archive that lost its directory, found by their local headers.

    Only whole records are returned. A record that the file cuts is a CD102 problem.

    Args:
        source: the file.
        size_of: asked for the size of each record that leaves it to its descriptor.
    """
    directory = ZipDirectory()
    names: list[str] = []
    at = 0
    while at + LOCAL.size <= source.nbytes:
        header = source.read(at, HEADER_GUESS_NBYTES)
        if header[:4] != LOCAL_MAGIC:
            break
        fields = LOCAL.unpack_from(header)
        flags, method, crc32, stored, nbytes, name_nbytes, extra_nbytes = (
            fields[2],
            fields[3],
            *fields[6:11],
        )
        name = source.read(at + LOCAL.size, name_nbytes).decode("utf-8", "replace")
        names.append(name)
        offset = at + LOCAL.size + name_nbytes + extra_nbytes
        if 0xFFFF_FFFF in (stored, nbytes):
            extra = source.read(offset - extra_nbytes, extra_nbytes)
            nbytes, stored = wide_sizes(extra, nbytes, stored)
        found: tuple[int, int, int, int] | None = crc32, stored, nbytes, offset + stored
        if flags & HAS_DESCRIPTOR:
            found = _by_descriptor(source, offset, size_of(name, offset))
        if found is None or found[3] > source.nbytes:
            directory.add_problem("CD102", name, "the file ends inside this record", offset=offset)
            there = max(0, source.nbytes - offset)
            directory.cut = ZipRecord(name, method, 0, there, there, offset)
            break
        crc32, stored, nbytes, at = found
        if method in (STORED, DEFLATED) and not flags & ENCRYPTED:
            directory.records.append(ZipRecord(name, method, crc32, stored, nbytes, offset))
    directory.problems += odd_names(names)
    return directory


def _by_descriptor(
    source: ByteSource, offset: int, hint: int | None
) -> tuple[int, int, int, int] | None:
    """crc32, stored size, size, and the offset behind the descriptor of a record at ``offset``."""
    if hint is not None:
        found = _descriptor_at(source, offset, offset + hint)
        if found is None:
            found = _cut_descriptor_at(source, offset, offset + hint)
        if found is not None:
            return found
    at = offset
    while at < source.nbytes:
        window = source.read(at, _SEARCH_NBYTES)
        where = window.find(DESCRIPTOR_MAGIC)
        while where >= 0:
            found = _descriptor_at(source, offset, at + where)
            if found is not None:
                return found
            where = window.find(DESCRIPTOR_MAGIC, where + 1)
        if len(window) < _SEARCH_NBYTES:
            return None
        at += len(window) - len(DESCRIPTOR_MAGIC) + 1
    return None


def _cut_descriptor_at(source: ByteSource, start: int, at: int) -> tuple[int, int, int, int] | None:
    """What the pickle says of a record, if the file ends inside the descriptor at ``at``.

    The bytes are all there. The checksum may not be: it is told as 0, for none.
    """
    nbytes = at - start
    raw = source.read(at, _DESCRIPTOR64.size)
    if not 0 <= nbytes <= source.nbytes - start or len(raw) == _DESCRIPTOR64.size:
        return None
    crc32 = raw[4:8] if len(raw) >= 8 else bytes(4)
    for layout in (_DESCRIPTOR, _DESCRIPTOR64):
        whole = bytearray(layout.pack(DESCRIPTOR_MAGIC, 0, nbytes, nbytes))
        whole[4:8] = raw[4:8].ljust(4, b"\0")
        if whole.startswith(raw):
            return int.from_bytes(crc32, "little"), nbytes, nbytes, source.nbytes
    return None


def _descriptor_at(source: ByteSource, start: int, at: int) -> tuple[int, int, int, int] | None:
    """The descriptor at ``at``, if it describes the bytes from ``start`` up to itself."""
    raw = source.read(at, _DESCRIPTOR64.size)
    if raw[:4] != DESCRIPTOR_MAGIC:
        return None
    for layout in (_DESCRIPTOR, _DESCRIPTOR64):
        if len(raw) >= layout.size:
            _, crc32, stored_nbytes, nbytes = layout.unpack_from(raw)
            if stored_nbytes == at - start:
                return crc32, stored_nbytes, nbytes, at + layout.size
    return None
