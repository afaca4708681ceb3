"""A result in a file: all of it, or what was there before."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from pathlib import Path

from ckptdoctor.cli.output import not_written
from ckptdoctor.destination import opened_for_writing
from ckptdoctor.errors import DestinationError, RestoreError
from ckptdoctor.recovery.publish import PlacedError, mode_to_keep, publish, temporary_beside

__all__ = ["write_whole"]

_HELD = re.compile(r"/(?:dev|proc)(?:/|\Z)")
"""Names of what a process has open: another file in its place would be another file."""
_NOT_BESIDE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV)
"""The file may be written all the same: in a folder of others, or mounted by itself."""


def write_whole(destination: Path, data: bytes) -> None:
    """Write a file beside it and give it its name, so that a full disk leaves no part of a result.

    A link stays one, and what it leads to is replaced. What has several names, another owner, or a
    folder that takes no new file is written where it is.

    Raises:
        DestinationError: what is there is no file, or it cannot be written.
    """
    place = Path(os.path.realpath(destination))
    partly = True
    try:
        if not _may_be_replaced(destination, place):
            _write_in_place(destination, data)
            return
        try:
            with contextlib.suppress(PlacedError):  # it is there, and whole
                _write_beside(place, data)
        except OSError as error:
            partly = error.errno in _NOT_BESIDE
            if not partly:
                raise
            _write_in_place(destination, data)
    except DestinationError:
        raise
    except RestoreError as error:
        raise DestinationError(str(error)) from error
    except OSError as error:
        raise not_written(str(destination), error, partly=partly) from error


def _may_be_replaced(destination: Path, place: Path) -> bool:
    """Whether a new file of that name is the same to whoever uses it."""
    if _HELD.match(os.path.abspath(destination)) or _HELD.match(str(place)):  # noqa: PTH100
        return False
    try:
        status = place.lstat()
    except OSError:
        return True
    is_ours = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
    return is_ours and status.st_nlink == 1


def _write_beside(place: Path, data: bytes) -> None:
    with temporary_beside(place, mode_to_keep(place)) as (path, file):
        file.write(data)
        publish(path, file, place, force=True)


def _write_in_place(destination: Path, data: bytes) -> None:
    was_there = os.path.lexists(destination)
    try:
        with os.fdopen(opened_for_writing(destination), "wb") as file:
            file.write(data)
    except DestinationError:
        raise
    except OSError:
        if not was_there:
            with contextlib.suppress(OSError):
                destination.unlink()
        raise
