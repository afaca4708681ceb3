"""Where the files of a folder lie: in the folder, or in an archive that holds it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ckptdoctor.formats.open_file import OpenFile, opened
from ckptdoctor.layouts.files import Member
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["FilesIn", "FilesInArchive", "FilesInFolder"]


class FilesIn(Protocol):
    """Files by their names."""

    @property
    def path(self) -> Path:
        """What the user calls it."""

    @property
    def files(self) -> Sequence[str]:
        """The names of its files."""

    def nbytes(self, name: str) -> int:
        """The size of a file."""

    def where(self, name: str) -> tuple[Path, Member | None]:
        """The file that holds it, and where in that."""

    def opened(self, name: str) -> contextlib.AbstractContextManager[OpenFile]:
        """A file of it, open."""


@dataclass(frozen=True, slots=True)
class FilesInFolder:
    """The files of a folder."""

    folder: Folder

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    @property
    def files(self) -> Sequence[str]:
        """The names of its files."""
        return self.folder.files

    def nbytes(self, name: str) -> int:
        """The size of a file."""
        return self.folder.nbytes(name)

    def where(self, name: str) -> tuple[Path, Member | None]:
        """The file itself."""
        return self.folder.path / name, None

    def opened(self, name: str) -> contextlib.AbstractContextManager[OpenFile]:
        """A file of it, open."""
        return opened(self.folder.path / name)


@dataclass(frozen=True, slots=True)
class FilesInArchive:
    """The files of a folder in an archive.

    Attributes:
        path: the archive.
        members: where each file of the folder lies in it, by its name in the folder.
    """

    path: Path
    members: Mapping[str, Member]

    @property
    def files(self) -> Sequence[str]:
        """The names of the files."""
        return tuple(self.members)

    def nbytes(self, name: str) -> int:
        """The size of a file."""
        return self.members[name].nbytes

    def where(self, name: str) -> tuple[Path, Member | None]:
        """The archive, and where the file lies in it."""
        return self.path, self.members[name]

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[OpenFile]:
        """A window on the archive."""
        member = self.members[name]
        with opened(self.path) as file:
            yield file.window(member.start, member.nbytes)
