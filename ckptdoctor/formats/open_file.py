"""An open checkpoint file: regular files only, read-only, and never waited for."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.checkpoint import FileIdentity
from ckptdoctor.errors import UnknownFormatError

__all__ = ["OpenFile", "opened"]

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO, which would wait for a writer for ever"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class OpenFile:
    """An open checkpoint file: its path, its descriptor and what ``fstat`` said of it."""

    __slots__ = ("fd", "identity", "path")

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd
        self.identity = FileIdentity.of(fd)

    @property
    def nbytes(self) -> int:
        """Size of the file."""
        return self.identity.nbytes

    def changed(self) -> bool:
        """Whether the file is another than when it was opened."""
        return FileIdentity.of(self.fd) != self.identity


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[OpenFile]:
    """The file, open for reading; never waits for a FIFO and never follows into a device.

    Raises:
        UnknownFormatError: the path is no regular file.
        OSError: it cannot be opened.
    """
    path = Path(path)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    fd = _open(path, flags)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise _not_regular(path, status)
        yield OpenFile(path, fd)
    finally:
        os.close(fd)


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags)
    except OSError as error:
        with contextlib.suppress(OSError):
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # a socket cannot even be opened
                raise _not_regular(path, status) from error
        raise


def _not_regular(path: Path, status: os.stat_result) -> UnknownFormatError:
    name = next((name for test, name in _KINDS if test(status.st_mode)), "no regular file")
    return UnknownFormatError(path, f"not a checkpoint but {name}")
