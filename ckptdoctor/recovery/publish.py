"""Writing a file so that whatever happens the destination is absent, the old file or the new one.

A temporary file in the same folder, synced, then linked or renamed into place in one step, and the
folder synced. A source file is only ever opened for reading.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import math
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ckptdoctor.destination import in_the_way
from ckptdoctor.errors import RestoreError
from ckptdoctor.shell import command_line
from ckptdoctor.sources.descriptors import is_far

__all__ = [
    "RENAME_EXCHANGE",
    "RENAME_NOREPLACE",
    "PlacedError",
    "check_destination",
    "check_space",
    "mode_to_keep",
    "publish",
    "refuse_far_folder",
    "rename_with",
    "space_missing",
    "sync_folder",
    "temporary_beside",
]

_RESERVE_NBYTES = 1 << 20  # for the manifest and the folder's own growth
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP)
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
_NO_SUCH_RENAME = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
_AT_FDCWD = -100
_PLAIN_MODE = 0o666  # less the umask: what open() gives
_MB = 1e6
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)


class PlacedError(OSError):
    """Something failed, but only after the file had its name: it is there and whole."""


def check_destination(destination: Path, sources: tuple[Path, ...], *, force: bool) -> None:
    """Refuse a destination that would cost the user something.

    Raises:
        RestoreError: it is a source under this or another name, is no file, exists without
            ``force``, or lies in a folder that cannot be written.
    """
    if is_far(destination):
        _check_far(destination, sources, force=force)
        return
    folder = destination.parent
    if not folder.is_dir():
        raise RestoreError(f"{folder} is no folder: make it first, or choose another with -o")
    for source in sources:
        with contextlib.suppress(OSError):
            if destination.exists() and destination.samefile(source):
                raise RestoreError(
                    f"{destination} is the source itself, {source}: choose another with -o"
                )
    if kind := in_the_way(destination):
        raise RestoreError(f"{destination} is {kind}, and is not replaced: name a file with -o")
    if os.path.lexists(destination) and not force:
        raise _exists(destination)
    if not os.access(folder, os.W_OK | os.X_OK):
        elsewhere = command_line("-o", Path(destination.name))
        raise RestoreError(f"{folder} cannot be written: choose another place, {elsewhere}")


def _check_far(destination: Path, sources: tuple[Path, ...], *, force: bool) -> None:
    from ckptdoctor.sources.upload import described, is_same, why_never

    if why := why_never(destination):
        raise _not_by_url(destination, why)
    for source in sources:
        if is_same(destination, source):
            raise RestoreError(
                f"{destination} is the source itself, {source}: choose another with -o"
            )
    there = described(destination)
    if there is not None and there.is_folder:
        raise RestoreError(f"{destination} is a folder, and is not replaced: name a file with -o")
    if there is not None and not force:
        raise _exists(destination)


def _exists(destination: Path) -> RestoreError:
    return RestoreError(
        f"{destination} exists and is not overwritten: choose another with -o, "
        "or say --force if it may be replaced"
    )


def _not_by_url(destination: Path, why: str) -> RestoreError:
    elsewhere = command_line("-o", Path(destination.name))
    return RestoreError(f"{destination}: {why}: write it here, {elsewhere}, and upload that")


def refuse_far_folder(destination: Path) -> None:
    """Refuse to write a folder elsewhere, where no step gives all of its files their names at once.

    Raises:
        RestoreError: it lies elsewhere.
    """
    if is_far(destination):
        raise _not_by_url(destination, "a checkpoint of several files is not written by URL")


def check_space(folder: Path, nbytes: int) -> None:
    """Refuse to start what the disk cannot hold.

    Raises:
        RestoreError: fewer bytes are free.
    """
    if is_far(folder):  # it is written here first
        passing = Path(tempfile.gettempdir())
        if missing := space_missing(passing, nbytes):
            raise RestoreError(f"{passing}: {missing}; free some, or set TMPDIR to another folder")
    elif missing := space_missing(folder, nbytes):
        raise RestoreError(f"{folder}: {missing}; free some, or choose another folder with -o")


def space_missing(folder: Path, nbytes: int) -> str:
    """What a disk lacks to take so many bytes, in figures; "" where they fit or nobody knows."""
    try:
        space = shutil.disk_usage(folder)
    except (OSError, AttributeError):
        return ""
    free = space.free
    missing = nbytes + _RESERVE_NBYTES - free
    if space.total == 0 or missing <= 0:
        return ""
    return (
        f"{free / _MB:.1f} MB are free, {nbytes / _MB:.1f} MB are needed and a reserve of "
        f"{_RESERVE_NBYTES / _MB:.1f} MB is kept free: "
        f"{math.ceil(10 * missing / _MB) / 10:.1f} MB are missing"
    )


def mode_to_keep(destination: Path) -> int | None:
    """The permissions of a file that is replaced, so that those who read it still can; or None."""
    try:
        status = destination.lstat()
    except OSError:
        return None
    return stat.S_IMODE(status.st_mode) if stat.S_ISREG(status.st_mode) else None


@contextlib.contextmanager
def temporary_beside(destination: Path, mode: int | None) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file in the folder of the destination, gone again unless it was published.

    Of a destination that lies elsewhere, one in the temporary folder.

    Args:
        destination: the file that it is to become.
        mode: its permissions; None for those that ``open`` would give it, by the umask.

    Raises:
        OSError: it cannot be made.
        PlacedError: it was published, and a second name of it cannot be removed.
    """
    fd, path = _made_beside(destination, mode)
    file = os.fdopen(fd, "w+b")
    try:
        yield path, file
    except (OSError, RestoreError) as error:
        _close(file)
        if why := _not_removed(path):
            raise _and_stays(error, path, why) from error
        raise
    except BaseException:
        _close(file)
        _not_removed(path)
        raise
    _close(file)
    if why := _not_removed(path):
        raise PlacedError(why.errno, f"{path} is left behind and may be deleted: {why.strerror}")


