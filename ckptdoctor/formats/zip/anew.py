"""The bytes of an archive beside its records, as its writer would write them.

Every field of a header but the last few of the directory stands twice, and where the two differ,
that of most records is right. What the directory alone tells is the same for all records only
where a program wrote them that knows no files, torch's or Python's ``zipfile`` with a date of 1980;
a packed folder may have any attributes.

Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.3; ``caffe2/serialize/inline_container.cc`` and
``third_party/miniz`` of PyTorch, ``zipfile.py`` of Python for what they write beyond 2 and 4 GB.
"""

from __future__ import annotations

import itertools
import struct
from collections import Counter
from collections.abc import Iterator, Sequence

from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.zip.records import LOCAL, LOCAL_MAGIC, Bone
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Written", "is_wide", "written_anew"]

_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_CENTRAL_MAGIC, _DESCRIPTOR_MAGIC = b"PK\x01\x02", b"PK\x07\x08"
_END, _END_MAGIC = struct.Struct("<4sHHHHIIH"), b"PK\x05\x06"
_END64, _LOCATOR64 = struct.Struct("<4sQHHIIQQQQ"), struct.Struct("<4sIQI")
_END64_NBYTES = 44  # what the size of the record does not count: its magic and itself
_VERSIONS = ((798, 45), (45, 45))  # of the zip64 record: miniz in torch, Python's zipfile
_PADDING, _WIDE = b"FB", 1
_ALL_ONES = 0xFFFF_FFFF
_LIMITS = (_ALL_ONES, 1 << 31)  # what miniz and Python's zipfile write in wide fields
_DATES = (0, 33)  # none, and the first of January 1980
_FOLDER = 1 << 4
_MOST_PADDINGS = 1000
_MOST_DIRECTORY_NBYTES = 1 << 28
_Fields = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What is to stand where.

    Attributes:
        pieces: offset in the file and bytes, in their order.
        by_program: whether all of it is known, as of a writer that knows no files.
    """

    pieces: Iterator[tuple[int, bytes]]
    by_program: bool


def written_anew(source: ByteSource, bones: Sequence[Bone], *, by_directory: bool) -> Written:
    """The pieces beside the records.

    Args:
        source: the archive.
        bones: its records.
        by_directory: who tells where header and directory differ and no other record does.
    """
    layout = max(_layouts(source, bones), key=lambda one: one.found)
    style = _Style.of(source, bones, layout, by_directory=by_directory)
    return Written(_pieces(source, bones, layout, style), style.by_program)


def _pieces(
    source: ByteSource, bones: Sequence[Bone], layout: _Layout, style: _Style
) -> Iterator[tuple[int, bytes]]:
    entries = []
    for at, bone in enumerate(bones):
        extra = style.extra_of(source, bone)
        yield bone.header, style.header(at, bone, extra)
        if bone.end > bone.offset + bone.stored_nbytes:
            yield bone.offset + bone.stored_nbytes, _descriptor_of(bone)
        entries.append(style.entry(at, bone, layout, extra))
    start, directory = bones[-1].end, b"".join(entries)
    yield start, directory
    yield start + len(directory), _ends(source, len(bones), start, len(directory))


def is_wide(*values: int) -> bool:
    """Whether one of these takes a field of 64 bits, as miniz has it."""
    return max(values) >= _ALL_ONES


def _descriptor_of(bone: Bone) -> bytes:
    narrow = bone.end - bone.offset - bone.stored_nbytes == struct.calcsize("<4sIII")
    values = bone.crc32, bone.stored_nbytes, bone.nbytes
    form = "<4sIII" if narrow else "<4sIQQ"
    try:
        return struct.pack(form, _DESCRIPTOR_MAGIC, *values)
    except struct.error:  # larger than its field
        return b""


# -- the directory -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Layout:
    """How entries of the directory follow each other.

    Attributes:
        padded: whether they have the padding of the headers, as Python's zipfile writes it.
        limit: the least value that stands in a wide field.
        centrals: the entries, as if each were as long as it should be.
    """

    padded: bool
    limit: int
    centrals: tuple[bytes, ...]

    @property
    def found(self) -> int:
        """How many of them are entries."""
        return sum(raw[:4] == _CENTRAL_MAGIC for raw in self.centrals)

    def wide_extra(self, bone: Bone) -> bytes:
        """The values of a record that stand in wide fields."""
        return _wide_extra(*_wide_values(bone, self.limit))


def _layouts(source: ByteSource, bones: Sequence[Bone]) -> Iterator[_Layout]:
    largest = max(max(bone.header, bone.nbytes, bone.stored_nbytes) for bone in bones)
    limits = _LIMITS if largest >= _LIMITS[-1] else _LIMITS[:1]
    for padded, limit in itertools.product((False, True), limits):
        layout = _Layout(padded, limit, ())
        sizes = [
            _CENTRAL.size
            + len(bone.name)
            + len(layout.wide_extra(bone))
            + (_padding_nbytes(bone, limit) if padded else 0)
            for bone in bones
        ]
        data = source.read(bones[-1].end, min(sum(sizes), _MOST_DIRECTORY_NBYTES))
        places = itertools.accumulate(sizes[:-1], initial=0)
        yield _Layout(padded, limit, tuple(data[at : at + _CENTRAL.size] for at in places))


def _extra_nbytes(bone: Bone) -> int:
    return bone.offset - bone.header - LOCAL.size - len(bone.name)


def _padding_nbytes(bone: Bone, limit: int) -> int:
    """Of a header of Python's zipfile, which has the sizes there alone."""
    large = max(bone.nbytes, bone.stored_nbytes) >= limit
    return _extra_nbytes(bone) - (len(_wide_extra(0, 0)) if large else 0)


