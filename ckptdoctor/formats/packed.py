"""Pickles that were compressed as a whole, as ``joblib.dump(..., compress=3)`` writes them.

Source: ``joblib/compressor.py``; the magic bytes are those of zlib, gzip, bzip2, xz and lzma.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

from ckptdoctor.errors import CorruptCheckpointError, UnsupportedCheckpointError
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.source import ByteSource, FileSource, MemorySource

__all__ = ["is_packed_pickle", "packed_start", "unpacked"]

_UNPACKED_NBYTES = 128 << 20
_CHUNK_NBYTES = 1 << 20
_START_NBYTES = 1 << 16


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes:
        """What the data unpacks to."""


class _Zlib:
    """zlib and gzip with the interface of the others, which keep what they have not unpacked."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=47)
        self._kept = b""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        return self._inflate.eof

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        """What the data unpacks to."""
        plain = self._inflate.decompress(self._kept + data, max_length)
        self._kept = self._inflate.unconsumed_tail
        return plain


_PACKERS: tuple[tuple[bytes, Callable[[], _Unpacker]], ...] = (
    (b"\x1f\x8b", _Zlib),
    *((bytes([0x78, level]), _Zlib) for level in (0x01, 0x5E, 0x9C, 0xDA)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", lzma.LZMADecompressor),
    (b"\x5d\0\0", lzma.LZMADecompressor),
)
_ERRORS = (zlib.error, OSError, ValueError, lzma.LZMAError, EOFError)


def packed_start(head: bytes, nbytes: int = _START_NBYTES) -> bytes:
    """The first bytes of what a file holds that begins with ``head``; none if it is not packed."""
    for magic, unpacker in _PACKERS:
        if head.startswith(magic):
            try:
                return unpacker().decompress(head, nbytes)
            except _ERRORS:
                return b""
    return b""


def is_packed_pickle(head: bytes) -> bool:
    """Whether a file that begins so is a compressed pickle, of protocol 2 or later."""
    start = packed_start(head, 2)
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def unpacked(file: OpenFile, limits: Limits) -> ByteSource:
    """What a compressed file holds, as far as it goes, in memory.

    Raises:
        UnsupportedCheckpointError: it holds more than is unpacked in memory.
        CorruptCheckpointError: it cannot be unpacked.
    """
    most = min(_UNPACKED_NBYTES, limits.metadata_nbytes)
    source = FileSource(file.fd, file.nbytes)
    head = source.read(0, 8)
    unpacker = next(make for magic, make in _PACKERS if head.startswith(magic))()
    plain = bytearray()
    at = 0
    try:
        while not unpacker.eof:
            data = source.read(at, _CHUNK_NBYTES)
            at += len(data)
            piece = unpacker.decompress(data, most + 1 - len(plain))
            plain += piece
            if len(plain) > most:
                raise _too_large(file, most)
            if not data and not piece:
                break
    except _ERRORS as error:
        raise CorruptCheckpointError(
            file.path, f"a compressed pickle that cannot be unpacked: {error}", offset=at
        ) from error
    return MemorySource(bytes(plain))


def _too_large(file: OpenFile, most: int) -> UnsupportedCheckpointError:
    return UnsupportedCheckpointError(
        file.path,
        f"a compressed pickle, as joblib.dump(compress=...) writes it, of more than {most >> 20} "
        "MB once it is unpacked, which is not done in memory",
        remedy="Load it with joblib and write it again without compress, then scan that file.",
    )
