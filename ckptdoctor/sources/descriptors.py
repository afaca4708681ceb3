"""Bytes of an open file by its descriptor, wherever they lie.

Of a local file these are the system's own calls, or what stands for them (``positioned.py``). A far
one is open on its mirror, an empty file of its size, and registered here by its descriptor; its
bytes come from whoever fetches them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Protocol

from ckptdoctor.sources import positioned

__all__ = [
    "FarBytes",
    "close",
    "expect",
    "expect_version",
    "is_at_hand",
    "is_far",
    "key_of",
    "mark_of",
    "missing_top_of",
    "names_folder",
    "open_readable",
    "pread",
    "read_into",
    "refresh",
    "register",
    "settle",
    "trouble_of",
]


class FarBytes(Protocol):
    """The bytes of a file that lies elsewhere."""

    @property
    def mark(self) -> bytes:
        """What tells this version of it from others; b"" where nothing does."""

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """How many bytes were put into the buffer; fewer only at the end of the file."""

    def is_at_hand(self, offset: int, nbytes: int) -> bool:
        """Whether bytes can be had without a request; those that cannot are kept as they pass."""

    def settle(self) -> bool:
        """Whether bytes were not at hand that somebody asked for; from now on all are fetched."""

    def expect(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Told of the ranges (offset, size) that will be read, in their order, each once."""

    def refresh(self, fd: int) -> None:
        """Have the mirror's times changed where the file is another by now."""

    def close(self) -> None:
        """Drop what is held."""


_far: dict[int, FarBytes] = {}


def register(fd: int, source: FarBytes) -> None:
    """Have what is read by a descriptor come from elsewhere, until it is closed."""
    _far[fd] = source


def open_readable(path: str | os.PathLike[str], flags: int) -> int:
    """A descriptor, as from ``os.open``; to be closed by :func:`close`.

    Raises:
        OSError: it cannot be opened.
    """
    opened = getattr(path, "far_bytes", None)
    source = None if opened is None else opened()  # its folder is looked into, if it was not
    fd = os.open(path, flags | positioned.AS_BYTES)
    if source is not None:
        register(fd, source)
    return fd


def close(fd: int) -> None:
    """Close a descriptor."""
    source = _far.pop(fd, None) if _far else None
    if source is not None:
        source.close()
    os.close(fd)


def pread(fd: int, nbytes: int, offset: int) -> bytes:
    """As ``os.pread``; of a far file never fewer bytes than there are.

    Raises:
        OSError: they cannot be read.
    """
    source = _far.get(fd) if _far else None
    if source is None:
        return positioned.pread(fd, nbytes, offset)
    buffer = bytearray(max(0, min(nbytes, os.fstat(fd).st_size - offset)))
    room = memoryview(buffer)
    return bytes(room[: source.read_into(room, offset)])


def read_into(fd: int, buffer: memoryview, offset: int) -> int:
    """As ``os.preadv`` with one buffer.

    Raises:
        OSError: they cannot be read.
    """
    source = _far.get(fd) if _far else None
    if source is None:
        return positioned.read_into(fd, buffer, offset)
    return source.read_into(buffer, offset)


def is_far(file: object) -> bool:
    """Whether a path, or an open descriptor, is of a file that lies elsewhere."""
    return file in _far if isinstance(file, int) else hasattr(file, "far_bytes")


def names_folder(path: object) -> bool:
    """Whether a far path was given with a slash at its end."""
    return bool(getattr(path, "names_folder", False))


def is_at_hand(fd: int, offset: int, nbytes: int) -> bool:
    """Whether bytes of a file can be had without a request to another machine."""
    source = _far.get(fd) if _far else None
    return source is None or source.is_at_hand(offset, nbytes)


def settle(fd: int) -> bool:
    """Whether a reader went without bytes that were not at hand; from now on it gets them."""
    source = _far.get(fd) if _far else None
    return source is not None and source.settle()


def expect(fd: int, ranges: Iterable[tuple[int, int]]) -> None:
    """Have ranges of a far file fetched ahead.

    Args:
        fd: the file.
        ranges: offset and size of each; not looked at where the file is local.
    """
    source = _far.get(fd) if _far else None
    if source is not None:
        source.expect(ranges)


def refresh(fd: int) -> None:
    """Before ``fstat`` is asked whether a file changed: of a far one, ask where it lies."""
    source = _far.get(fd) if _far else None
    if source is not None:
        source.refresh(fd)


def key_of(path: object) -> str:
    """What is the same for a far file in each process; "" for a local one. Never to be shown."""
    return str(getattr(path, "far_key", ""))


def trouble_of(path: object) -> OSError | None:
    """Why a far file cannot be looked at; None where it can, or is not there, or is local."""
    found = getattr(path, "trouble", None)
    return found if isinstance(found, OSError) else None


def missing_top_of(path: object) -> str:
    """The bucket of a far file, where that is not there; "" where it is, or the file is local."""
    ask = getattr(path, "missing_top", None)
    return "" if ask is None else str(ask())


def mark_of(file: object) -> bytes | None:
    """What tells this version of a far file from others; b"" where nothing does, None if local."""
    if isinstance(file, int):
        source = _far.get(file)
        return None if source is None else source.mark
    return getattr(file, "far_mark", None)


def expect_version(path: object, nbytes: int, mark: bytes, modified_ns: int) -> None:
    """Take from another process what a far file is; nothing where it is local."""
    tell = getattr(path, "is_as_seen", None)
    if tell is not None:
        tell(nbytes, mark, modified_ns)
