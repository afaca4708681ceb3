"""The records of a zip archive that lost its directory, found by their local headers.

Source: PKWARE APPNOTE 6.3.10, section 4.3.
"""

from __future__ import annotations

from collections.abc import Callable

from ckptdoctor.formats.source import FileSource
from ckptdoctor.formats.zip_records import (
    DEFLATED,
    DESCRIPTOR,
    DESCRIPTOR64,
    DESCRIPTOR_MAGIC,
    ENCRYPTED,
    HAS_DESCRIPTOR,
    HEADER_GUESS_NBYTES,
    LOCAL,
    LOCAL_MAGIC,
    STORED,
    ZipDirectory,
    ZipRecord,
)

__all__ = ["walk_headers"]

_SEARCH_NBYTES = 1 << 20

SizeHint = Callable[[str, int], int | None]
"""(name, offset of the data) -> size of a record whose header does not tell it."""


def walk_headers(source: FileSource, size_of: SizeHint) -> ZipDirectory:
    """The records of an archive that lost its directory, found by their local headers.

    Only whole records are returned. A record that the file cuts is a CD102 problem.

    Args:
        source: the file.
        size_of: asked for the size of each record that leaves it to its descriptor.
    """
    directory = ZipDirectory()
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
        offset = at + LOCAL.size + name_nbytes + extra_nbytes
        if flags & HAS_DESCRIPTOR:
            hint = size_of(name, offset)
            found = _by_descriptor(source, offset, hint)
            fits = hint is not None and offset + hint <= source.nbytes
            if found is None and hint is not None and fits and method == STORED:
                found = 0, hint, hint, source.nbytes  # whole; only its checksum was cut off
            if found is None:
                directory.add_problem(
                    "CD102", name, "the file ends inside this record", offset=offset
                )
                break
            crc32, stored, nbytes, at = found
        else:
            at = offset + stored
            if at > source.nbytes:
                directory.add_problem(
                    "CD102", name, "the file ends inside this record", offset=offset
                )
                break
        if method in (STORED, DEFLATED) and not flags & ENCRYPTED:
            directory.records.append(ZipRecord(name, method, crc32, stored, nbytes, offset))
    return directory


def _by_descriptor(
    source: FileSource, offset: int, hint: int | None
) -> tuple[int, int, int, int] | None:
    """crc32, stored size, size, and the offset behind the descriptor of a record at ``offset``."""
    if hint is not None:
        found = _descriptor_at(source, offset, offset + hint)
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


def _descriptor_at(source: FileSource, start: int, at: int) -> tuple[int, int, int, int] | None:
    """The descriptor at ``at``, if it describes the bytes from ``start`` up to itself."""
    raw = source.read(at, DESCRIPTOR64.size)
    if raw[:4] != DESCRIPTOR_MAGIC:
        return None
    for layout in (DESCRIPTOR, DESCRIPTOR64):
        if len(raw) >= layout.size:
            _, crc32, stored_nbytes, nbytes = layout.unpack_from(raw)
            if stored_nbytes == at - start:
                return crc32, stored_nbytes, nbytes, at + layout.size
    return None
