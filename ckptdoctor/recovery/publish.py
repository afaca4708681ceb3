"""Writing a file so that whatever happens the destination is absent, the old file or the new one.

A temporary file in the same folder, synced, then linked or renamed into place in one step, and the
folder synced. A source file is only ever opened for reading.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ckptdoctor.errors import RestoreError

__all__ = ["check_destination", "check_space", "publish", "temporary_beside"]

_RESERVE_NBYTES = 1 << 20  # for the manifest and the folder's own growth
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP)
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)


def check_destination(destination: Path, sources: tuple[Path, ...], *, force: bool) -> None:
    """Refuse a destination that would cost the user something.

    Raises:
        RestoreError: it is a source under this or another name, exists without ``force``, or lies
            in a folder that cannot be written.
    """
    folder = destination.parent
    if not folder.is_dir():
        raise RestoreError(f"{folder} is no folder: make it first, or choose another with -o")
    for source in sources:
        with contextlib.suppress(OSError):
            if destination.exists() and destination.samefile(source):
                raise RestoreError(
                    f"{destination} is the source itself, {source}: choose another with -o"
                )
    if destination.is_dir():
        raise RestoreError(f"{destination} is a folder: name a file with -o")
    if os.path.lexists(destination) and not force:
        raise RestoreError(
            f"{destination} exists and is not overwritten: choose another with -o, "
            "or say --force if it may be replaced"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        elsewhere = shlex.quote(f"./{destination.name}")
        raise RestoreError(f"{folder} cannot be written: choose another place, -o {elsewhere}")


def check_space(folder: Path, nbytes: int) -> None:
    """Refuse to start what the disk cannot hold.

    Raises:
        RestoreError: fewer bytes are free.
    """
    try:
        status = os.statvfs(folder)
    except (OSError, AttributeError):
        return
    free = status.f_bavail * status.f_frsize
    if status.f_blocks > 0 and free < nbytes + _RESERVE_NBYTES:
        raise RestoreError(
            f"{folder} has {free / 1e6:.0f} MB free, and {nbytes / 1e6:.0f} MB are needed: "
            "free some, or choose another folder with -o"
        )


@contextlib.contextmanager
def temporary_beside(destination: Path, mode: int) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file in the folder of the destination, gone again unless it was published.

    Args:
        destination: the file that it is to become.
        mode: its permissions.
    """
    fd, name = tempfile.mkstemp(prefix=".ckptdoctor-", suffix=".tmp", dir=destination.parent)
    path = Path(name)
    try:
        with os.fdopen(fd, "w+b") as file:
            with contextlib.suppress(OSError, AttributeError):
                os.fchmod(file.fileno(), mode)
            yield path, file
    finally:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def publish(path: Path, file: IO[bytes], destination: Path, *, force: bool) -> None:
    """Make a temporary file the destination, in one step.

    Args:
        path: the temporary file, written and verified.
        file: the same, open.
        destination: where it goes.
        force: whether a file that is there may be replaced.

    Raises:
        RestoreError: without ``force``, something is there by now.
        OSError: it cannot be done; the destination is what it was.
    """
    file.flush()
    os.fsync(file.fileno())
    if force:
        path.replace(destination)
    else:
        _move_without_replacing(path, destination)
    _sync_folder(destination.parent)


def _move_without_replacing(path: Path, destination: Path) -> None:
    try:
        os.link(path, destination, follow_symlinks=False)
    except FileExistsError as error:
        raise RestoreError(
            f"{destination} has appeared meanwhile and is not overwritten"
        ) from error
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        _rename_without_replacing(path, destination)
    else:
        path.unlink()


def _rename_without_replacing(path: Path, destination: Path) -> None:
    """For folders without hard links: the system's rename that refuses to replace."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None:
        old, new = os.fsencode(path), os.fsencode(destination)
        if rename(_AT_FDCWD, old, _AT_FDCWD, new, _RENAME_NOREPLACE) == 0:
            return
        if ctypes.get_errno() == errno.EEXIST:
            raise RestoreError(f"{destination} has appeared meanwhile and is not overwritten")
    if os.path.lexists(destination):
        raise RestoreError(f"{destination} has appeared meanwhile and is not overwritten")
    path.rename(destination)


def _sync_folder(folder: Path) -> None:
    """Make the new name last; some network folders cannot, and need not."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(fd)
