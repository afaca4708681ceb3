"""Archives that list the same records: only their folder, checksums and offsets differ.

Whatever the reader of directories looks at is looked at here too, for all records at once, and has
to be what it was in an archive in which that reader found nothing wrong.
"""

from __future__ import annotations

import itertools
import operator
import string
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.zip.end import DirectoryPlace
from ckptdoctor.formats.zip.records import HAS_DESCRIPTOR, LOCAL, LOCAL_MAGIC, STORED, ZipRecord

__all__ = ["DirectoryPattern", "Matched"]

_CENTRAL_MAGIC = b"PK\x01\x02"
_CENTRAL = "4s4xHH4xIIIHHHH2xII"  # without versions, times and internal attributes
_FIELDS = 14  # of it, with the folder and the rest of the name
_SIG, _FLAGS, _METHOD, _CRC, _STORED, _NBYTES, _NAME, _EXTRA, _COMMENT = range(9)
_DISK, _ATTRIBUTES, _OFFSET, _FOLDER, _REST = range(9, _FIELDS)
_EQUAL = (_SIG, _FLAGS, _METHOD, _STORED, _NBYTES, _EXTRA, _COMMENT, _DISK, _ATTRIBUTES, _REST)
_LOCAL_FIELDS = "<4s2xHH4xIIIHH"
_WIDE = 0xFFFF_FFFF
_PLAIN = frozenset(f"{string.ascii_letters}{string.digits}_.=+ -".encode())
_STORAGES = (b"data/", b"constants/", b"tensors/")  # names of folders that mean something
_HEADERS_NBYTES = 1 << 18
_NEAR_NBYTES = 1 << 12  # from header to header: less is read over, more is not


@dataclass(frozen=True, slots=True)
class Matched:
    """What an archive of the pattern has for its own.

    Attributes:
        folder: that its records lie in, with the slash.
        crc32s: of its records, in the order of the directory.
        offsets: of their first bytes.
    """

    folder: str
    crc32s: tuple[int, ...]
    offsets: list[int]


