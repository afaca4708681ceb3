"""What layouts say of a folder, in short."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ckptdoctor.layouts.files import CheckpointFiles, Pointer
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.layout import Layout


def claims(layout: Layout, path: Path) -> list[CheckpointFiles]:
    """The checkpoints that a layout sees in a folder, those of folders below left aside."""
    return list(layout.claim(Folder(path)))


def claim(layout: Layout, path: Path) -> CheckpointFiles:
    """The one checkpoint that a layout sees in a folder."""
    [found] = claims(layout, path)
    return found


def pointers(layout: Layout, path: Path) -> list[Pointer]:
    """The pointers that a layout sees in a folder."""
    return list(layout.pointers(Folder(path)))


def roles(files: CheckpointFiles) -> dict[str, str]:
    """The parts by name, and what they hold."""
    return {part.name: part.role.value for part in files.parts}


def prefixes(files: CheckpointFiles) -> dict[str, str]:
    """The parts by name, and what their names begin with."""
    return {part.name: part.prefix for part in files.parts}


def absent(files: CheckpointFiles) -> dict[str, str]:
    """What is not there, and what it would hold."""
    return {one.name: one.role.value for one in files.absent}


def touch(folder: Path, names: Iterable[str]) -> Path:
    """A folder of files that hold nothing, where names are all that counts."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder
