"""Bytes to :class:`~ckptdoctor.checkpoint.Checkpoint`: by content, not by name; nothing executed.

One module a format. No reader imports torch, and none imports, calls or looks up anything that a
file names.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.errors import UnknownFormatError
from ckptdoctor.formats import safetensors, torch_legacy, torch_tar, torch_zip
from ckptdoctor.formats.assemble import OpenFile
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.sniff import describe_stranger

__all__ = ["Limits", "looks_like_checkpoint", "open_checkpoint", "opened", "read_checkpoint"]

_HEAD_NBYTES = 4096
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO, which would wait for a writer for ever"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_checkpoint(path: str | Path, limits: Limits | None = None) -> Checkpoint:
    """What a checkpoint file holds: its tensors, scalars, globals, and the damage that was met.

    Tensor bytes are not read, and nothing in the file is executed or imported.

    Args:
        path: the file, whatever its name ends in.
        limits: bounds on the work; by default what the size of the file explains.

    Raises:
        CheckpointError: nothing could be read; the subclass tells why.
        OSError: the file cannot be opened or read.
    """
    with opened(path) as file:
        return read_checkpoint(file, limits)


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
        yield OpenFile(path, fd, status)
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


def read_checkpoint(file: OpenFile, limits: Limits | None = None) -> Checkpoint:
    """The checkpoint in an open file; see :func:`open_checkpoint`."""
    limits = limits or Limits.for_file(file.nbytes)
    head = os.pread(file.fd, _HEAD_NBYTES, 0)
    if not head:
        raise UnknownFormatError(
            file.path,
            "an empty file",
            remedy="The write was interrupted, or the disk was full: use an earlier checkpoint.",
        )
    if head.startswith(torch_zip.MAGIC):
        return torch_zip.read_torch_zip(file, limits)
    if safetensors.is_safetensors(head):
        return safetensors.read_safetensors(file, limits)
    if torch_tar.is_tar(head[:512]):
        return torch_tar.read_torch_tar(file, limits)
    what, remedy = describe_stranger(head, file.nbytes)
    if what:
        raise UnknownFormatError(file.path, f"not a checkpoint but {what}", remedy=remedy)
    return torch_legacy.read_pickle(file, limits)


def looks_like_checkpoint(path: Path) -> bool:
    """Whether the first bytes of a file with any name are those of a checkpoint.

    Raises:
        OSError: the file cannot be opened.
    """
    try:
        with opened(path) as file:
            head = os.pread(file.fd, _HEAD_NBYTES, 0)
    except UnknownFormatError:
        return False
    if head.startswith(torch_zip.MAGIC):
        return b"/data.pkl" in head[:512] or b"/version" in head[:512]
    return safetensors.is_safetensors(head) or torch_legacy.is_legacy(head)