def _wide_values(bone: Bone, limit: int) -> tuple[int, ...]:
    sizes: tuple[int, ...] = (bone.nbytes, bone.stored_nbytes)
    sizes = sizes if max(sizes) >= limit else ()
    return (*sizes, bone.header) if bone.header >= limit else sizes


def _wide_extra(*values: int) -> bytes:
    return struct.pack(f"<HH{len(values)}Q", _WIDE, 8 * len(values), *values) if values else b""


# -- headers and entries -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Style:
    """What the headers and the entries of an archive have in common.

    Attributes:
        ours: version needed, flags, time and date of each header.
        apart: the bits in which the directory says otherwise of all records.
        made_by: the version in the directory, of each.
        attributes: inner and outer attributes, likewise.
        told: whether headers tell checksum and size themselves.
        fill: of the padding.
        by_program: whether a writer that knows no files wrote it.
    """

    ours: tuple[_Fields, ...]
    apart: _Fields
    made_by: tuple[int, ...]
    attributes: tuple[tuple[int, ...], ...]
    told: bool
    fill: int
    by_program: bool

    @classmethod
    def of(
        cls, source: ByteSource, bones: Sequence[Bone], layout: _Layout, *, by_directory: bool
    ) -> _Style:
        """The style of an archive."""
        locals_ = [_unpacked(LOCAL, source.read(bone.header, LOCAL.size)) for bone in bones]
        centrals = [_unpacked(_CENTRAL, raw) for raw in layout.centrals]
        here = [tuple(one[at] for at in (1, 2, 4, 5)) for one in locals_]
        there = [tuple(one[at] for at in (2, 3, 5, 6)) for one in centrals]
        apart = _common(list(map(_xor, here, there)))
        there = [_xor(one, apart) for one in there]
        ours = _agreed(there, here) if by_directory else _agreed(here, there)
        time, date = _common(ours)[2:]
        by_program = time == 0 and date in _DATES
        sizes = [one[8] != 0 for one, bone in zip(locals_, bones, strict=True) if bone.nbytes]
        return cls(
            ours=tuple(ours),
            apart=apart,
            made_by=tuple(_but_for_a_bit([one[1] for one in centrals])),
            attributes=tuple(
                _attributes(bones, [one[14:16] for one in centrals], by_program=by_program)
            ),
            told=2 * sum(sizes) > len(sizes),
            fill=_fill(source, bones),
            by_program=by_program,
        )

    def header(self, at: int, bone: Bone, extra: bytes) -> bytes:
        """What stands before a record."""
        needed, flags, time, date = self.ours[at]
        crc32, sizes = (bone.crc32, (bone.stored_nbytes, bone.nbytes)) if self.told else (0, (0, 0))
        if self.told and _has_wide_sizes(extra):
            sizes = _ALL_ONES, _ALL_ONES
        fixed = LOCAL.pack(
            *(LOCAL_MAGIC, needed, flags, bone.method, time, date, crc32),
            *(min(size, _ALL_ONES) for size in sizes),
            *(len(bone.name), len(extra) & 0xFFFF),
        )
        return fixed + bone.name + extra

    def entry(self, at: int, bone: Bone, layout: _Layout, extra: bytes) -> bytes:
        """What stands in the directory."""
        needed, flags, time, date = _xor(self.ours[at], self.apart)
        wide = layout.wide_extra(bone)
        if layout.padded:
            wide += _without_wide_sizes(extra)
        large = max(bone.nbytes, bone.stored_nbytes) >= layout.limit
        sizes = (_ALL_ONES, _ALL_ONES) if large else (bone.stored_nbytes, bone.nbytes)
        fixed = _CENTRAL.pack(
            *(_CENTRAL_MAGIC, self.made_by[at], needed, flags, bone.method, time, date),
            *(bone.crc32, *sizes, len(bone.name), len(wide), 0),
            *(0, *self.attributes[at]),
            _ALL_ONES if bone.header >= layout.limit else bone.header,
        )
        return fixed + bone.name + wide

    def extra_of(self, source: ByteSource, bone: Bone) -> bytes:
        """The extra field of a header, if it is one but for a bit; else as it is."""
        nbytes = _extra_nbytes(bone)
        found = source.read(bone.header + LOCAL.size + len(bone.name), min(nbytes, 0xFFFF))
        for expected in self._extras(bone, len(found)):
            wrong = sum((a ^ b).bit_count() for a, b in zip(found, expected, strict=True))
            if wrong <= 1:
                return expected
        return found

    def _extras(self, bone: Bone, nbytes: int) -> Iterator[bytes]:
        """What a writer may have put there: the values that are wide, and the padding."""
        wide = [b""]
        if max(bone.nbytes, bone.stored_nbytes, bone.header) >= _LIMITS[-1]:
            sizes = bone.nbytes, bone.stored_nbytes
            wide += [_wide_extra(*one) for one in (sizes, (bone.header,), (*sizes, bone.header))]
        for values in wide:
            left = nbytes - len(values) - 4
            if left >= 0:
                padding = _PADDING + struct.pack("<H", left) + bytes([self.fill]) * left
                yield values + padding
                yield padding + values
            elif values and left == -4:
                yield values


