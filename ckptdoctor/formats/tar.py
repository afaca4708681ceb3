"""The headers of a tar archive.

Python's ``tarfile`` would bring long names, and headers that extend others, into memory whatever
their size, and follow them as deep as they are nested. torch wrote none.
"""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.formats.source import ByteSource

__all__ = ["BLOCK_NBYTES", "TarSizeError", "is_tar", "tar_members"]

BLOCK_NBYTES = 512

_REGULAR = (b"0", b"\0", b"7")
_MAX_MEMBERS = 10_000


class TarSizeError(Exception):
    """The size of a member is no number; the message tells what stands there."""


def is_tar(head: bytes) -> bool:
    """Whether the first 512 bytes are the header of a tar archive, by its checksum."""
    if len(head) < BLOCK_NBYTES or head[:1] == b"\0":
        return False
    try:
        claimed = int(head[148:156].strip(b"\0 ") or b"-1", 8)
    except ValueError:
        return False
    return claimed == sum(head[:148]) + 8 * ord(" ") + sum(head[156:512])


def tar_members(source: ByteSource) -> Iterator[tuple[str, int, int]]:
    """Name, offset and size of each regular file, up to the first block that is no header.

    Raises:
        TarSizeError: a size is neither octal digits nor a binary number.
    """
    at = 0
    for _ in range(_MAX_MEMBERS):
        header = source.read(at, BLOCK_NBYTES)
        if not is_tar(header):
            return
        nbytes = _size(header)
        if header[156:157] in _REGULAR:
            name = header[:100].partition(b"\0")[0].decode("utf-8", "replace")
            yield name, at + BLOCK_NBYTES, nbytes
        at += BLOCK_NBYTES * (1 + -(-nbytes // BLOCK_NBYTES))


def _size(header: bytes) -> int:
    """The size of a member: octal digits, or a binary number where they are too few."""
    digits = header[124:136]
    if digits[0] == 0x80:
        return int.from_bytes(digits[1:], "big")
    octal = digits.partition(b"\0")[0].strip() or b"0"
    if octal.strip(b"01234567"):
        raise TarSizeError(f"a member of size {digits!r}")
    return int(octal, 8)