class DirectoryPattern:
    """A directory in which nothing is wrong, whose records are all stored.

    Args:
        columns: the fields of its entries, a column each.
        headers: flags, method and sizes of the local headers.
    """

    def __init__(
        self, columns: Sequence[tuple[object, ...]], headers: Sequence[tuple[object, ...]]
    ) -> None:
        self._columns = [columns[field] for field in _EQUAL]
        self._rests: list[bytes] = list(columns[_REST])  # type: ignore[arg-type]
        self._gaps: list[tuple[int, int]] = [
            (len(rest), extra + comment)  # type: ignore[operator, arg-type]
            for rest, extra, comment in zip(
                columns[_REST], columns[_EXTRA], columns[_COMMENT], strict=True
            )
        ]
        self._headers = headers
        self._layouts: dict[int, struct.Struct] = {}
        self.rests = [rest.decode("ascii") for rest in self._rests]
        self.nbytes: tuple[int, ...] = columns[_NBYTES]  # type: ignore[assignment]

    @classmethod
    def of(
        cls, source: ByteSource, place: DirectoryPlace, records: Sequence[ZipRecord]
    ) -> Self | None:
        """The pattern of an archive in whose directory nothing is wrong; None of an unusual one.

        Args:
            source: the archive.
            place: where its directory is.
            records: what the reader of directories found.
        """
        folder = records[0].name.partition("/")[0].encode() + b"/" if records else b""
        data = source.read(place.offset, place.nbytes)
        layout = "<" + "".join(_entry_layouts(data, len(folder)))
        if struct.calcsize(layout) != len(data) or len(records) != place.count:
            return None
        columns = _columns(struct.unpack(layout, data))
        wide = _WIDE in (*columns[_STORED], *columns[_NBYTES], *columns[_OFFSET])
        if (
            wide
            or not _is_plain(folder)
            or set(columns[_FOLDER]) != {folder}
            or set(columns[_METHOD]) != {STORED}
            or not all(rest.isascii() for rest in columns[_REST])
        ):
            return None
        headers = []
        for offset in columns[_OFFSET]:
            fields = LOCAL.unpack(source.read(offset, LOCAL.size))
            headers.append((LOCAL_MAGIC, fields[2], fields[3], fields[7], fields[8]))
        pattern = cls(columns, headers)
        matched = pattern.match(source, place)
        same = matched is not None and matched.offsets == [each.offset for each in records]
        return pattern if same else None

    def match(self, source: ByteSource, place: DirectoryPlace) -> Matched | None:
        """What is an archive's own; None where anything else differs, or is wrong."""
        count = len(self._rests)
        if place.contradictions or place.behind or place.count != count:
            return None
        data = source.read(place.offset, place.nbytes)
        folder = data[46 : data.find(b"/", 46) + 1]
        if not _is_plain(folder):
            return None
        layout = self._layout(len(folder))
        if layout.size != len(data) or len(data) != place.nbytes:
            return None
        columns = _columns(layout.unpack(data))
        if (
            any(columns[field] != own for field, own in zip(_EQUAL, self._columns, strict=True))
            or columns[_FOLDER].count(folder) != count
            or columns[_NAME] != tuple(len(folder) + size for size, _ in self._gaps)
            or _WIDE in columns[_OFFSET]
        ):
            return None
        offsets = self._data_offsets(source, folder, columns)
        if offsets is None:
            return None
        ends = map(operator.add, offsets, self.nbytes)
        following = itertools.chain(columns[_OFFSET][1:], (place.offset,))
        if not all(map(operator.le, ends, following)):
            return None
        return Matched(folder.decode("ascii"), columns[_CRC], offsets)

    def _layout(self, folder_nbytes: int) -> struct.Struct:
        known = self._layouts.get(folder_nbytes)
        if known is None:
            parts = (f"{_CENTRAL}{folder_nbytes}s{rest}s{gap}x" for rest, gap in self._gaps)
            known = self._layouts[folder_nbytes] = struct.Struct("<" + "".join(parts))
        return known

    def _data_offsets(
        self, source: ByteSource, folder: bytes, columns: Sequence[tuple[int, ...]]
    ) -> list[int] | None:
        """Where the bytes of each record begin, if the local headers are those of the pattern."""
        found: list[int] = []
        data, start, layouts = b"", 0, dict[int, struct.Struct]()
        longest = LOCAL.size + max(columns[_NAME], default=0)
        many = columns[_OFFSET][-1] < _NEAR_NBYTES * len(columns[_OFFSET])
        for offset, crc32, rest, expected in zip(
            columns[_OFFSET], columns[_CRC], self._rests, self._headers, strict=True
        ):
            at = offset - start
            if at < 0 or at + longest > len(data):
                near = many and 0 <= at < _HEADERS_NBYTES
                data = source.read(offset, _HEADERS_NBYTES if near else longest)
                start, at = offset, 0
            name = folder + rest
            layout = layouts.get(len(name))
            if layout is None:
                layout = layouts[len(name)] = struct.Struct(f"{_LOCAL_FIELDS}{len(name)}s")
            if at + layout.size > len(data):
                return None
            sig, flags, method, crc, stored, nbytes, name_nbytes, extra_nbytes, own = (
                layout.unpack_from(data, at)
            )
            if (
                (sig, flags, method, stored, nbytes) != expected
                or own != name
                or name_nbytes != len(name)
                or not (flags & HAS_DESCRIPTOR or crc in (0, crc32))
            ):
                return None
            found.append(offset + LOCAL.size + name_nbytes + extra_nbytes)
        return found


def _columns(flat: tuple[object, ...]) -> list[tuple]:  # type: ignore[type-arg]
    return [flat[field::_FIELDS] for field in range(_FIELDS)]


def _is_plain(folder: bytes) -> bool:
    """Whether the name of a folder leads nowhere else and means nothing by itself."""
    name = folder[:-1]
    return (
        folder.endswith(b"/")
        and len(name) > 0
        and not name.startswith((b".", b"__MACOSX"))
        and _PLAIN.issuperset(name)
        and folder.lower() not in _STORAGES
    )


def _entry_layouts(data: bytes, folder_nbytes: int) -> Iterator[str]:
    at = 0
    while data[at : at + 4] == _CENTRAL_MAGIC and at + 46 <= len(data):
        name, extra, comment = struct.unpack_from("<HHH", data, at + 28)
        if name < folder_nbytes:
            return
        yield f"{_CENTRAL}{folder_nbytes}s{name - folder_nbytes}s{extra + comment}x"
        at += 46 + name + extra + comment
