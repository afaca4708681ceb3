"""What programs wrap around a pickle: compression, and the header of a numpy array."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

from ckptdoctor.formats.source import ByteSource

__all__ = ["array_start", "holds_numbers", "inflated", "is_packed", "unpacked"]

_PLAIN_NBYTES = 16 << 20
_STEP_NBYTES = 4096
_ARRAY_MAGIC = b"\x93NUMPY"
_ARRAY_HEAD_NBYTES = 64
_NUMBERS = re.compile(
    rb"\A\x93NUMPY..(?:..|....)\{'descr': '[<>|=]?[biufcSUmM]\d{1,9}(?:\[\w{1,9}\])?', 'f",
    re.DOTALL,
)


def array_start(source: ByteSource) -> int:
    """Where the objects of a ``.npy`` file begin, behind its header; 0 for anything else.

    Source: ``numpy/lib/format.py``: magic, version, then the length in two or four bytes.
    """
    head = source.read(0, 12)
    if not head.startswith(_ARRAY_MAGIC) or len(head) < 12:
        return 0
    wide = head[6] > 1
    length = int.from_bytes(head[8:12] if wide else head[8:10], "little")
    return (12 if wide else 10) + length


def holds_numbers(source: ByteSource) -> bool:
    """Whether it is a ``.npy`` file of a plain type, which numpy reads without a pickle."""
    return _NUMBERS.search(source.read(0, _ARRAY_HEAD_NBYTES)) is not None


def is_packed(head: bytes) -> bool:
    """Whether the first bytes are those of something compressed."""
    return head.startswith(tuple(magic for magic, _ in _PACKERS))


def unpacked(packed: bytes) -> bytes:
    """The start of what a compressed file holds; nothing where it is not compressed."""
    for magic, unpack in _PACKERS:
        if packed.startswith(magic):
            return unpack(packed)
    return b""


def inflated(packed: bytes, wbits: int = -15, most: int = _PLAIN_NBYTES) -> bytes:
    """What can be inflated of a stream that may be cut or damaged, up to 16 MB."""
    inflater = zlib.decompressobj(wbits)
    plain = bytearray()
    for start in range(0, len(packed), _STEP_NBYTES):
        step = packed[start : start + _STEP_NBYTES]
        try:
            plain += inflater.decompress(step, most - len(plain))
        except zlib.error:
            break
        if inflater.eof or len(plain) >= most:
            break
    return bytes(plain)


def _inflate(packed: bytes) -> bytes:
    return inflated(packed, wbits=47)  # gzip or zlib


def _bunzip(packed: bytes) -> bytes:
    import bz2

    try:
        return bz2.BZ2Decompressor().decompress(packed, _PLAIN_NBYTES)
    except (OSError, ValueError):
        return b""


def _unxz(packed: bytes) -> bytes:
    import lzma

    try:
        return lzma.LZMADecompressor().decompress(packed, _PLAIN_NBYTES)
    except (lzma.LZMAError, MemoryError):
        return b""


_PACKERS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", _inflate),
    *((bytes([0x78, level]), _inflate) for level in (0x01, 0x5E, 0x9C, 0xDA)),
    (b"BZh", _bunzip),
    (b"\xfd7zXZ\0", _unxz),
    (b"\x5d\0\0", _unxz),
)
