"""Which files a copy of a checkpoint has: all of its folder, and what is left behind and why."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ckptdoctor.errors import RestoreError
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.places import looks_into
from ckptdoctor.runs.discover import CHECKPOINT_SUFFIXES

__all__ = ["Contents", "SourceFile", "contents_of"]

_PARTS = (*CHECKPOINT_SUFFIXES, ".distcp")
_CACHES = frozenset({"__pycache__", "node_modules"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file that is to be copied.

    Attributes:
        name: its path from the folder, with slashes.
        path: where it lies; a link is followed.
        nbytes: its size.
    """

    name: str
    path: Path
    nbytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a copy has.

    Attributes:
        files: by their names, in their order.
        left: what stays behind, and why, a few words each.
    """

    files: tuple[SourceFile, ...]
    left: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """The size of all of them."""
        return sum(file.nbytes for file in self.files)


def contents_of(files: CheckpointFiles) -> Contents:
    """Every file of a checkpoint: those of its folder, or, side by side, its parts alone.

    A part of a folder that lies beside the folder is within the copy.

    Links to files are followed; what is a link to a folder, no file, or a folder that holds
    checkpoints of its own stays behind.

    Raises:
        RestoreError: a part lies outside the folder, or two have one name.
        OSError: the folder cannot be read.
    """
    parts = [part.name for part in files.parts]
    if not files.path.is_dir():
        found = [_file(part.name, part.path) for part in files.parts]
        _refuse_outside(files, parts)
        if len(set(parts)) < len(parts):
            raise RestoreError(f"{files.path}: two of its parts have the same name")
        return Contents(files=tuple(sorted(found, key=lambda file: file.name)))
    left: list[str] = []
    found = list(_walk(files.path, "", parts, left))
    names = {file.name for file in found}
    _refuse_outside(files, [name for name in parts if name not in names])
    beside = [part for part in files.parts if not part.path.is_relative_to(files.path)]
    found += [_file(part.name, part.path) for part in beside if part.name not in names]
    names.update(part.name for part in beside)
    lost = [name for name in parts if name not in names]
    if lost:
        raise RestoreError(f"{files.path}: {lost[0]} is gone: try again")
    return Contents(files=tuple(sorted(found, key=lambda file: file.name)), left=tuple(left))


def _refuse_outside(files: CheckpointFiles, names: Sequence[str]) -> None:
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise RestoreError(f"{files.path}: its part {name} lies outside of it")


def _file(name: str, path: Path) -> SourceFile:
    return SourceFile(name=name, path=path, nbytes=path.stat().st_size)


def _walk(folder: Path, prefix: str, parts: Sequence[str], left: list[str]) -> Iterator[SourceFile]:
    looks_into(folder)
    with os.scandir(folder) as listed:
        entries = sorted(listed, key=lambda entry: entry.name)
    for entry in entries:
        name = prefix + entry.name
        if _is_leftover(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            why = _why_left(folder / entry.name, name, parts)
            if why:
                left.append(f"{name}: {why}")
            else:
                yield from _walk(folder / entry.name, f"{name}/", parts, left)
        elif entry.is_file():
            yield _file(name, folder / entry.name)
        else:
            left.append(f"{name}: {'a link to a folder' if entry.is_dir() else 'no regular file'}")


def _is_leftover(name: str) -> bool:
    return name.startswith(".ckptdoctor-") and name.endswith(".tmp")


def _why_left(folder: Path, name: str, parts: Sequence[str]) -> str:
    """Why a folder below is no part of the checkpoint; "" where it is copied."""
    if any(part.startswith(f"{name}/") for part in parts):
        return ""
    if folder.name.startswith(".") or folder.name in _CACHES:
        return "hidden, and no part of the checkpoint"
    return "checkpoints of its own" if _holds_parts(folder) else ""


def _holds_parts(folder: Path) -> bool:
    looks_into(folder)
    try:
        with os.scandir(folder) as listed:
            entries = list(listed)
    except OSError:
        return False
    return any(
        _holds_parts(folder / entry.name)
        if entry.is_dir(follow_symlinks=False)
        else entry.name.lower().endswith(_PARTS)
        for entry in entries
    )
