"""The records of an archive as either of its two sides tells them, and where the file differs.

Name, size, checksum and place of a record stand in the directory, and again in its header, in the
descriptor behind it, or in where the next one begins. So an archive can be written anew from either
side, and where it differs from the file in one bit, that bit is wrong. Archives of which this is
not true, by writers that leave gaps, have no skeleton here.

Source: PKWARE APPNOTE 6.3.10, section 4.3.
"""

from __future__ import annotations

import itertools
import struct
from collections import Counter
from collections.abc import Iterator, Sequence

from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.zip.anew import Written, is_wide, written_anew
from ckptdoctor.formats.zip.end import find_directory
from ckptdoctor.formats.zip.records import HAS_DESCRIPTOR, LOCAL, LOCAL_MAGIC, Bone, wide_sizes
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Skeleton", "skeletons"]

_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_DESCRIPTOR_MAGIC = b"PK\x07\x08"
_NARROW, _WIDE = "<4sIII", "<4sIQQ"
_SIZES = struct.calcsize(_NARROW), struct.calcsize(_WIDE)
_NEXT = b"PK"  # of whatever follows a descriptor
_SEARCH_NBYTES = 1 << 20
_MOST_BESIDE_NBYTES, _MOST_ALONE_NBYTES = 1 << 26, 1 << 33  # searched where a directory is, or none
_MOST_RECORDS = 200_000
_MOST_DIFFERENCES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """What one side tells, and in which bits the file says otherwise.

    Attributes:
        bones: the records in their order.
        differing: file offset and bits of each byte that is not as it should be; never more than
            a few.
        by_program: whether a writer that knows no files wrote it, so that nothing may differ.
    """

    bones: tuple[Bone, ...]
    differing: tuple[tuple[int, int], ...]
    by_program: bool


def skeletons(source: ByteSource) -> Iterator[Skeleton]:
    """What the directory tells of the archive, and what the records do; none, or several."""
    listed = _by_directory(source)
    found = list(_skeleton(source, listed, by_directory=True))
    yield from found
    recorded = list(_skeleton(source, _by_records(source, listed), by_directory=False))
    yield from recorded
    if all(len(one.differing) > 1 for one in (*found, *recorded)):  # the directory misled
        yield from _skeleton(source, _by_records(source, ()), by_directory=False)


def _skeleton(
    source: ByteSource, bones: Sequence[Bone], *, by_directory: bool
) -> Iterator[Skeleton]:
    if not bones:
        return
    written = written_anew(source, bones, by_directory=by_directory)
    differing = itertools.islice(_differing(source, written), _MOST_DIFFERENCES)
    yield Skeleton(bones=tuple(bones), differing=tuple(differing), by_program=written.by_program)


def _differing(source: ByteSource, written: Written) -> Iterator[tuple[int, int]]:
    """Offset and bits of each byte that differs from what the records make of it."""
    at = 0
    for offset, expected in written.pieces:
        if offset < at:
            yield offset, 0xFF
            return
        actual = source.read(offset, len(expected))
        if len(actual) != len(expected):
            yield offset, 0xFF
            return
        if actual != expected:
            pairs = enumerate(zip(actual, expected, strict=True))
            yield from (
                (offset + place, one ^ other) for place, (one, other) in pairs if one != other
            )
        at = offset + len(expected)
    if at != source.nbytes:
        yield at, 0xFF


# -- from the directory --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record as the directory has it."""

    name: bytes
    method: int
    crc32: int
    stored_nbytes: int
    nbytes: int
    header: int

    @property
    def is_wide(self) -> bool:
        return is_wide(self.stored_nbytes, self.nbytes, self.header)


def _by_directory(source: ByteSource) -> list[Bone]:
    place = find_directory(source)
    if place is None or place.offset + place.nbytes > source.nbytes:
        return []
    entries = list(_entries(source.read(place.offset, place.nbytes)))
    if not entries or len(entries) > _MOST_RECORDS or entries[0].header != 0:
        return []
    bounds = [*(entry.header for entry in entries), place.offset]
    spans = list(zip(entries, itertools.pairwise(bounds), strict=True))
    more = struct.calcsize(_WIDE) - struct.calcsize(_NARROW)
    behind = Counter(
        _behind(source, one, end) - (more if one.is_wide else 0) for one, (_, end) in spans
    )
    narrow = max(0, behind.most_common(1)[0][0])
    bones = []
    for entry, (start, end) in spans:
        descriptor = narrow + (more if narrow and entry.is_wide else 0)
        offset = end - descriptor - entry.stored_nbytes
        if offset >= start + LOCAL.size + len(entry.name):
            bones.append(
                Bone(
                    name=entry.name,
                    header=start,
                    offset=offset,
                    method=entry.method,
                    stored_nbytes=entry.stored_nbytes,
                    nbytes=entry.nbytes,
                    crc32=entry.crc32,
                    end=end,
                )
            )
    return bones


