"""The bytes of an archive beside its records, written anew from what they say twice.

Name, size, checksum and place of a record stand in the directory, and again in its header, in the
descriptor behind it, or in where the next one begins; all else is the same for all records. So an
archive can be written anew from either side, and where it differs from the file in one bit, that
bit is wrong. Archives of which this is not true, by writers that leave gaps or over 4 GB, have no
skeleton here.

Source: PKWARE APPNOTE 6.3.10, section 4.3; ``caffe2/serialize/inline_container.cc`` of PyTorch for
the padding.
"""

from __future__ import annotations

import itertools
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.zip.end import find_directory
from ckptdoctor.formats.zip.records import HAS_DESCRIPTOR, LOCAL, LOCAL_MAGIC, STORED

__all__ = ["Bone", "Skeleton", "skeletons"]

_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_CENTRAL_MAGIC, _DESCRIPTOR_MAGIC = b"PK\x01\x02", b"PK\x07\x08"
_END, _END_MAGIC = struct.Struct("<4sHHHHIIH"), b"PK\x05\x06"
_END64, _LOCATOR64 = struct.Struct("<4sQHHIIQQQQ"), struct.Struct("<4sIQI")
_END64_NBYTES = 44  # what the size of the record does not count: its magic and itself
_WRITERS = ((798, 45), (45, 45))  # miniz in torch, Python's zipfile
_PADDING = b"FB"
_SEARCH_NBYTES = 1 << 20
_MOST_RECORDS = 200_000
_MOST_DIFFERENCES = 8
_ALL_ONES = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Bone:
    """One record, as one side of the archive tells it.

    Attributes:
        name: its bytes.
        header: where its header begins.
        offset: its first byte.
        nbytes: how many.
        crc32: of them.
        end: where what belongs to it ends.
    """

    name: bytes
    header: int
    offset: int
    nbytes: int
    crc32: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """What one side tells, and in which bits the file says otherwise.

    Attributes:
        bones: the records in their order.
        differing: file offset and bits of each byte that is not as it should be; never more than
            a few.
    """

    bones: tuple[Bone, ...]
    differing: tuple[tuple[int, int], ...]


def skeletons(source: ByteSource) -> Iterator[Skeleton]:
    """What the directory tells of the archive, and what the records do; none, one or both."""
    for bones in (_by_directory(source), _by_records(source)):
        if bones:
            differing = itertools.islice(_differing(source, bones), _MOST_DIFFERENCES)
            yield Skeleton(bones=tuple(bones), differing=tuple(differing))


# -- from either side ----------------------------------------------------------------------------


def _by_directory(source: ByteSource) -> list[Bone]:
    place = find_directory(source)
    if place is None or place.offset + place.nbytes > source.nbytes:
        return []
    entries = list(_entries(source.read(place.offset, place.nbytes)))
    if not entries or len(entries) > _MOST_RECORDS or entries[0][3] != 0:
        return []
    bounds = [*(header for *_, header in entries), place.offset]
    spans = list(zip(entries, itertools.pairwise(bounds), strict=True))
    behind = Counter(_behind(source, entry, end) for entry, (_, end) in spans).most_common(1)[0][0]
    return [
        Bone(
            name=name,
            header=start,
            offset=end - behind - nbytes,
            nbytes=nbytes,
            crc32=crc32,
            end=end,
        )
        for (name, crc32, nbytes, _), (start, end) in spans
        if end - behind - nbytes >= start + LOCAL.size + len(name)
    ]


