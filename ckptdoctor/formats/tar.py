"""The headers of a tar archive, as Python's ``tarfile`` takes them.

``tarfile`` itself would bring long names, and headers that extend others, into memory whatever
their size, and follow them as deep as they are nested. torch wrote none, but it reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ckptdoctor.formats.source import ByteSource
from ckptdoctor.lean_dataclass import dataclass

if TYPE_CHECKING:
    import tarfile

__all__ = ["BLOCK_NBYTES", "TarMember", "TarSizeError", "is_tar", "tar_members"]

BLOCK_NBYTES = 512

_REGULAR = (b"0", b"\0", b"7")
_NO_CONTENT = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, folders: their size is a lie
_LONG_NAME, _LONG_LINK, _FOR_ALL = b"L", b"K", b"g"
_EXTENSIONS = (_LONG_NAME, _LONG_LINK, _FOR_ALL, b"x", b"X")
_SPARSE = b"S"
_MAX_EXTENSION_NBYTES = 1 << 20
_MAX_MEMBERS = 10_000
_MAX_NAMES = 100
_PATH = re.compile(rb"(?<=\n)\d{1,20} (?:path|GNU\.sparse\.name)=([^\n]*)")
_SIZE = re.compile(rb"(?<=\n)\d{1,20} (?:size|GNU\.sparse\.\w{1,20})=")


class TarSizeError(Exception):
    """The size of a member is no number; the message tells what stands there."""


@dataclass(frozen=True, slots=True)
class TarMember:
    """A member of an archive.

    Attributes:
        name: without the slash at its end.
        offset: of its bytes.
        nbytes: how many.
        is_plain: whether its own header alone says all that, and it is a regular file.
    """

    name: str
    offset: int
    nbytes: int
    is_plain: bool


def is_tar(head: bytes) -> bool:
    """Whether the first 512 bytes are the header of a tar archive, by its checksum."""
    return len(head) >= BLOCK_NBYTES and any(head[148:156]) and _summed(head)


def _summed(head: bytes) -> bool:
    """Whether the checksum is that of the header, its bytes taken as unsigned or as signed."""
    try:
        claimed = int(head[148:156].partition(b"\0")[0].decode("ascii").strip() or "0", 8)
    except ValueError:
        return False
    unsigned = sum(head[:148]) + 8 * ord(" ") + sum(head[156:512])
    signed = unsigned - 256 * sum(byte > 127 for byte in head[:148] + head[156:512])
    return claimed in (unsigned, signed)


def _parsed(head: bytes) -> tarfile.TarInfo | None:
    """What Python takes a header for; None for none."""
    import tarfile  # 5 ms, for the few files that are one

    try:
        return tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return None


def tar_members(source: ByteSource) -> Iterator[TarMember]:
    """Every member, up to the first block that is no header.

    Raises:
        TarSizeError: a size is neither octal digits nor a binary number.
    """
    at = 0
    for_all, for_next = b"", b""
    for _ in range(_MAX_MEMBERS):
        header = source.read(at, BLOCK_NBYTES)
        info = _header(header)
        if info is None:
            return
        at += BLOCK_NBYTES
        padded = -(-info.size // BLOCK_NBYTES) * BLOCK_NBYTES
        if info.type in _EXTENSIONS:
            data = _extension(source, at, info)
            for_all, for_next = (
                (for_all + data, for_next) if info.type == _FOR_ALL else (for_all, for_next + data)
            )
            at += padded
            continue
        if info.type == _SPARSE:
            at = _behind_map(source, at, goes_on=header[482:483])
        member = TarMember(info.name.rstrip("/"), at, info.size, info.type in _REGULAR)
        yield from _extended(member, for_all + for_next)
        for_next = b""
        at += 0 if info.type in _NO_CONTENT else padded


def _behind_map(source: ByteSource, at: int, goes_on: bytes) -> int:
    """Where the bytes of a sparse member begin, behind the blocks that say where they belong."""
    while goes_on not in (b"", b"\0"):
        goes_on = source.read(at + 504, 1)
        at += BLOCK_NBYTES
    return at


def _header(header: bytes) -> tarfile.TarInfo | None:
    if len(header) < BLOCK_NBYTES or not _summed(header):
        return None
    info = _parsed(header)
    digits = header[124:136]
    if info is None:
        if digits[0] != 0x80 and digits.partition(b"\0")[0].strip().strip(b"01234567"):
            raise TarSizeError(f"a member of size {digits!r}")
        return None
    if info.size < 0:
        raise TarSizeError(f"a member of size {digits!r}")
    return info


def _extension(source: ByteSource, at: int, info: tarfile.TarInfo) -> bytes:
    """What extends the next header, or all: records of keys and values, or a long name as one."""
    if info.size > _MAX_EXTENSION_NBYTES:
        raise TarSizeError(f"a header of {info.size} bytes")
    if info.type == _LONG_LINK:
        return b""
    data = source.read(at, info.size)
    if info.type == _LONG_NAME:
        return b"\n0 path=" + data.partition(b"\0")[0].replace(b"\n", b" ") + b"\n"
    return b"\n" + data + b"\n"


def _extended(member: TarMember, records: bytes) -> Iterator[TarMember]:
    """The member under each name that headers before it may have given it."""
    names = [found.rstrip(b"/") for found in _PATH.findall(records)]
    if not names and not _SIZE.search(records):
        yield member
        return
    own = member.name.encode("utf-8", "surrogateescape")
    for name in list(dict.fromkeys([own, *names]))[:_MAX_NAMES]:
        yield replace(member, name=name.decode("utf-8", "surrogateescape"), is_plain=False)