def _entries(data: bytes) -> Iterator[_Entry]:
    at = 0
    while at + _CENTRAL.size <= len(data):
        fields = _CENTRAL.unpack_from(data, at)
        name_at = at + _CENTRAL.size
        extra_at = name_at + fields[10]
        nbytes, stored_nbytes, header = wide_sizes(
            data[extra_at : extra_at + fields[11]], fields[9], fields[8], fields[16]
        )
        yield _Entry(data[name_at:extra_at], fields[4], fields[7], stored_nbytes, nbytes, header)
        at = name_at + sum(fields[10:13])


def _behind(source: ByteSource, entry: _Entry, end: int) -> int:
    """Bytes of the descriptor behind a record, as its header and the next one have it."""
    local = source.read(entry.header, LOCAL.size)
    if len(local) < LOCAL.size:
        return 0
    name_nbytes, extra_nbytes = LOCAL.unpack(local)[9:11]
    start = entry.header + LOCAL.size + int(name_nbytes) + int(extra_nbytes)
    return end - (start + entry.stored_nbytes)


# -- from the records ----------------------------------------------------------------------------


def _by_records(source: ByteSource, listed: Sequence[Bone]) -> list[Bone]:
    """The records as their headers and descriptors have them.

    Args:
        source: the archive.
        listed: as the directory has them: where to look for a descriptor first.
    """
    known = {
        bone.header: (bone.offset + bone.stored_nbytes, *(bone.end - size for size in _SIZES))
        for bone in listed
    }
    bones: list[Bone] = []
    at = 0
    while len(bones) < _MOST_RECORDS:
        raw = source.read(at, LOCAL.size)
        if len(raw) < LOCAL.size or raw[:4] != LOCAL_MAGIC:
            break
        fields = LOCAL.unpack(raw)
        flags, method, crc32, stored_nbytes, nbytes, name_nbytes = (
            *(fields[2], fields[3]),
            *fields[6:10],
        )
        name = source.read(at + LOCAL.size, name_nbytes)
        offset = at + LOCAL.size + name_nbytes + fields[10]
        extra = source.read(at + LOCAL.size + name_nbytes, fields[10])
        nbytes, stored_nbytes = wide_sizes(extra, nbytes, stored_nbytes)
        end = offset + stored_nbytes
        if flags & HAS_DESCRIPTOR:
            found = _descriptor(source, offset, known.get(at, ()))
            if found is None:
                return []
            crc32, stored_nbytes, nbytes, end = found
        bones.append(
            Bone(
                name=name,
                header=at,
                offset=offset,
                method=method,
                stored_nbytes=stored_nbytes,
                nbytes=nbytes,
                crc32=crc32,
                end=end,
            )
        )
        at = end
    return bones


_Descriptor = tuple[int, int, int, int]
"""Checksum, size in the archive, size of the plain bytes, and where the descriptor ends."""


def _descriptor(source: ByteSource, start: int, likely: Sequence[int]) -> _Descriptor | None:
    """That of the record that begins at ``start``.

    Args:
        source: the archive.
        start: of the record.
        likely: where the directory would have it.
    """
    for place in likely:
        if place >= start and (found := _descriptor_at(source, start, place)) is not None:
            return found
    most = _MOST_BESIDE_NBYTES if likely else _MOST_ALONE_NBYTES
    at = start
    while at - start < most:
        window = source.read(at, _SEARCH_NBYTES)
        where = window.find(_DESCRIPTOR_MAGIC)
        while where >= 0:
            found = _descriptor_at(source, start, at + where)
            if found is not None:
                return found
            where = window.find(_DESCRIPTOR_MAGIC, where + 1)
        if len(window) < _SEARCH_NBYTES:
            return None
        at += len(window) - len(_DESCRIPTOR_MAGIC) + 1
    return None


def _descriptor_at(source: ByteSource, start: int, at: int) -> _Descriptor | None:
    """The descriptor at a place, if it is that of the record that begins at ``start``."""
    found: _Descriptor | None = None
    for form in (_NARROW, _WIDE):
        raw = source.read(at, struct.calcsize(form) + len(_NEXT))
        if len(raw) < struct.calcsize(form) or raw[:4] != _DESCRIPTOR_MAGIC:
            continue
        _, crc32, stored_nbytes, nbytes = struct.unpack_from(form, raw)
        if stored_nbytes == at - start:
            end = at + struct.calcsize(form)
            if raw.endswith(_NEXT):
                return crc32, stored_nbytes, nbytes, end
            found = found or (crc32, stored_nbytes, nbytes, end)
    return found