def _unpacked(form: struct.Struct, raw: bytes) -> tuple[int, ...]:
    """The fields, all zero where the file ends before; the first is the magic."""
    return (0, *form.unpack(raw.ljust(form.size, b"\0"))[1:])


def _xor(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(a ^ b for a, b in zip(one, other, strict=True))


def _common(rows: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The value that most rows have, of each column."""
    return tuple(_most(column) for column in zip(*rows, strict=True))


def _agreed(
    first: Sequence[tuple[int, ...]], second: Sequence[tuple[int, ...]]
) -> list[tuple[int, ...]]:
    """What two sides say of each record; where they differ what is usual, or the first says."""
    usual = [Counter(column) for column in zip(*(*first, *second), strict=True)]
    return [
        tuple(b if pool[b] > pool[a] else a for a, b, pool in zip(one, other, usual, strict=True))
        for one, other in zip(first, second, strict=True)
    ]


def _but_for_a_bit(values: Sequence[int]) -> list[int]:
    """The same, with the most common value for one that is a bit off it."""
    usual = _most(values)
    return [usual if (value ^ usual).bit_count() <= 1 else value for value in values]


def _attributes(
    bones: Sequence[Bone], found: Sequence[tuple[int, ...]], *, by_program: bool
) -> Iterator[tuple[int, ...]]:
    """Those of a program are all the same; of others a file is no folder, and that is all."""
    usual = _common(found)
    for bone, (inner, outer) in zip(bones, found, strict=True):
        if by_program:
            yield usual
        else:
            yield inner, outer if bone.name.endswith(b"/") else outer & ~_FOLDER


def _fill(source: ByteSource, bones: Sequence[Bone]) -> int:
    """The byte that most of the padding consists of."""
    counts: Counter[int] = Counter()
    for bone in bones[:_MOST_PADDINGS]:
        nbytes = min(_extra_nbytes(bone), 0xFFFF)
        extra = source.read(bone.header + LOCAL.size + len(bone.name), nbytes)
        counts.update(extra[extra.find(_PADDING) + 4 :])
    return counts.most_common(1)[0][0] if counts else 0


def _has_wide_sizes(extra: bytes) -> bool:
    return len(_without_wide_sizes(extra)) < len(extra)


def _without_wide_sizes(extra: bytes) -> bytes:
    """An extra field without the sizes that are its first or last part."""
    mark, nbytes = struct.pack("<HH", _WIDE, 16), len(_wide_extra(0, 0))
    if extra.startswith(mark):
        return extra[nbytes:]
    return extra[:-nbytes] if extra[-nbytes:].startswith(mark) else extra


def _most(values: Sequence[int]) -> int:
    return Counter(values).most_common(1)[0][0] if values else 0


# -- the end -------------------------------------------------------------------------------------


def _ends(source: ByteSource, count: int, start: int, nbytes: int) -> bytes:
    """The end records behind a directory."""
    end = start + nbytes
    counts = min(count, 0xFFFF), min(count, 0xFFFF)
    places = min(nbytes, _ALL_ONES), min(start, _ALL_ONES)
    last = _END.pack(_END_MAGIC, 0, 0, *counts, *places, 0)
    if source.nbytes - end == _END.size:
        return last
    made_by, needed = _versions(source.read(end + 12, 4).ljust(4, b"\0"))
    wide = _END64.pack(
        *(b"PK\x06\x06", _END64_NBYTES, made_by, needed, 0, 0, count, count, nbytes, start)
    )
    return wide + _LOCATOR64.pack(b"PK\x06\x07", 0, end, 1) + last


def _versions(found: bytes) -> tuple[int, int]:
    """By which version the zip64 record was made and needs to be read, of one of two writers."""
    for pair in _VERSIONS:
        known = struct.pack("<HH", *pair)
        if sum((one ^ other).bit_count() for one, other in zip(found, known, strict=True)) <= 1:
            return pair
    made_by, needed = struct.unpack("<HH", found)
    return made_by, needed
