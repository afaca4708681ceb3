"""The records of a zip archive, with everything that two readers could disagree about reported.

Python's ``zipfile``, torch's miniz and this module all see the same bytes, and a crafted archive
shows each of them something else. So the directory is parsed here, held against the local headers,
and every contradiction becomes a problem.

Source: PKWARE APPNOTE 6.3.10, sections 4.3 (structures) and 4.4.4 (flags).
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ckptdoctor.finding import Severity
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.source import FileSource
from ckptdoctor.formats.zip_records import (
    DEFLATED,
    ENCRYPTED,
    HAS_DESCRIPTOR,
    HEADER_GUESS_NBYTES,
    LOCAL,
    LOCAL_MAGIC,
    STORED,
    ZipDirectory,
    ZipRecord,
)

__all__ = ["read_directory"]

_END_MAGIC = b"PK\x05\x06"
_SUBJECT = "zip directory"

_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<4sIQI")
_MAX_COMMENT = 65_535
_HEADERS_NBYTES = 1 << 18


def read_directory(source: FileSource, limits: Limits) -> ZipDirectory | None:
    """The records that the central directory lists, or None where the file has no directory."""
    end = _find_end(source)
    if end is None:
        return None
    if end.nbytes > limits.metadata_nbytes or end.offset + end.nbytes > source.nbytes:
        return None
    data = source.read(end.offset, end.nbytes)
    directory = ZipDirectory()
    entries = list(_entries(data))
    if len(entries) != end.count:
        directory.add_problem(
            "CD104",
            _SUBJECT,
            f"the directory announces {end.count} records and holds {len(entries)}",
        )
    _check_end(end, source.nbytes, directory)
    headers = _Headers(source)
    for entry in entries:
        _check_entry(headers, entry, end.offset, directory)
    _check_names(directory)
    _check_overlaps(directory)
    return directory


class _Headers:
    """Reads local headers, many at once where the records between them are small."""

    def __init__(self, source: FileSource) -> None:
        self._source = source
        self._start = 0
        self._data = b""

    def read(self, offset: int, nbytes: int) -> bytes:
        """Up to ``nbytes`` from ``offset``."""
        at = offset - self._start
        if at < 0 or at + nbytes > len(self._data):
            near = 0 <= at < _HEADERS_NBYTES
            self._data = self._source.read(offset, max(nbytes, _HEADERS_NBYTES if near else 0))
            self._start, at = offset, 0
        return self._data[at : at + nbytes]


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    raw_name: bytes
    flags: int
    method: int
    crc32: int
    stored_nbytes: int
    nbytes: int
    header_offset: int


@dataclass(frozen=True, slots=True)
class _End:
    """What the end record says of the directory, and where the record lies.

    Attributes:
        offset: of the directory, in the file.
        nbytes: of the directory.
        count: of its entries.
        disks: whether it speaks of more than one.
        between: bytes between the directory and the end record that nothing explains.
        stop: behind the end record and its comment.
        several: whether another end record fits the file as well.
    """

    offset: int
    nbytes: int
    count: int
    disks: bool
    between: int
    stop: int
    several: bool


def _find_end(source: FileSource) -> _End | None:
    """The last end record, which is the one that torch takes."""
    tail_nbytes = min(source.nbytes, _END.size + _MAX_COMMENT + _LOCATOR64.size)
    tail_offset = source.nbytes - tail_nbytes
    tail = source.read(tail_offset, tail_nbytes)
    at = tail.rfind(_END_MAGIC)
    if at < 0 or at + _END.size > len(tail):
        return None
    _, disk, first_disk, _, count, nbytes, offset, comment_nbytes = _END.unpack_from(tail, at)
    start = tail_offset + at
    between = 0
    at64 = at - _LOCATOR64.size
    if at64 >= 0 and tail[at64 : at64 + 4] == b"PK\x06\x07":
        _, _, end64_offset, _ = _LOCATOR64.unpack_from(tail, at64)
        end64 = source.read(end64_offset, _END64.size)
        if len(end64) == _END64.size and end64[:4] == b"PK\x06\x06":
            *_, count, nbytes, offset = _END64.unpack(end64)
            between = tail_offset + at64 - (end64_offset + _END64.size)
            start = end64_offset
    return _End(
        offset=offset,
        nbytes=nbytes,
        count=count,
        disks=not {disk, first_disk} <= {0, 0xFFFF},
        between=between + start - (offset + nbytes),
        stop=tail_offset + at + _END.size + comment_nbytes,
        several=_fits_before(tail, at),
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


def _check_end(end: _End, nbytes: int, directory: ZipDirectory) -> None:
    """Report where another reader would find another directory, or none."""
    if end.several:
        directory.add_problem(
            "CD104", _SUBJECT, "the archive ends twice: two readers would see two archives"
        )
    if end.disks:
        directory.add_problem(
            "CD104", _SUBJECT, "an archive of several disks, which torch cannot read"
        )
    if end.between:
        directory.add_problem(
            "CD104", _SUBJECT, f"{end.between} bytes lie between the directory and its end record"
        )
    behind = nbytes - end.stop
    if behind > 0:
        directory.add_problem(
            "CD104", "file", f"{behind} bytes follow the archive", Severity.WARNING
        )


def _entries(data: bytes) -> Iterator[_Entry]:
    at = 0
    while at + _CENTRAL.size <= len(data) and data[at : at + 4] == b"PK\x01\x02":
        (
            _,
            _,
            _,
            flags,
            method,
            _,
            _,
            crc32,
            stored_nbytes,
            nbytes,
            name_nbytes,
            extra_nbytes,
            comment_nbytes,
            _,
            _,
            _,
            header_offset,
        ) = _CENTRAL.unpack_from(data, at)
        at += _CENTRAL.size
        raw_name = data[at : at + name_nbytes]
        at += name_nbytes
        if 0xFFFF_FFFF in (nbytes, stored_nbytes, header_offset):
            nbytes, stored_nbytes, header_offset = _zip64(
                data[at : at + extra_nbytes], nbytes, stored_nbytes, header_offset
            )
        at += extra_nbytes + comment_nbytes
        yield _Entry(
            raw_name.decode("utf-8", "replace"),
            raw_name,
            flags,
            method,
            crc32,
            stored_nbytes,
            nbytes,
            header_offset,
        )


def _zip64(extra: bytes, *sizes: int) -> tuple[int, ...]:
    """The sizes with those that are 0xFFFFFFFF taken from the zip64 extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind, nbytes = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            values = iter(struct.unpack_from(f"<{nbytes // 8}Q", extra[: at + 4 + nbytes], at + 4))
            return tuple(next(values, size) if size == 0xFFFF_FFFF else size for size in sizes)
        at += 4 + nbytes
    return sizes


