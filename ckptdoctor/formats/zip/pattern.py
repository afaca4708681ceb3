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
from typing import Self

from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.zip.end import DirectoryPlace
from ckptdoctor.formats.zip.records import HAS_DESCRIPTOR, LOCAL, LOCAL_MAGIC, STORED, ZipRecord
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["DirectoryPattern", "Matched"]

_CENTRAL_MAGIC = b"PK\x01\x02"
_CENTRAL = "4s4xHH4xIIIHHHH2xII"  # without versions, times and internal attributes
_FIELDS = 14  # of it, with the folder and the rest of the name
_SIG, _FLAGS, _METHOD, _CRC, _STORED, _NBYTES, _NAME, _EXTRA, _COMMENT = range(9)
_DISK, _ATTRIBUTES, _OFFSET, _FOLDER, _REST = range(9, _FIELDS)
_EQUAL = (_SIG, _FLAGS, _METHOD, _STORED, _NBYTES, _EXTRA, _COMMENT, _DISK, _ATTRIBUTES, _REST)
_LOCAL_FIELDS = "4s2xHH4xIIIHH"  # without versions and times
_LOCAL_COLUMNS = 10  # of it, with the folder and the rest of the name
_LOCAL_CRC, _LOCAL_NAME, _LOCAL_EXTRA, _LOCAL_FOLDER, _LOCAL_REST = 3, 6, 7, 8, 9
_LOCAL_EQUAL = (0, 1, 2, 4, 5)
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
        headers: magic, flags, method and sizes of the local headers.
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
        self._own_rests = tuple(self._rests)
        self._locals = list(zip(*headers, strict=True)) or [()] * len(_LOCAL_EQUAL)
        self._bare = [at for at, (_, flags, *_) in enumerate(headers) if not _describes(flags)]
        self._layouts: dict[int, struct.Struct] = {}
        self._local_layouts: dict[int, tuple[struct.Struct, Sequence[int]]] = {}
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
        layout, sizes = self._local_layout(len(folder))
        data = b"".join(_headers_of(source, columns[_OFFSET], sizes))
        if len(data) != layout.size:
            return None
        local = _columns(layout.unpack(data), _LOCAL_COLUMNS)
        if (
            any(local[field] != own for field, own in zip(_LOCAL_EQUAL, self._locals, strict=True))
            or local[_LOCAL_FOLDER].count(folder) != len(self._rests)
            or local[_LOCAL_REST] != self._own_rests
            or local[_LOCAL_NAME] != columns[_NAME]
            or any(local[_LOCAL_CRC][at] not in (0, columns[_CRC][at]) for at in self._bare)
        ):
            return None
        ends = map(operator.add, columns[_OFFSET], sizes)
        return list(map(operator.add, ends, local[_LOCAL_EXTRA]))

    def _local_layout(self, folder_nbytes: int) -> tuple[struct.Struct, Sequence[int]]:
        """The local headers one behind the other, and the size of each with its name."""
        known = self._local_layouts.get(folder_nbytes)
        if known is None:
            fields = f"{_LOCAL_FIELDS}{folder_nbytes}s"
            layout = struct.Struct("<" + "".join(f"{fields}{rest}s" for rest, _ in self._gaps))
            sizes = [LOCAL.size + folder_nbytes + rest for rest, _ in self._gaps]
            known = self._local_layouts[folder_nbytes] = layout, sizes
        return known


def _headers_of(
    source: ByteSource, offsets: Sequence[int], sizes: Sequence[int]
) -> Iterator[bytes]:
    """The local headers, each with its name."""
    data, start = b"", 0
    many = offsets[-1] < _NEAR_NBYTES * len(offsets)
    for offset, nbytes in zip(offsets, sizes, strict=True):
        at = offset - start
        if at < 0 or at + nbytes > len(data):
            near = many and 0 <= at < _HEADERS_NBYTES
            if not near:
                yield source.read(offset, nbytes)
                continue
            data, start, at = source.read(offset, _HEADERS_NBYTES), offset, 0
        yield data[at : at + nbytes]


def _columns(flat: tuple[object, ...], count: int = _FIELDS) -> list[tuple]:  # type: ignore[type-arg]
    return [flat[field::count] for field in range(count)]


def _describes(flags: object) -> bool:
    """Whether the true checksum stands behind the bytes, and that in the header says nothing."""
    return isinstance(flags, int) and bool(flags & HAS_DESCRIPTOR)


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
