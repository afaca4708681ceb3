"""A folder as layouts see it: names, sizes, and small texts; nothing is opened but those."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from ckptdoctor.errors import CheckpointError
from ckptdoctor.formats.json_values import is_bloated
from ckptdoctor.formats.open_file import opened
from ckptdoctor.places import looks_into

__all__ = ["Folder"]

_TEXT_NBYTES = 64 << 20
"""An index of a model with a million tensors takes some 60 MB."""


class Folder:
    """What lies in a folder, listed once, when it is asked for.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _listing(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        files: list[str] = []
        folders: list[str] = []
        looks_into(self.path)
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    if not _is_folder(entry):
                        files.append(entry.name)
                    elif not entry.is_symlink():
                        folders.append(entry.name)
        except OSError:
            return (), ()
        return tuple(sorted(files)), tuple(sorted(folders))

    @property
    def files(self) -> tuple[str, ...]:
        """The names of what is no folder, hidden and dangling ones among them."""
        return self._listing[0]

    @property
    def folders(self) -> tuple[str, ...]:
        """The names of the folders in it; links to folders are left alone."""
        return self._listing[1]

    def __contains__(self, name: str) -> bool:
        return name in self._known

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.files)

    def below(self, name: str) -> Folder:
        """A folder in it, whether it is there or not."""
        known = self._children.get(name)
        if known is None:
            known = self._children[name] = Folder(self.path / name)
        return known

    @cached_property
    def _children(self) -> dict[str, Folder]:
        return {}

    def walk(self) -> Iterator[tuple[str, Folder]]:
        """Itself and every folder below it, with the path from here: "" or ``a/b/``."""
        waiting = [("", self)]
        while waiting:
            prefix, folder = waiting.pop()
            yield prefix, folder
            waiting.extend((f"{prefix}{name}/", folder.below(name)) for name in folder.folders)

    def text(self, name: str) -> str | None:
        """What a text in it says; None where it cannot be read, or is far too large for one.

        What is no regular file is never waited for.
        """
        looks_into((self.path / name).parent)
        try:
            with opened(self.path / name) as file:
                if file.nbytes > _TEXT_NBYTES:
                    return None
                data = file.source.read(0, file.nbytes)
        except (CheckpointError, OSError):
            return None
        return None if is_bloated(data) else data.decode("utf-8", "replace")

    def nbytes(self, name: str) -> int:
        """The size of a file in it; 0 where it is gone."""
        looks_into((self.path / name).parent)
        try:
            return (self.path / name).stat().st_size
        except OSError:
            return 0


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that goes in circles
        return False