def _entries(data: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    """Name, checksum, size and place of the header of each record of a directory."""
    at = 0
    while at + _CENTRAL.size <= len(data):
        fields = _CENTRAL.unpack_from(data, at)
        name = data[at + _CENTRAL.size : at + _CENTRAL.size + fields[10]]
        yield name, fields[7], fields[9], fields[16]
        at += _CENTRAL.size + sum(fields[10:13])


def _behind(source: ByteSource, entry: tuple[bytes, int, int, int], end: int) -> int:
    """Bytes of the descriptor behind a record, as its header and the next one have it."""
    _, _, nbytes, header = entry
    local = source.read(header, LOCAL.size)
    if len(local) < LOCAL.size:
        return 0
    name_nbytes, extra_nbytes = LOCAL.unpack(local)[9:11]
    return end - (header + LOCAL.size + int(name_nbytes) + int(extra_nbytes) + nbytes)


def _by_records(source: ByteSource) -> list[Bone]:
    bones: list[Bone] = []
    at = 0
    while len(bones) < _MOST_RECORDS:
        raw = source.read(at, LOCAL.size)
        if len(raw) < LOCAL.size or raw[:4] != LOCAL_MAGIC:
            break
        _, _, flags, _, _, _, crc32, _, nbytes, name_nbytes, extra_nbytes = LOCAL.unpack(raw)
        name = source.read(at + LOCAL.size, name_nbytes)
        offset = at + LOCAL.size + name_nbytes + extra_nbytes
        end = offset + nbytes
        if flags & HAS_DESCRIPTOR:
            found = _descriptor(source, offset)
            if found is None:
                return []
            crc32, nbytes, end = found
        bones.append(Bone(name=name, header=at, offset=offset, nbytes=nbytes, crc32=crc32, end=end))
        at = end
    return bones


def _descriptor(source: ByteSource, start: int) -> tuple[int, int, int] | None:
    """Checksum and size of the record that begins at ``start``, and where its descriptor ends."""
    at = start
    while True:
        window = source.read(at, _SEARCH_NBYTES)
        where = window.find(_DESCRIPTOR_MAGIC)
        while where >= 0:
            for form in ("<4sIII", "<4sIQQ"):
                size = struct.calcsize(form)
                raw = source.read(at + where, size)
                if len(raw) == size and struct.unpack(form, raw)[2] == at + where - start:
                    return struct.unpack(form, raw)[1], at + where - start, at + where + size
            where = window.find(_DESCRIPTOR_MAGIC, where + 1)
        if len(window) < _SEARCH_NBYTES:
            return None
        at += len(window) - len(_DESCRIPTOR_MAGIC) + 1


# -- written anew --------------------------------------------------------------------------------


def _differing(source: ByteSource, bones: Sequence[Bone]) -> Iterator[tuple[int, int]]:
    """Offset and bits of each byte that differs from what the records make of it."""
    at = 0
    for offset, expected in _written(source, bones):
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


def _written(source: ByteSource, bones: Sequence[Bone]) -> Iterator[tuple[int, bytes]]:
    """The pieces beside the records, in their order, with their place."""
    locals_ = [source.read(bone.header, LOCAL.size) for bone in bones]
    start = bones[-1].end
    plain, padded = (_centrals(source, bones, start, padded=padded) for padded in (False, True))
    both = sum(map(_is_entry, padded)) > sum(map(_is_entry, plain))
    style = _Style.of(bones, locals_, padded if both else plain)
    headers = [style.header(source, bone) for bone in bones]
    for bone, header in zip(bones, headers, strict=True):
        yield bone.header, header
        if bone.end > bone.offset + bone.nbytes:
            yield bone.offset + bone.nbytes, _descriptor_of(bone)
    entries = b"".join(
        style.entry(bone, header[LOCAL.size + len(bone.name) :] if both else b"")
        for bone, header in zip(bones, headers, strict=True)
    )
    yield start, entries
    yield start + len(entries), _ends(source, len(bones), start, len(entries))


def _centrals(
    source: ByteSource, bones: Sequence[Bone], start: int, *, padded: bool
) -> list[bytes]:
    """The entries of the directory, as if each were as long as it should be.

    Args:
        source: the archive.
        bones: its records.
        start: of the directory.
        padded: whether entries have the padding of the headers, as Python's zipfile writes it.
    """
    sizes = [
        _CENTRAL.size
        + len(bone.name)
        + (bone.offset - bone.header - LOCAL.size - len(bone.name) if padded else 0)
        for bone in bones
    ]
    data = source.read(start, sum(sizes))
    places = itertools.accumulate(sizes[:-1], initial=0)
    return [data[at : at + _CENTRAL.size] for at in places]


def _is_entry(raw: bytes) -> bool:
    return raw[:4] == _CENTRAL_MAGIC


def _descriptor_of(bone: Bone) -> bytes:
    form = (
        "<4sIII" if bone.end - bone.offset - bone.nbytes == struct.calcsize("<4sIII") else "<4sIQQ"
    )
    return struct.pack(form, _DESCRIPTOR_MAGIC, bone.crc32, bone.nbytes, bone.nbytes)


@dataclass(frozen=True, slots=True)
class _Style:
    """What is the same for all records of an archive, by the most of them.

    Attributes:
        shared: version needed, flags, time and date.
        made_by: the version in the directory.
        attributes: disk, inner and outer attributes.
        told: whether headers tell checksum and size themselves.
    """

    shared: tuple[int, int, int, int]
    made_by: int
    attributes: tuple[int, int, int]
    told: bool

    @classmethod
    def of(
        cls, bones: Sequence[Bone], locals_: Iterable[bytes], centrals: Iterable[bytes]
    ) -> _Style:
        """The style of an archive."""
        ours = [LOCAL.unpack(raw) for raw in locals_ if len(raw) == LOCAL.size]
        theirs = [_CENTRAL.unpack(raw) for raw in centrals if len(raw) == _CENTRAL.size]
        both = [(one[1], one[2], one[4], one[5]) for one in ours]
        both += [(one[2], one[3], one[5], one[6]) for one in theirs]
        sizes = [
            one[8] == bone.nbytes for one, bone in zip(ours, bones, strict=False) if bone.nbytes
        ]
        needed, flags, time, date = (_most(column) for column in zip(*both, strict=True))
        return cls(
            (needed, flags, time, date),
            _most([one[1] for one in theirs]),
            (
                _most([one[13] for one in theirs]),
                _most([one[14] for one in theirs]),
                _most([one[15] for one in theirs]),
            ),
            2 * sum(sizes) > len(sizes),
        )

    def header(self, source: ByteSource, bone: Bone) -> bytes:
        """What stands before a record."""
        needed, flags, time, date = self.shared
        crc32, nbytes = (bone.crc32, bone.nbytes) if self.told else (0, 0)
        start = bone.header + LOCAL.size + len(bone.name)
        extra = bone.offset - start
        fixed = LOCAL.pack(
            *(LOCAL_MAGIC, needed, flags, STORED, time, date, crc32, nbytes, nbytes),
            *(len(bone.name), extra & 0xFFFF),
        )
        return fixed + bone.name + _padding(source.read(start, min(extra, 0xFFFF)))

    def entry(self, bone: Bone, extra: bytes) -> bytes:
        """What stands in the directory."""
        needed, flags, time, date = self.shared
        disk, inner, outer = self.attributes
        fixed = _CENTRAL.pack(
            *(_CENTRAL_MAGIC, self.made_by, needed, flags, STORED, time, date, bone.crc32),
            *(min(bone.nbytes, _ALL_ONES), min(bone.nbytes, _ALL_ONES), len(bone.name)),
            *(len(extra), 0),
            *(disk, inner, outer, min(bone.header, _ALL_ONES)),
        )
        return fixed + bone.name + extra


def _most(values: Sequence[int]) -> int:
    return Counter(values).most_common(1)[0][0] if values else 0


def _padding(found: bytes) -> bytes:
    """The extra field that aligns a record, if it is one but for a bit; else as it is."""
    if len(found) < 4:
        return found
    fill = _most(found[4:])
    expected = _PADDING + struct.pack("<H", len(found) - 4) + bytes([fill]) * (len(found) - 4)
    wrong = sum((one ^ other).bit_count() for one, other in zip(found, expected, strict=True))
    return expected if wrong <= 1 else found


def _ends(source: ByteSource, count: int, start: int, nbytes: int) -> bytes:
    """The end records behind a directory."""
    end = start + nbytes
    last = _END.pack(*(_END_MAGIC, 0, 0, min(count, 0xFFFF), min(count, 0xFFFF)), nbytes, start, 0)
    if source.nbytes - end == _END.size:
        return last
    made_by, needed = _versions(source.read(end + 12, 4).ljust(4, b"\0"))
    wide = _END64.pack(
        *(b"PK\x06\x06", _END64_NBYTES, made_by, needed, 0, 0, count, count, nbytes, start)
    )
    return wide + _LOCATOR64.pack(b"PK\x06\x07", 0, end, 1) + last


def _versions(found: bytes) -> tuple[int, int]:
    """By which version the zip64 record was made and needs to be read, of one of two writers."""
    for pair in _WRITERS:
        known = struct.pack("<HH", *pair)
        if sum((one ^ other).bit_count() for one, other in zip(found, known, strict=True)) <= 1:
            return pair
    made_by, needed = struct.unpack("<HH", found)
    return made_by, needed
