"""A folder that is written under a temporary name, and gets its own in one step.

Whatever happens, the destination is absent, the old folder, or the new one: the system's
``renameat2`` exchanges the two names at once. Where it has no such call the old folder is renamed
first, and for that moment the destination is absent.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.errors import RestoreError
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import is_manifest, manifest_path
from ckptdoctor.recovery.publish import (
    RENAME_EXCHANGE,
    RENAME_NOREPLACE,
    PlacedError,
    refuse_far_folder,
    rename_with,
    sync_folder,
)
from ckptdoctor.shell import command_line

__all__ = ["Stage", "check_place", "is_ours", "place", "sync_tree", "temporary_folder"]


@dataclass(slots=True)
class Stage:
    """A folder on its way to its name.

    Attributes:
        path: where it is written.
        placed: whether what lies there now may be the old folder instead.
    """

    path: Path
    placed: bool = False


def check_place(destination: Path, sources: tuple[Path, ...], *, force: bool) -> None:
    """Refuse a destination that would cost the user something.

    Raises:
        RestoreError: it is a source, lies in one or holds one, is no folder, exists without
            ``force``, or lies in a folder that cannot be written.
    """
    parent = destination.parent
    refuse_far_folder(destination)
    if not parent.is_dir():
        raise RestoreError(f"{parent} is no folder: make it first, or choose another with -o")
    where = Path(os.path.realpath(destination))
    for source in sources:
        origin = Path(os.path.realpath(source))
        if where == origin or (origin.is_dir() and where.is_relative_to(origin)):
            raise RestoreError(
                f"{destination} is the source, or lies in it, {source}: choose another with -o"
            )
        if origin.is_relative_to(where):
            raise RestoreError(f"{destination} holds the source, {source}: choose another with -o")
    if kind := _no_folder(destination):
        raise RestoreError(f"{destination} is {kind}, and is not replaced: name a folder with -o")
    if os.path.lexists(destination) and not force:
        raise RestoreError(
            f"{destination} exists and is not overwritten: choose another with -o, "
            "or say --force if it may be replaced"
        )
    if where == Path.cwd() or Path.cwd().is_relative_to(where):
        raise RestoreError(f"{destination} is where you are: choose another with -o")
    if not os.access(parent, os.W_OK | os.X_OK):
        elsewhere = command_line("-o", Path(destination.name))
        raise RestoreError(f"{parent} cannot be written: choose another place, {elsewhere}")


def _no_folder(path: Path) -> str:
    """What is at a place where a folder may be replaced; "" for a folder, or nothing."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return ""
    if stat.S_ISDIR(mode):
        return ""
    if stat.S_ISLNK(mode):
        return "a link"
    return "a file" if stat.S_ISREG(mode) else "no folder"


def is_ours(folder: Path) -> bool:
    """Whether a folder is empty, or ``restore`` wrote it: its manifest lies beside it or in it."""
    entries = [Path(entry.path) for entry in os.scandir(folder)]
    notes = [manifest_path(entry) for entry in entries if entry.is_dir()]
    with contextlib.suppress(OSError):
        return not entries or any(is_manifest(note) for note in (manifest_path(folder), *notes))
    return False


@contextlib.contextmanager
def temporary_folder(destination: Path) -> Iterator[Stage]:
    """A new folder beside the destination, gone again unless it got its name.

    Nobody else can read it before it has its permissions.
    """
    path = Path(tempfile.mkdtemp(prefix=".ckptdoctor-", suffix=".tmp", dir=destination.parent))
    stage = Stage(path)
    try:
        yield stage
    except (OSError, RestoreError) as error:
        if _stays(stage):
            raise _and_stays(error, path) from error
        raise
    finally:
        _stays(stage)


def _stays(stage: Stage) -> bool:
    """Whether a folder that got no name is there still, though it was to be removed."""
    if stage.placed:
        return False
    shutil.rmtree(stage.path, ignore_errors=True)
    return stage.path.exists()


def _and_stays(error: OSError | RestoreError, path: Path) -> Exception:
    """The same error, which also tells of the temporary folder that could not be removed."""
    more = f"{path} is left behind and may be deleted"
    if isinstance(error, OSError):
        return type(error)(error.errno, f"{error.strerror or error}; {more}", error.filename)
    return RestoreError(*error.lines, more)


def sync_tree(folder: Path) -> None:
    """Make the names in a folder last, and those below it; files are synced by who wrote them.

    Raises:
        OSError: they cannot be synced.
    """
    try:
        for parent, _, _ in os.walk(folder, topdown=False):
            sync_folder(Path(parent))
    except PlacedError as error:  # nothing has its name yet
        raise OSError(error.errno, error.strerror, str(folder)) from error


def place(stage: Stage, destination: Path, *, force: bool, ours: bool) -> Path | None:
    """Make a temporary folder the destination, in one step.

    Args:
        stage: written, verified and synced.
        destination: where it goes.
        force: whether a folder that is there may be replaced.
        ours: whether the folder that is there is gone for good; any other is kept beside.

    Returns:
        Where the old folder is kept; None where there was none, or where it was ours, and is gone.

    Raises:
        RestoreError: something is there by now: without ``force`` anything, with it no folder.
        PlacedError: it is done, but the folder could not be synced.
        OSError: it cannot be done; the destination is what it was.
    """
    if not os.path.lexists(destination):
        _name(stage.path, destination)
        stage.placed = True
        sync_folder(destination.parent)
        return None
    if not force:
        raise RestoreError(f"{destination} has appeared meanwhile and is not overwritten")
    if kind := _no_folder(destination):
        raise RestoreError(f"{destination} is {kind} by now, and is not replaced")
    stage.placed = True  # first: what lies there from now on may be the user's
    try:
        exchanged = rename_with(stage.path, destination, RENAME_EXCHANGE)
        old = stage.path if exchanged else _aside(stage.path, destination)
    except OSError:
        stage.placed = False
        raise
    try:
        kept = _put_away(old, destination, ours=ours)
    except PlacedError:  # what is left behind matters more than the sync
        with contextlib.suppress(PlacedError):
            sync_folder(destination.parent)
        raise
    sync_folder(destination.parent)
    return kept


def _name(stage: Path, destination: Path) -> None:
    try:
        if rename_with(stage, destination, RENAME_NOREPLACE):
            return
    except FileExistsError as error:
        raise RestoreError(
            f"{destination} has appeared meanwhile and is not overwritten"
        ) from error
    stage.rename(destination)


def _aside(stage: Path, destination: Path) -> Path:
    """Two renames where no exchange is to be had."""
    old = destination.with_name(f".ckptdoctor-{secrets.token_hex(8)}.tmp")
    destination.rename(old)
    try:
        stage.rename(destination)
    except OSError:
        old.rename(destination)
        raise
    return old


def _put_away(old: Path, destination: Path, *, ours: bool) -> Path | None:
    """Remove an old copy of ours; keep any other folder under a name that can be seen."""
    try:
        if ours:
            shutil.rmtree(old)
            return None
        kept, number = destination.with_name(f"{destination.name}.old"), 2
        while os.path.lexists(kept):
            kept = destination.with_name(f"{destination.name}.old_{number}")
            number += 1
        old.rename(kept)
    except OSError as error:
        what = f"the old folder is left behind as {old}: {error.strerror or error}"
        raise PlacedError(error.errno, what) from error
    return kept
