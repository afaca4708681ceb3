"""The members of a zip archive that is read as no checkpoint, wherever a reader finds them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.pickle.packed import inflated
from ckptdoctor.formats.source import ByteSource, MemorySource, PartSource
from ckptdoctor.formats.zip.directory import read_directory
from ckptdoctor.formats.zip.end import find_directory
from ckptdoctor.formats.zip.records import DEFLATED, LOCAL, LOCAL_MAGIC, STORED, ZipRecord

__all__ = ["members", "plain_start", "start_of"]

_SEARCHED_NBYTES = 4 << 20
_DIRECTORY_NBYTES = 1 << 20
_PACKED_NBYTES = 4 << 20
_HEAD_NBYTES = 1024


def members(whole: ByteSource) -> Iterator[ByteSource]:
    """The bytes behind each header, to the end of the source where they are not deflated.

    Headers are found in the first 4 MB, wherever they stand, and by the directory. So members of
    stored archives within the archive are among them, and members that the file cuts.
    """
    seen = set()
    for offset, method in itertools.chain(_by_headers(whole), _by_directory(whole)):
        if offset in seen or offset >= whole.nbytes:
            continue
        seen.add(offset)
        if method == STORED:
            yield PartSource(whole, offset, whole.nbytes - offset)
        elif method == DEFLATED:
            yield _Deflated(whole, offset)


def plain_start(member: ByteSource) -> ByteSource:
    """What can be read of a member: 16 MB of one that is deflated, and all of any other."""
    return member.inflated() if isinstance(member, _Deflated) else member


def start_of(whole: ByteSource, record: ZipRecord) -> ByteSource:
    """What can be read of a record that may be cut or damaged; 16 MB where it is deflated."""
    stored = PartSource(whole, record.offset, record.stored_nbytes)
    return _inflated(stored) if record.method == DEFLATED else stored


def _inflated(packed: ByteSource) -> MemorySource:
    return MemorySource(inflated(packed.read(0, _PACKED_NBYTES)))


class _Deflated:
    """A deflated member, of which no more than the head is inflated for those who look at that."""

    file_offset = None

    def __init__(self, whole: ByteSource, offset: int) -> None:
        self._packed = PartSource(whole, offset, whole.nbytes - offset)
        self._head = inflated(self._packed.read(0, _HEAD_NBYTES), most=_HEAD_NBYTES)

    @property
    def nbytes(self) -> int:
        """Size of the head."""
        return len(self._head)

    def read(self, offset: int, nbytes: int) -> bytes:
        """Up to ``nbytes`` from ``offset``."""
        return self._head[offset : offset + nbytes]

    def inflated(self) -> ByteSource:
        """All of it, up to 16 MB."""
        return _inflated(self._packed)


def _by_headers(whole: ByteSource) -> Iterator[tuple[int, int]]:
    """Offset of the data and method of compression, for each local header."""
    data = whole.read(0, _SEARCHED_NBYTES)
    at = data.find(LOCAL_MAGIC)
    while 0 <= at <= len(data) - LOCAL.size:
        fields = LOCAL.unpack_from(data, at)
        yield at + LOCAL.size + fields[9] + fields[10], fields[3]
        at = data.find(LOCAL_MAGIC, at + 1)


def _by_directory(whole: ByteSource) -> Iterator[tuple[int, int]]:
    place = find_directory(whole)
    if place is None or place.nbytes > _DIRECTORY_NBYTES:
        return
    directory = read_directory(whole, Limits.for_file(whole.nbytes))
    for record in directory.records if directory is not None else ():
        yield record.offset, record.method
