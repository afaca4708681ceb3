"""What the cache takes and holds, and how it is cleared."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ckptdoctor.cache.database import MOST_NBYTES, Database
from ckptdoctor.cache.file import files_in
from ckptdoctor.cache.place import cache_folder, is_wanted
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Holdings", "clear", "holdings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What is remembered on this machine by this user.

    Attributes:
        folder: where; None where there is no place for it.
        nbytes: what it takes on the disk, with what was set aside.
        results: of how many files something is remembered.
        most_nbytes: what it may take; the oldest go first.
        aside: the damaged or foreign files that were put out of the way.
        wanted: whether ``CKPTDOCTOR_NO_CACHE`` lets anything be remembered.
        why_not: why nothing can be remembered; "" where it can.
    """

    folder: Path | None
    nbytes: int = 0
    results: int = 0
    most_nbytes: int = MOST_NBYTES
    aside: tuple[Path, ...] = ()
    wanted: bool = True
    why_not: str = ""


def holdings() -> Holdings:
    """What is remembered; nothing is made where nothing is."""
    folder = cache_folder()
    if folder is None:
        return Holdings(folder=None, wanted=is_wanted(), why_not="this user has no home folder")
    results, why_not = 0, ""
    if files_in(folder):
        database = Database(folder)
        results, why_not = database.count(), database.why_not
        database.close()
    there = files_in(folder)
    return Holdings(
        folder=folder,
        nbytes=sum(map(_nbytes, there)),
        results=results,
        aside=tuple(path for path in there if ".aside" in path.name),
        wanted=is_wanted(),
        why_not=why_not,
    )


def clear() -> None:
    """Remove all that is remembered, and what was set aside.

    Raises:
        OSError: a file cannot be removed.
    """
    folder = cache_folder()
    for path in files_in(folder) if folder is not None else ():
        with contextlib.suppress(FileNotFoundError):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def _nbytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
