"""The empty files of the mirror, which stand for those elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

from ckptdoctor.sources.entry import Entry

__all__ = ["LONGEST_NAME", "fits", "gone", "is_as_told", "make_file", "nbytes_of"]

LONGEST_NAME = 255


def make_file(place: str, entry: Entry) -> None:
    """An empty file of an entry's size and time.

    Raises:
        FileExistsError: something is there.
        OSError: it cannot be so long.
    """
    fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        os.ftruncate(fd, entry.nbytes)
        if entry.modified_ns:
            os.utime(fd, ns=(entry.modified_ns, entry.modified_ns))
    except OSError:
        os.unlink(place)  # noqa: PTH108
        raise
    finally:
        os.close(fd)


def gone(root: str, found: Mapping[str, Entry], *, deep: bool) -> Iterator[str]:
    """The files below a folder that are there no more; folders that are none any more are removed.

    Args:
        root: the folder.
        found: what lies there now, by its path below it.
        deep: whether what lies in folders of it was listed as well.
    """
    for at, folders, files in list(os.walk(root, topdown=False)):
        inside = "" if at == root else f"{at[len(root) + 1 :]}/"
        if inside and not deep:
            continue
        for name in files:
            entry = found.get(inside + name)
            if entry is None or entry.is_folder:
                yield inside + name
        for name in folders if deep else ():
            entry = found.get(inside + name)
            if entry is None or not entry.is_folder:
                with contextlib.suppress(OSError):  # something lies in it
                    os.rmdir(f"{at}/{name}")  # noqa: PTH106


def is_as_told(place: str, entry: Entry, mark: bytes) -> bool:
    """Whether a file stands for that which the store tells of.

    Args:
        place: of the file.
        entry: what the store tells now.
        mark: what it told of the version that the file stands for.
    """
    try:
        status = os.stat(place)  # noqa: PTH116
    except OSError:
        return False
    if entry.mark or mark:
        return mark == entry.mark and status.st_size == entry.nbytes
    return (status.st_size, status.st_mtime_ns) == (entry.nbytes, entry.modified_ns)


def nbytes_of(place: str) -> int:
    """The size of a file; -1 where there is none."""
    try:
        return os.stat(place).st_size  # noqa: PTH116
    except OSError:
        return -1


def fits(name: str) -> bool:
    """Whether a name can be that of a file here."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        return False
    return len(name.encode("utf-8", "surrogateescape")) <= LONGEST_NAME
