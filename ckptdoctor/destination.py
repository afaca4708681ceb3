"""Where a file may be written: where nothing is, where a file is, where a link leads to either.

A FIFO would wait for its reader for ever, a device would take the bytes for orders, and whoever
replaces one of them by name takes it from those who use it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ckptdoctor.errors import DestinationError

__all__ = ["in_the_way", "opened_for_reading", "opened_for_writing", "refuse_what_is_no_file"]

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_AS_IT_IS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_MODE = 0o666  # less the umask: what open() gives


def in_the_way(path: Path) -> str:
    """What is at a path that no file may be written to: ``a FIFO``; "" where one may be.

    A link counts for what it leads to. Where nobody can tell what that is, none may.
    """
    try:
        status = path.lstat()
    except OSError:
        return ""  # nothing, or nothing that can be reached: opening it says why
    if not stat.S_ISLNK(status.st_mode):
        return _kind(status)
    try:
        return f"a link to {kind}" if (kind := _kind(path.stat())) else ""
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"a link that cannot be followed ({error.strerror})"


def _kind(status: os.stat_result) -> str:
    if stat.S_ISREG(status.st_mode):
        return ""
    return _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")


def refuse_what_is_no_file(path: Path) -> None:
    """Do nothing where a file may be written.

    Raises:
        DestinationError: something else is there.
    """
    if kind := in_the_way(path):
        raise DestinationError(f"{path} is {kind}: nothing was written to it; name a file")


def opened_for_writing(path: Path, *, append: bool = False) -> int:
    """The descriptor of a file that is new, empty, or to be written on; never waits.

    Raises:
        DestinationError: what is there is no file.
        OSError: it cannot be opened.
    """
    refuse_what_is_no_file(path)  # first: a device acts when it is opened
    how = os.O_APPEND if append else 0
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | how | _AS_IT_IS, _MODE)
    if kind := _kind(os.fstat(fd)):
        os.close(fd)
        raise DestinationError(f"{path} is {kind} by now: nothing was written to it")
    if not append:
        os.ftruncate(fd, 0)
    return fd


def opened_for_reading(path: Path) -> int:
    """The descriptor of a file of ours; never waits.

    Raises:
        DestinationError: what is there is no file.
        OSError: it cannot be opened.
    """
    fd = os.open(path, os.O_RDONLY | _AS_IT_IS)
    if kind := _kind(os.fstat(fd)):
        os.close(fd)
        raise DestinationError(f"{path} is {kind} and no file")
    return fd
