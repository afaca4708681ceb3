"""The bytes of a log that lies packed: gzip, bzip2, xz, and zstd where Python knows it.

They come a piece at a time, so that an archive of any size, a bomb as well, costs no memory. What
is cut or damaged gives what could be unpacked.
"""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Any, Protocol

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["PACKED_SUFFIXES", "Unpacking", "unpacking"]

PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")

_PIECE_NBYTES = 1 << 20
_FED_NBYTES = 1 << 16  # a bit of a piece at a time: what is not unpacked yet is copied each time
_NEVER_A_BOMB_NBYTES = 256_000_000
_BOMB_TIMES = 200
"""Logs are packed to a twentieth, progress bars to a fiftieth; gzip can reach a thousandth."""


class _Unpacker(Protocol):
    """What ``bz2``, ``lzma`` and ``zstd`` of the standard library have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class _Gzip:
    """``zlib`` with the same face."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        self._rest = b""
        self._filled = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not (self._rest or self._filled)

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        out = self._inner.decompress(self._rest + data, max_length)
        self._rest = self._inner.unconsumed_tail
        self._filled = len(out) == max_length  # more may lie within
        return out


def _zstd() -> Callable[[], _Unpacker] | None:
    try:  # since Python 3.14
        found: Any = importlib.import_module("compression.zstd")
    except ImportError:
        return None
    new: Callable[[], _Unpacker] = found.ZstdDecompressor
    return new


_KINDS: tuple[tuple[str, bytes, Callable[[], _Unpacker] | None], ...] = (
    ("gzip", b"\x1f\x8b\x08", _Gzip),
    ("bzip2", b"BZh", bz2.BZ2Decompressor),
    ("xz", b"\xfd7zXZ\x00", lzma.LZMADecompressor),
    ("zstd", b"\x28\xb5\x2f\xfd", _zstd()),
)
_ERRORS = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)


@dataclass(slots=True)
class Unpacking:
    """Bytes on their way out of an archive.

    Attributes:
        name: of the kind of archive; "" where it is none.
        pieces: what was packed; the bytes as they are where nothing was.
        trouble: why not all of it came out, once the pieces are used up; or "".
    """

    name: str
    pieces: Iterator[bytes] = field(default_factory=lambda: iter(()))
    trouble: str = ""


def unpacking(head: bytes, rest: Iterator[bytes]) -> Unpacking:
    """What a file holds, unpacked as it is read.

    Args:
        head: its first bytes.
        rest: those behind them, a piece at a time.
    """
    for name, magic, new in _KINDS:
        if not head.startswith(magic):
            continue
        if new is None:
            return Unpacking(name, trouble=f"packed with {name}, which this Python cannot unpack")
        found = Unpacking(name)
        found.pieces = _unpacked(found, _bits(head, rest), new, magic)
        return found
    return Unpacking("", _joined(head, rest))


def _joined(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest


def _bits(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    for piece in _joined(head, rest):
        for at in range(0, len(piece), _FED_NBYTES):
            yield piece[at : at + _FED_NBYTES]


def _unpacked(
    told: Unpacking, packed: Iterator[bytes], new: Callable[[], _Unpacker], magic: bytes
) -> Iterator[bytes]:
    unpacker = new()
    taken = given = 0
    data = b""
    try:
        while True:
            if unpacker.eof:  # several archives, one behind the other, are one
                data = unpacker.unused_data + data
                while len(data) < len(magic) and (more := next(packed, b"")):
                    data += more
                if not data.startswith(magic):
                    return
                unpacker = new()
            elif unpacker.needs_input and not data:
                data = next(packed, b"")
                if not data:
                    told.trouble = f"the {told.name} archive ends in the middle"
                    return
                taken += len(data)
            piece, data = unpacker.decompress(data, _PIECE_NBYTES), b""
            given += len(piece)
            if given > max(_NEVER_A_BOMB_NBYTES, _BOMB_TIMES * taken):
                told.trouble = f"unpacks to more than {_BOMB_TIMES} times its size; not read on"
                return
            if piece:
                yield piece
    except _ERRORS as error:
        told.trouble = f"the {told.name} archive is damaged: {error}"
