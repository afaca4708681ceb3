"""The checkpoints of several files in a folder, and the pointers to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace
from pathlib import Path

from ckptdoctor.layouts.files import CheckpointFiles, Pointer
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.registry import all_layouts
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Claims", "claims_in"]


@dataclass(slots=True)
class Claims:
    """What layouts made of the folders that were looked at.

    Attributes:
        checkpoints: of several files, in the order in which they were found.
        pointers: files that name one of them, or a single file.
        taken: the files that are parts, or pointers.
    """

    checkpoints: list[CheckpointFiles] = field(default_factory=list)
    pointers: list[Pointer] = field(default_factory=list)
    taken: set[Path] = field(default_factory=set)


def claims_in(folder: Folder, claims: Claims) -> Iterator[CheckpointFiles]:
    """The checkpoints that a folder is, or that lie in it side by side; noted in ``claims``.

    Args:
        folder: itself, not what lies in folders below it, but for the parts of its checkpoints.
        claims: what is taken already; added to.
    """
    for layout in all_layouts():
        for files in map(_each_once, layout.claim(folder)):
            paths = {part.path for part in files.parts}
            if paths & claims.taken:
                continue
            claims.taken |= paths
            claims.checkpoints.append(files)
            yield files
        for pointer in layout.pointers(folder):
            if pointer.path not in claims.taken:
                claims.pointers.append(pointer)
                if not pointer.path.is_symlink():  # a link is a checkpoint too, or would be one
                    claims.taken.add(pointer.path)


def _each_once(files: CheckpointFiles) -> CheckpointFiles:
    """The checkpoint without parts that lie where another does: an index may name any file."""
    places = {(part.path, part.member): part for part in reversed(files.parts)}
    if len(places) == len(files.parts):
        return files
    return replace(files, parts=tuple(reversed(places.values())))
