"""The records of a zip archive, with everything that two readers could disagree about reported.

Python's ``zipfile``, torch's miniz and this module all see the same bytes, and a crafted archive
shows each of them something else. So the directory is parsed here, held against the local headers,
and every contradiction becomes a problem.

Source: PKWARE APPNOTE 6.3.10, sections 4.3 (structures) and 4.4.4 (flags).
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ckptdoctor.checkpoint import Problem
from ckptdoctor.finding import Severity
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.source import FileSource

__all__ = ["DEFLATED", "STORED", "ZipDirectory", "ZipRecord", "read_directory", "walk_headers"]

STORED = 0
DEFLATED = 8
LOCAL_MAGIC = b"PK\x03\x04"
_END_MAGIC = b"PK\x05\x06"
_SUBJECT = "zip directory"
DESCRIPTOR_MAGIC = b"PK\x07\x08"

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<4sIQI")
_DESCRIPTOR = struct.Struct("<4sIII")
_DESCRIPTOR64 = struct.Struct("<4sIQQ")
_ENCRYPTED = 1
_HAS_DESCRIPTOR = 8
_MAX_COMMENT = 65_535
_SEARCH_NBYTES = 1 << 20
_HEADERS_NBYTES = 1 << 18
_HEADER_GUESS_NBYTES = 384  # a local header with torch's name and padding fits


@dataclass(frozen=True, slots=True)
class ZipRecord:
    """One record.

    Attributes:
        name: as stored; not yet checked for anything.
        method: 0 stored, 8 deflated.
        crc32: of the plain bytes; 0 where the writer computed none.
        stored_nbytes: size in the archive.
        nbytes: size of the plain bytes.
        offset: first byte of the data in the file.
    """

    name: str
    method: int
    crc32: int
    stored_nbytes: int
    nbytes: int
    offset: int


@dataclass(slots=True)
class ZipDirectory:
    """The records in the order of the directory, and what is wrong with them."""

    records: list[ZipRecord] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add_problem(
        self,
        code: str,
        subject: str,
        message: str,
        severity: Severity = Severity.ERROR,
        **evidence: object,
    ) -> None:
        """Record what is wrong."""
        self.problems.append(
            Problem(
                code=code,
                severity=severity,
                subject=subject,
                message=message,
                evidence=evidence,
            )
        )


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
    header = headers.read(entry.header_offset, _HEADER_GUESS_NBYTES)
    if len(header) < _LOCAL.size or header[:4] != LOCAL_MAGIC:
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
    ) = _LOCAL.unpack_from(header)
    local_name = header[_LOCAL.size : _LOCAL.size + name_nbytes]
    if len(local_name) < name_nbytes:
        local_name = headers.read(entry.header_offset + _LOCAL.size, name_nbytes)
    offset = entry.header_offset + _LOCAL.size + name_nbytes + extra_nbytes
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
        ("encryption", (flags ^ entry.flags) & _ENCRYPTED),
        ("crc32", not flags & _HAS_DESCRIPTOR and crc32 not in (0, entry.crc32)),
        ("size", nbytes not in (0, 0xFFFF_FFFF, entry.nbytes)),
        ("stored size", stored_nbytes not in (0, 0xFFFF_FFFF, entry.stored_nbytes)),
    )
    return [what for what, differs in checks if differs]


def _unusable(entry: _Entry) -> str:
    """Why a record cannot be read at all; "" where it can."""
    if entry.flags & _ENCRYPTED:
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


# -- without a directory -------------------------------------------------------------------------

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
    while at + _LOCAL.size <= source.nbytes:
        header = source.read(at, _HEADER_GUESS_NBYTES)
        if header[:4] != LOCAL_MAGIC:
            break
        fields = _LOCAL.unpack_from(header)
        flags, method, crc32, stored, nbytes, name_nbytes, extra_nbytes = (
            fields[2],
            fields[3],
            *fields[6:11],
        )
        name = source.read(at + _LOCAL.size, name_nbytes).decode("utf-8", "replace")
        offset = at + _LOCAL.size + name_nbytes + extra_nbytes
        if flags & _HAS_DESCRIPTOR:
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
        if method in (STORED, DEFLATED) and not flags & _ENCRYPTED:
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
    raw = source.read(at, _DESCRIPTOR64.size)
    if raw[:4] != DESCRIPTOR_MAGIC:
        return None
    for layout in (_DESCRIPTOR, _DESCRIPTOR64):
        if len(raw) >= layout.size:
            _, crc32, stored_nbytes, nbytes = layout.unpack_from(raw)
            if stored_nbytes == at - start:
                return crc32, stored_nbytes, nbytes, at + layout.size
    return None
