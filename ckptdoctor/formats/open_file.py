"""An open checkpoint file: regular files only, read-only, and never waited for."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.checkpoint import FileIdentity
from ckptdoctor.errors import ExhaustedError, UnknownFormatError
from ckptdoctor.formats.source import ByteSource, FileSource, MemorySource
from ckptdoctor.sources import path_of
from ckptdoctor.sources.descriptors import close, open_readable, refresh

__all__ = ["OpenFile", "opened"]

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO, which would wait for a writer for ever"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class OpenFile:
    """An open checkpoint file: its path, its descriptor and what ``fstat`` said of it.

    Or a window on one: a checkpoint that lies in another file. What a reader of it says of places
    counts from the start of the whole file, so that whoever reads there needs to know no window.

    Attributes:
        path: the file.
        fd: its descriptor.
        identity: of the whole file when it was opened.
        start: where the checkpoint begins in it.
        nbytes: size of the checkpoint; that of the file but for windows.
    """

    __slots__ = ("_held", "fd", "identity", "nbytes", "path", "start")

    def __init__(
        self,
        path: Path,
        fd: int,
        *,
        identity: FileIdentity | None = None,
        start: int = 0,
        nbytes: int | None = None,
        held: ByteSource | None = None,
    ) -> None:
        self.path = path
        self.fd = fd
        self.identity = identity or FileIdentity.of(fd)
        self.start = start
        self.nbytes = self.identity.nbytes if nbytes is None else nbytes
        self._held = held

    def window(self, start: int, nbytes: int, data: bytes | None = None) -> OpenFile:
        """A part of it as a file of its own, which the same descriptor reads.

        Args:
            start: its first byte, counted in this file or window.
            nbytes: its size; no more than there is.
            data: its bytes, where they were read already.
        """
        return OpenFile(
            self.path,
            self.fd,
            identity=self.identity,
            start=self.start + start,
            nbytes=max(0, min(nbytes, self.nbytes - start)),
            held=None if data is None else MemorySource(data, self.start + start),
        )

    def unpacked(self, data: bytes) -> OpenFile:
        """What it holds packed, as a file of its own; its bytes have no place in the file.

        Args:
            data: the plain bytes.
        """
        return OpenFile(
            self.path,
            self.fd,
            identity=self.identity,
            nbytes=len(data),
            held=MemorySource(data),
        )

    def through(self, source: ByteSource) -> OpenFile:
        """The same file as another source reads it, some of its bytes replaced."""
        return OpenFile(self.path, self.fd, identity=self.identity, held=source)

    @property
    def is_packed(self) -> bool:
        """Whether its bytes are held, and lie nowhere in the file as they are."""
        return self.source.file_offset is None

    @property
    def source(self) -> ByteSource:
        """Its bytes, counted from its own start."""
        return self._held or FileSource(self.fd, self.nbytes, self.start)

    def changed(self) -> bool:
        """Whether the file is another than when it was opened."""
        refresh(self.fd)
        return FileIdentity.of(self.fd) != self.identity


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[OpenFile]:
    """The file, open for reading; never waits for a FIFO and never follows into a device.

    What is no regular file is not even opened: a writer that waits for a reader would be sent away
    with a broken pipe, and some devices act when they are opened.

    Raises:
        ExhaustedError: no more files may be open.
        UnknownFormatError: the path is no regular file.
        OSError: it cannot be opened.
    """
    path = path_of(path)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
    fd = _open(path, flags)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise _not_regular(path, status)
        yield OpenFile(path, fd)
    finally:
        close(fd)


def _open(path: Path, flags: int) -> int:
    with contextlib.suppress(OSError):
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _not_regular(path, status)
    try:
        return open_readable(path, flags)
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        raise ExhaustedError(
            f"{path}: not examined: no more files may be open at once ({error.strerror}). That is "
            "no fault of the file; allow more with ulimit -n 1024, and ask again"
        ) from error


def _not_regular(path: Path, status: os.stat_result) -> UnknownFormatError:
    name = next((name for test, name in _KINDS if test(status.st_mode)), "no regular file")
    return UnknownFormatError(path, f"not a checkpoint but {name}")
