"""Pickles that were compressed as a whole, as ``joblib.dump(..., compress=3)`` writes them.

Source: ``joblib/compressor.py``.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ckptdoctor.errors import CorruptCheckpointError, UnsupportedCheckpointError
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.inner import MAGIC_NUMBER
from ckptdoctor.formats.pickle.packed import is_packed, unpacked
from ckptdoctor.formats.source import ByteSource, MemorySource
from ckptdoctor.shell import argument, command_line, quoted

__all__ = ["is_compressed_pickle", "refuse_packed_archive", "uncompressed"]

_GZIP = b"\x1f\x8b"
_HELD_NBYTES = 128 << 20
_CHUNK_NBYTES = 1 << 20
_ERRORS = (zlib.error, OSError, ValueError, EOFError, lzma.LZMAError, MemoryError)


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """What the data, and what was given before, unpacks to."""


class _Inflater:
    """zlib and gzip with the interface of the others, which keep what they have not unpacked."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=47)

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        return self._inflate.eof

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """What the data, and what was given before, unpacks to."""
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


def _unpacker(head: bytes) -> _Unpacker:
    makers: tuple[tuple[bytes, Callable[[], _Unpacker]], ...] = (
        (b"BZh", bz2.BZ2Decompressor),
        (b"\xfd7zXZ\0", _unxz),
        (b"\x5d\0\0", _unxz),
    )
    return next((make for magic, make in makers if head.startswith(magic)), _Inflater)()


def _unxz() -> _Unpacker:
    return lzma.LZMADecompressor(memlimit=_HELD_NBYTES)


def refuse_packed_archive(path: Path, head: bytes) -> None:
    """Refuse an archive of NeMo that is compressed as a whole.

    Args:
        path: of the file.
        head: its first bytes.

    Raises:
        UnsupportedCheckpointError: it is one.
    """
    if path.suffix == ".nemo" and head.startswith(_GZIP):
        plain = path.with_name(f"{path.stem}-unpacked.nemo")
        raise UnsupportedCheckpointError(
            path,
            "an archive of NeMo that is compressed with gzip, and cannot be read in place",
            remedy=f"Unpack it: {command_line('gzip', '-dc', path)} > {quoted(argument(plain))}, "
            "and scan that file.",
        )


def is_compressed_pickle(source: ByteSource) -> bool:
    """Whether a file is a compressed pickle of protocol 2 or later, and no more.

    A file of torch is more: nobody reads it without unpacking it first.
    """
    if not is_packed(source.read(0, 8)):
        return False
    start = unpacked(source.read(0, _CHUNK_NBYTES))[:64]  # bzip2 packs up to 900 kB at once
    is_pickle = len(start) > 2 and start[0] == 0x80 and 2 <= start[1] <= 5
    return is_pickle and MAGIC_NUMBER.to_bytes(10, "little") not in start


def uncompressed(file: OpenFile, limits: Limits) -> tuple[MemorySource, bool]:
    """What a compressed file holds, in memory; and whether its end is missing.

    Raises:
        UnsupportedCheckpointError: it holds more than is brought into memory.
        CorruptCheckpointError: it is damaged.
    """
    most = min(_HELD_NBYTES, limits.metadata_nbytes)
    source = file.source
    unpacker = _unpacker(source.read(0, 8))
    plain = bytearray()
    at = 0
    try:
        while not unpacker.eof:
            data = source.read(at, _CHUNK_NBYTES)
            piece = unpacker.decompress(data, most + 1 - len(plain))
            at += len(data)
            plain += piece
            if len(plain) > most:
                raise _too_large(file, most)
            if not data and not piece:
                break
    except _ERRORS as error:
        raise CorruptCheckpointError(
            file.path,
            f"a compressed pickle that cannot be unpacked: {error}",
            remedy="Copy it again from where it was written, or use an earlier checkpoint.",
        ) from error
    return MemorySource(bytes(plain)), not unpacker.eof


def _too_large(file: OpenFile, most: int) -> UnsupportedCheckpointError:
    return UnsupportedCheckpointError(
        file.path,
        "a compressed pickle, as joblib.dump(..., compress=3) writes it, that holds more than the "
        f"{most >> 20} MB which are unpacked here",
        remedy="Load it with joblib, dump it without compress, and scan that file.",
    )
