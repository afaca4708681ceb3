"""Where the checksums of an archive stand, so that bytes of a record can be replaced in place.

A record's CRC32 stands in the directory, in the descriptor behind its bytes, and in its header
where there is no descriptor; torch's id of the archive is a fold of them all.

Source: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.9 and 4.3.12.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.zip.end import find_directory
from ckptdoctor.formats.zip.records import LOCAL, LOCAL_MAGIC, STORED, wide_sizes
from ckptdoctor.formats.zip.serialization_id import folded
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["BytesAt", "PlacedRecord", "checksums", "placed_records"]

BytesAt = tuple[int, bytes]
"""A place in the archive, and the bytes that are to stand there."""

_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_CENTRAL_MAGIC = b"PK\x01\x02"
_DESCRIPTOR_MAGIC = b"PK\x07\x08"
_CRC_IN_CENTRAL, _CRC_IN_LOCAL, _CRC_IN_DESCRIPTOR = 16, 14, 4
_ID, _ID_NBYTES, _FOLD_NBYTES = "serialization_id", 40, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedRecord:
    """A record.

    Attributes:
        name: without the archive's folder: ``data/0``.
        offset: its first byte.
        nbytes: how many, in the archive.
        crc32: that is stored; 0 where none was computed.
        places: where that stands.
        method: 0 stored, 8 deflated.
    """

    name: str
    offset: int
    nbytes: int
    crc32: int
    places: tuple[int, ...]
    method: int = STORED


def placed_records(source: ByteSource, methods: Collection[int] = (STORED,)) -> list[PlacedRecord]:
    """The records of an archive in the order of its directory; [] where one is not as wanted.

    Args:
        source: the archive and nothing else.
        methods: how records may be packed.
    """
    place = find_directory(source)
    if place is None or place.contradictions:
        return []
    data = source.read(place.offset, place.nbytes)
    found = list(_records(source, data, place.offset))
    return found if len(found) == place.count and all(r.method in methods for r in found) else []


def _records(source: ByteSource, data: bytes, start: int) -> Iterator[PlacedRecord]:
    at = 0
    while at + _CENTRAL.size <= len(data) and data[at : at + 4] == _CENTRAL_MAGIC:
        fields = _CENTRAL.unpack_from(data, at)
        method, crc32, stored, nbytes = fields[4], *fields[7:10]
        name_nbytes, extra_nbytes, comment_nbytes, header = *fields[10:13], fields[16]
        name_at = at + _CENTRAL.size
        extra = data[name_at + name_nbytes : name_at + name_nbytes + extra_nbytes]
        _, stored, header = wide_sizes(extra, nbytes, stored, header)
        local = source.read(header, LOCAL.size)
        if len(local) < LOCAL.size or local[:4] != LOCAL_MAGIC:
            return
        offset = header + LOCAL.size + sum(LOCAL.unpack(local)[9:11])
        places = [start + at + _CRC_IN_CENTRAL]
        if LOCAL.unpack(local)[6]:
            places.append(header + _CRC_IN_LOCAL)
        if source.read(offset + stored, 4) == _DESCRIPTOR_MAGIC:
            places.append(offset + stored + _CRC_IN_DESCRIPTOR)
        name = data[name_at : name_at + name_nbytes].decode("utf-8", "replace")
        yield PlacedRecord(
            name=name.partition("/")[2],
            offset=offset,
            nbytes=stored,
            crc32=crc32,
            places=tuple(places),
            method=method,
        )
        at = name_at + name_nbytes + extra_nbytes + comment_nbytes


def checksums(
    source: ByteSource, records: Sequence[PlacedRecord], changed: Mapping[str, int]
) -> list[BytesAt]:
    """What is to stand where once records have other bytes.

    Args:
        source: the archive as it is.
        records: all of it.
        changed: the new CRC32 of each record that is changed, by its name.
    """
    known = all(record.crc32 for record in records)
    new = [
        replace(record, crc32=changed.get(record.name, record.crc32)) if record.crc32 else record
        for record in records
    ]
    patches: list[BytesAt] = []
    last = new[-1] if new else None
    if known and last is not None and last.name.endswith(_ID) and last.nbytes == _ID_NBYTES:
        fold = folded(record.crc32 for record in new[:-1])
        text = source.read(last.offset, _ID_NBYTES - _FOLD_NBYTES) + fold
        patches.append((last.offset, text))
        new[-1] = replace(last, crc32=zlib.crc32(text))
    for record, before in zip(new, records, strict=True):
        if record.crc32 != before.crc32:
            raw = struct.pack("<I", record.crc32)
            patches += [(at, raw) for at in record.places]
    return patches
