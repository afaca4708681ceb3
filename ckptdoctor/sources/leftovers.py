"""Mirrors of processes that were killed: taken away by the next one that makes a mirror.

A process that lives holds a lock on its own, which the system gives back whatever ends it; it does
not matter who has its number by then.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time

try:
    import fcntl
except ImportError:  # Windows
    _CAN_LOCK = False
else:
    _CAN_LOCK = True

__all__ = ["PREFIX", "hold", "sweep"]

PREFIX = "ckptdoctor-far-"
_YOUNG_S = 60.0
"""A folder that somebody has just made may not be locked yet."""

_held: list[int] = []


def hold(folder: str) -> None:
    """Say that a folder is in use for as long as this process lives."""
    if not _CAN_LOCK:
        return
    with contextlib.suppress(OSError):  # a file system without locks: nobody takes it for left
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        _held.append(fd)
        fcntl.flock(fd, fcntl.LOCK_SH)


def sweep(parent: str) -> None:
    """Remove the mirrors in a folder whose owners do not live any more; other users' stay."""
    if not _CAN_LOCK:
        return
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                with contextlib.suppress(OSError):
                    _remove_if_left(entry.path)


def _remove_if_left(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        status = os.fstat(fd)
        if status.st_uid != os.getuid() or time.time() - status.st_mtime < _YOUNG_S:
            return
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where its owner lives
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(fd)
