"""The byte order that a zip checkpoint says its storages have."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.zip.records import ZipDirectory, ZipRecord
from ckptdoctor.formats.zip.serialization_id import folded

__all__ = ["byteorder_of"]

Find = Callable[[str], ZipRecord | None]
Open = Callable[[ZipRecord], ByteSource]


def byteorder_of(directory: ZipDirectory, find: Find, open_record: Open) -> str:
    """``little`` or ``big``; what is odd about it becomes a problem of the directory.

    Args:
        directory: of the archive.
        find: the record of a name inside the archive's folder.
        open_record: its plain bytes.
    """
    record = find("byteorder")
    if record is None:
        return "little"
    stored = open_record(record).read(0, 16).decode("ascii", "replace")
    if stored == "little":
        return "little"
    if stored != "big":
        directory.add_problem(
            "CD104", record.name, f"the byte order {stored!r}, which torch does not know"
        )
        return "little"
    crc32s = [zlib.crc32(b"little") if each is record else each.crc32 for each in directory.records]
    identity = find(".data/serialization_id")
    if identity is not None and _has_id(directory, identity, crc32s, open_record):
        directory.add_problem(
            "CD104",
            record.name,
            "the byte order was changed to 'big' after the file was written as 'little'",
        )
    return stored


def _has_id(
    directory: ZipDirectory, identity: ZipRecord, crc32s: list[int], open_record: Open
) -> bool:
    """Whether the archive's id is that of records with these checksums."""
    pairs = zip(directory.records, crc32s, strict=True)
    others = folded(crc32 for each, crc32 in pairs if each is not identity)
    return open_record(identity).read(20, 20) == others
