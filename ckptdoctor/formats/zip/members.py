"""The members of a zip archive whose directory cannot be trusted, as far as their headers tell."""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.formats.pickle.packed import inflated
from ckptdoctor.formats.source import ByteSource, FileSource, MemorySource
from ckptdoctor.formats.zip.records import DEFLATED, LOCAL, LOCAL_MAGIC, STORED

__all__ = ["members"]

_MOST_MEMBERS = 1000
_PACKED_NBYTES = 4 << 20
_HELD_NBYTES = 64 << 20  # of all together


def members(whole: FileSource, searched_nbytes: int) -> Iterator[ByteSource]:
    """The bytes behind each local header, to the end of the file where they are not deflated.

    Members of stored archives within the archive are among them, and members that the file cuts.

    Args:
        whole: the file.
        searched_nbytes: of its start, in which headers are looked for.
    """
    data = whole.read(0, searched_nbytes)
    at, found, held = data.find(LOCAL_MAGIC), 0, 0
    while 0 <= at <= len(data) - LOCAL.size and found < _MOST_MEMBERS:
        fields = LOCAL.unpack_from(data, at)
        offset = at + LOCAL.size + fields[9] + fields[10]
        found += 1
        if fields[3] == STORED:
            yield FileSource(whole.fd, whole.nbytes - offset, whole.file_offset + offset)
        elif fields[3] == DEFLATED and held < _HELD_NBYTES:
            plain = inflated(whole.read(offset, _PACKED_NBYTES))
            held += len(plain)
            yield MemorySource(plain)
        at = data.find(LOCAL_MAGIC, at + 1)
