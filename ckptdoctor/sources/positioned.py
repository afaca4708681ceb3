"""Bytes from a place in an open file, whether or not the system has one call for that.

Linux and macOS have ``pread`` and ``preadv``, which threads may call at once on one descriptor.
Windows has neither: there the descriptor is moved, then read, and one thread at a time does both.

Source: the notes on availability of Python's ``os`` module.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable

__all__ = ["AS_BYTES", "pread", "read_into"]

AS_BYTES: int = getattr(os, "O_BINARY", 0)
"""For ``os.open``: without it Windows takes a byte 0x1A for the end of a file."""

_LOCKS = tuple(threading.Lock() for _ in range(64))
"""By descriptor, so that who reads one file waits for nobody who reads another, or hardly ever."""


def _at_once(fd: int, buffer: memoryview, offset: int) -> int:
    return os.preadv(fd, [buffer], offset)


def _moved(fd: int, buffer: memoryview, offset: int) -> int:
    with _LOCKS[fd % len(_LOCKS)], io.FileIO(fd, closefd=False) as file:
        file.seek(offset)
        return file.readinto(buffer)


def _moved_and_copied(fd: int, nbytes: int, offset: int) -> bytes:
    buffer = bytearray(max(0, min(nbytes, os.fstat(fd).st_size - offset)))
    return bytes(buffer[: _moved(fd, memoryview(buffer), offset)])


pread: Callable[[int, int, int], bytes] = getattr(os, "pread", _moved_and_copied)
"""Up to so many bytes of a descriptor from an offset: fewer at the end of the file."""

read_into: Callable[[int, memoryview, int], int] = _at_once if hasattr(os, "preadv") else _moved
"""How many bytes of a descriptor from an offset were put into a buffer, as ``os.preadv`` does."""