def _made_beside(destination: Path, mode: int | None) -> tuple[int, Path]:
    """A new empty file; nobody else can read it before it has its permissions."""
    if is_far(destination):
        fd, name = tempfile.mkstemp(prefix="ckptdoctor-", suffix=".tmp")
        return fd, Path(name)
    if mode is None:
        path = destination.with_name(f".ckptdoctor-{secrets.token_hex(8)}.tmp")
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _PLAIN_MODE), path
    fd, name = tempfile.mkstemp(prefix=".ckptdoctor-", suffix=".tmp", dir=destination.parent)
    with contextlib.suppress(OSError, AttributeError):
        os.fchmod(fd, mode)
    return fd, Path(name)


def _close(file: IO[bytes]) -> None:
    """Close a file that was synced, or is to be removed: what it says now changes nothing."""
    with contextlib.suppress(OSError):
        file.close()


def _not_removed(path: Path) -> OSError | None:
    """Why a file could not be removed; None where it is gone."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        return error if os.path.lexists(path) else None
    return None


def _and_stays(error: OSError | RestoreError, path: Path, why: OSError) -> Exception:
    """The same error, which also tells of the temporary file that could not be removed."""
    more = f"{path} is left behind and may be deleted: {why.strerror}"
    if isinstance(error, OSError):
        return type(error)(error.errno, f"{error.strerror or error}; {more}", error.filename)
    return RestoreError(*error.lines, more)


def publish(path: Path, file: IO[bytes], destination: Path, *, force: bool) -> None:
    """Make a temporary file the destination, in one step.

    Args:
        path: the temporary file, written and verified.
        file: the same, open; closed afterwards, but where it is uploaded.
        destination: where it goes.
        force: whether a file that is there may be replaced.

    Raises:
        RestoreError: something is there by now: without ``force`` anything, with it no file.
        PlacedError: it is done, but the folder could not be synced.
        OSError: it cannot be done; the destination is what it was.
    """
    file.flush()
    os.fsync(file.fileno())
    if is_far(destination):
        _upload(path, destination, force=force)
        return
    file.close()  # first: on Windows an open file keeps its name
    if force:
        if kind := in_the_way(destination):
            raise RestoreError(f"{destination} is {kind} by now, and is not replaced")
        path.replace(destination)
    else:
        _move_without_replacing(path, destination)
    sync_folder(destination.parent)


def _upload(path: Path, destination: Path, *, force: bool) -> None:
    from ckptdoctor.sources.upload import upload

    try:
        left = upload(path, destination, replaces=force)
    except FileExistsError as error:
        raise _appeared(destination) from error
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(destination)) from error
    if left:
        raise PlacedError(None, f"{left} is left behind and may be deleted")


def _appeared(destination: Path) -> RestoreError:
    return RestoreError(f"{destination} has appeared meanwhile and is not overwritten")


def _move_without_replacing(path: Path, destination: Path) -> None:
    if not hasattr(os, "link"):
        _rename_without_replacing(path, destination)
        return
    try:
        os.link(path, destination, follow_symlinks=False)
    except FileExistsError as error:
        raise _appeared(destination) from error
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        _rename_without_replacing(path, destination)
    else:
        _not_removed(path)  # whoever made it tries again, and tells


def _rename_without_replacing(path: Path, destination: Path) -> None:
    """For folders without hard links: the system's rename that refuses to replace."""
    try:
        if rename_with(path, destination, RENAME_NOREPLACE):
            return
    except FileExistsError:
        pass
    if os.path.lexists(destination):
        raise _appeared(destination)
    try:
        path.rename(destination)
    except FileExistsError as error:  # on Windows, where it never replaces
        raise _appeared(destination) from error


def rename_with(path: Path, destination: Path, flag: int) -> bool:
    """The system's rename that never replaces, or that exchanges two names, in one step.

    Returns:
        Whether it is done; False where the system or the file system has no such call.

    Raises:
        FileExistsError: with ``RENAME_NOREPLACE``, something is there.
        OSError: it cannot be done.
    """
    try:
        rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    except (TypeError, OSError):  # Windows has no library without a name
        return False
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(path), _AT_FDCWD, os.fsencode(destination), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_SUCH_RENAME:
        return False
    raise OSError(number, os.strerror(number), str(destination))


def sync_folder(folder: Path) -> None:
    """Make the new name last; some network folders cannot, and need not."""
    try:
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            what = f"{error.strerror or error}: its folder could not be synced"
            raise PlacedError(error.errno, what, str(folder)) from error