def _check_entry(
    headers: _Headers, entry: _Entry, directory_offset: int, directory: ZipDirectory
) -> None:
    """Hold one directory entry against its local header; add the record where it can be read."""
    name = entry.name
    header = headers.read(entry.header_offset, HEADER_GUESS_NBYTES)
    if len(header) < LOCAL.size or header[:4] != LOCAL_MAGIC:
        directory.add_problem("CD104", name, "the record is missing: no header where it should be")
        return
    (
        _,
        _,
        flags,
        method,
        _,
        _,
        crc32,
        stored_nbytes,
        nbytes,
        name_nbytes,
        extra_nbytes,
    ) = LOCAL.unpack_from(header)
    local_name = header[LOCAL.size : LOCAL.size + name_nbytes]
    if len(local_name) < name_nbytes:
        local_name = headers.read(entry.header_offset + LOCAL.size, name_nbytes)
    offset = entry.header_offset + LOCAL.size + name_nbytes + extra_nbytes
    local = (flags, method, crc32, stored_nbytes, nbytes)
    differences = _differences(entry, local_name, local)
    if differences:
        directory.add_problem(
            "CD104",
            name,
            f"directory and record header disagree about the {' and the '.join(differences)}",
        )
    unusable = _unusable(entry)
    if unusable:
        directory.add_problem("CD104", name, unusable)
    elif offset + entry.stored_nbytes > directory_offset:
        directory.add_problem(
            "CD104", name, "the record runs into the directory behind it", offset=offset
        )
    else:
        directory.records.append(
            ZipRecord(name, entry.method, entry.crc32, entry.stored_nbytes, entry.nbytes, offset)
        )


def _differences(
    entry: _Entry, local_name: bytes, local: tuple[int, int, int, int, int]
) -> list[str]:
    """What the directory says otherwise than a local header with these fields."""
    flags, method, crc32, stored_nbytes, nbytes = local
    checks = (
        ("name", local_name != entry.raw_name),
        ("method", method != entry.method),
        ("encryption", (flags ^ entry.flags) & ENCRYPTED),
        ("crc32", not flags & HAS_DESCRIPTOR and crc32 not in (0, entry.crc32)),
        ("size", nbytes not in (0, 0xFFFF_FFFF, entry.nbytes)),
        ("stored size", stored_nbytes not in (0, 0xFFFF_FFFF, entry.stored_nbytes)),
    )
    return [what for what, differs in checks if differs]


def _unusable(entry: _Entry) -> str:
    """Why a record cannot be read at all; "" where it can."""
    if entry.flags & ENCRYPTED:
        return "the record is encrypted, which torch cannot read"
    if entry.method not in (STORED, DEFLATED):
        return f"the record is compressed by method {entry.method}, not stored"
    if entry.method == STORED and entry.stored_nbytes != entry.nbytes:
        return f"a stored record of {entry.nbytes} bytes takes {entry.stored_nbytes}"
    return ""


def _check_names(directory: ZipDirectory) -> None:
    seen: dict[bytes, str] = {}
    for record in directory.records:
        folded = record.name.encode("utf-8", "replace").lower()  # ASCII letters, as miniz does
        first = seen.setdefault(folded, record.name)
        if first is not record.name:
            how = "twice" if first == record.name else f"beside {first!r}, which torch takes for it"
            directory.add_problem("CD104", record.name, f"the record is there {how}")


def _check_overlaps(directory: ZipDirectory) -> None:
    ordered = sorted((r for r in directory.records if r.stored_nbytes), key=lambda r: r.offset)
    for left, right in itertools.pairwise(ordered):
        if left.offset + left.stored_nbytes > right.offset:
            directory.add_problem(
                "CD104", right.name, f"the record shares its bytes with {left.name!r}"
            )
