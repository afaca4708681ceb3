"""The records of a zip archive, with everything that two readers could disagree about reported.

Python's ``zipfile``, torch's miniz and this module all see the same bytes, and a crafted archive
shows each of them something else. So the directory is parsed here, held against the local headers,
and every contradiction becomes a problem.

Source: PKWARE APPNOTE 6.3.10, sections 4.3 (structures) and 4.4.4 (flags).
"""

from __future__ import annotations

import bisect
import itertools
import struct
from collections.abc import Iterator, Sequence

from ckptdoctor.finding import Severity
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.member_names import odd_names
from ckptdoctor.formats.source import ByteSource, FileSource
from ckptdoctor.formats.zip.end import find_directory
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
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.sources.descriptors import is_far

__all__ = ["read_directory"]

_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_PATCHED = 1 << 5
_UNREADABLE_FLAGS = ENCRYPTED | _PATCHED | 1 << 6 | 1 << 13  # strong encryption, masked headers
_FOLDER = 1 << 4  # of the DOS attributes
_HEADERS_NBYTES = 1 << 18
_DESCRIPTORS_NBYTES = (16, 24)
_ALIGNMENT = 64
_PADDING = 2 * _ALIGNMENT + 20
"""The most that stands between a name and its data: the sizes of zip64, and what aligns."""


def read_directory(source: ByteSource, limits: Limits) -> ZipDirectory | None:
    """The records that the central directory lists, or None where the file has no directory."""
    place = find_directory(source)
    if place is None:
        return None
    if place.nbytes > limits.metadata_nbytes or place.offset + place.nbytes > source.nbytes:
        return None
    data = source.read(place.offset, place.nbytes)
    directory = ZipDirectory()
    entries = list(_entries(data))
    contradictions = list(place.contradictions)
    if len(entries) != place.count:
        contradictions.append(
            f"the directory announces {place.count} records and holds {len(entries)}"
        )
    listed = sum(entry.directory_nbytes for entry in entries)
    if listed != place.nbytes:
        contradictions.append(
            f"the entries of the directory take {listed} of its {place.nbytes} bytes"
        )
    for contradiction in contradictions:
        directory.add_problem("CD104", "zip directory", contradiction)
    if place.behind:
        directory.add_problem(
            "CD104", "file", f"{place.behind} bytes follow the archive", Severity.WARNING
        )
    headers = _Headers(source)
    starts = sorted(entry.header_offset for entry in entries)
    for entry in entries:
        believed = _believed(source, entry, starts, place.offset)
        if believed is not None:
            directory.records.append(believed)
        else:
            _check_entry(headers, entry, place.offset, directory)
    _check_names(directory)
    directory.problems += odd_names(entry.name for entry in entries)
    _check_overlaps(directory)
    directory.shorten()
    return directory


def _believed(
    source: ByteSource, entry: _Entry, starts: Sequence[int], end: int
) -> ZipRecord | None:
    """A record whose local header lies far away, where torch must have put its data.

    torch begins each record's data at a multiple of 64 bytes, and behind it stand 16 or 24 bytes of
    descriptor, then the next record: one place alone fits. Who scans the file holds all that is
    believed against its headers afterwards, as they pass.

    Args:
        source: the archive.
        entry: what the directory says.
        starts: where all local headers begin, in order.
        end: where the directory begins.
    """
    if not isinstance(source, FileSource) or _unusable(entry) or entry.attributes & _FOLDER:
        return None
    if entry.method != STORED or source.is_at_hand(entry.header_offset, HEADER_GUESS_NBYTES):
        return None
    at = bisect.bisect_right(starts, entry.header_offset)
    behind = starts[at] if at < len(starts) else end
    least = entry.header_offset + LOCAL.size + len(entry.raw_name)
    places = [
        behind - nbytes - entry.stored_nbytes
        for nbytes in (_DESCRIPTORS_NBYTES if entry.flags & HAS_DESCRIPTOR else (0,))
    ]
    fitting = [one for one in places if one % _ALIGNMENT == 0 and least <= one < least + _PADDING]
    if len(fitting) != 1:
        return None
    return ZipRecord(entry.name, STORED, entry.crc32, entry.stored_nbytes, entry.nbytes, fitting[0])


class _Headers:
    """Reads local headers, many at once where the records between them are small."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._is_far = isinstance(source, FileSource) and is_far(source.fd)
        self._start = 0
        self._data = b""

    def read(self, offset: int, nbytes: int) -> bytes:
        """Up to ``nbytes`` from ``offset``."""
        at = offset - self._start
        if at < 0 or at + nbytes > len(self._data):
            near = 0 <= at < _HEADERS_NBYTES and not self._is_far
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
    disk: int
    attributes: int
    directory_nbytes: int


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
            disk,
            _,
            attributes,
            header_offset,
        ) = _CENTRAL.unpack_from(data, at)
        at += _CENTRAL.size
        raw_name = data[at : at + name_nbytes]
        at += name_nbytes
        if 0xFFFF_FFFF in (nbytes, stored_nbytes, header_offset):
            nbytes, stored_nbytes, header_offset = wide_sizes(
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
            disk,
            attributes,
            _CENTRAL.size + name_nbytes + extra_nbytes + comment_nbytes,
        )


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
    if entry.attributes & _FOLDER and not name.endswith("/"):
        directory.add_problem("CD104", name, "the record is marked as a folder: torch refuses it")
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
        ("encryption", (flags ^ entry.flags) & _UNREADABLE_FLAGS),
        ("crc32", not flags & HAS_DESCRIPTOR and crc32 not in (0, entry.crc32)),
        ("size", nbytes not in (0, 0xFFFF_FFFF, entry.nbytes)),
        ("stored size", stored_nbytes not in (0, 0xFFFF_FFFF, entry.stored_nbytes)),
    )
    return [what for what, differs in checks if differs]


def _unusable(entry: _Entry) -> str:
    """Why a record cannot be read at all; "" where it can."""
    if entry.flags & _UNREADABLE_FLAGS:
        how = "a patch" if entry.flags & _PATCHED else "encrypted"
        return f"the record is {how}, which torch cannot read"
    if entry.disk not in (0, 0xFFFF):
        return f"the record lies on another disk, number {entry.disk}"
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
