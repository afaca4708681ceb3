"""The files of a copy: written, synced, read back and compared, one after the other."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import IO

from ckptdoctor.errors import RestoreError
from ckptdoctor.formats.open_file import OpenFile, opened
from ckptdoctor.layouts.reading import read_part
from ckptdoctor.manifest import FileNote, RestoredFrom, sha256_of
from ckptdoctor.recovery.average import compare_means
from ckptdoctor.recovery.draft import Draft
from ckptdoctor.recovery.folders.changes import Changes
from ckptdoctor.recovery.folders.contents import Contents, SourceFile
from ckptdoctor.recovery.folders.part_draft import PartView, is_patched, part_draft
from ckptdoctor.recovery.patched import write_patched
from ckptdoctor.recovery.verify import compare_draft
from ckptdoctor.recovery.writing import write_draft
from ckptdoctor.sources.descriptors import pread

__all__ = ["Copying"]

_CHUNK_NBYTES = 1 << 22


class Copying:
    """The files of a checkpoint on their way into a folder.

    Args:
        contents: the files to copy.
        views: the parts among them that could be read, by name.
        changes: what is changed on the way.
        copied: what the manifest beside the source says, where it is a copy itself.
        texts: what some of the files are to say instead, by name.

    Attributes:
        read: the files as they were read, by name.
        written: the files as they were written, by name.
    """

    def __init__(
        self,
        contents: Contents,
        views: Mapping[str, PartView],
        changes: Changes,
        copied: RestoredFrom | None,
        texts: Mapping[str, str],
    ) -> None:
        self._texts = texts
        self._contents = contents
        self._views = views
        self._changes = changes
        self._copied = copied
        self.read: dict[str, FileNote] = {}
        self.written: dict[str, FileNote] = {}

    @cached_property
    def changed(self) -> list[SourceFile]:
        """The files that are not copied as they are."""
        return [
            file
            for file in self._contents.files
            if file.name in self._views and self._changes.concerns(self._views[file.name])
        ]

    def change(self, folder: Path | None) -> None:
        """Change the parts that an edit concerns; without a folder only see that it can be done.

        Raises:
            RestoreError: it cannot be done, or what was written is not as it must be.
            OSError: it cannot be read or written.
        """
        for file in self.changed:
            view = self._views[file.name]
            with part_draft(view, self._copied) as draft, contextlib.ExitStack() as held:
                self._changes.apply(draft, view, held)
                if folder is not None:
                    self._write_changed(draft, file, folder, patched=is_patched(view.report))

    def _write_changed(
        self, draft: Draft, file: SourceFile, folder: Path, *, patched: bool
    ) -> None:
        target = folder / file.name
        with _new_file(target, draft.file) as out:
            expected = ""
            if patched:
                expected = write_patched(draft, out)
            else:
                write_draft(draft, out)
            out.flush()
            os.fsync(out.fileno())
            written = sha256_of(out.fileno())
            if expected and written != expected:
                raise RestoreError(f"verification failed: the bytes of {file.name} differ")
            self._note(file.name, out.fileno(), written)
        self.read[file.name] = FileNote(
            name=file.name, nbytes=draft.file.nbytes, sha256=sha256_of(draft.file.fd)
        )
        if not patched or draft.means:
            part = self._views[file.name].report.part
            with opened(target) as copy:
                compare = compare_means if patched else compare_draft
                compare(draft, read_part(part, copy), copy.fd)

    def _note(self, name: str, fd: int, sha256: str) -> None:
        nbytes = os.fstat(fd).st_size
        self.written[name] = FileNote(name=name, nbytes=nbytes, sha256=sha256)

    def copy(self, folder: Path) -> None:
        """Copy the files that nothing changes.

        Raises:
            RestoreError: one changed meanwhile, or what was written differs.
            OSError: it cannot be read or written.
        """
        changed = {file.name for file in self.changed}
        for file in self._contents.files:
            if file.name in self._texts:
                self._write_text(file, folder, self._texts[file.name])
            elif file.name not in changed:
                self._copy(file, folder)

    def _write_text(self, file: SourceFile, folder: Path, text: str) -> None:
        with opened(file.path) as source, _new_file(folder / file.name, source) as out:
            out.write(text.encode())
            out.flush()
            os.fsync(out.fileno())
            self._note(file.name, out.fileno(), sha256_of(out.fileno()))
            self.read[file.name] = FileNote(
                name=file.name, nbytes=source.nbytes, sha256=sha256_of(source.fd)
            )

    def _copy(self, file: SourceFile, folder: Path) -> None:
        with opened(file.path) as source:
            view = self._views.get(file.name)
            if view is not None and source.identity != view.checkpoint.identity:
                raise RestoreError(f"{file.path} changed while it was examined: try again")
            with _new_file(folder / file.name, source) as out:
                sha256 = _copied(source, out)
                out.flush()
                os.fsync(out.fileno())
                if source.changed() or sha256_of(out.fileno()) != sha256:
                    raise RestoreError(
                        f"the copy of {file.path} differs: the source changed meanwhile"
                    )
                self._note(file.name, out.fileno(), sha256)
        self.read[file.name] = self.written[file.name]


def _copied(source: OpenFile, out: IO[bytes]) -> str:
    digest, offset = hashlib.sha256(), 0
    while data := pread(source.fd, _CHUNK_NBYTES, offset):
        out.write(data)
        digest.update(data)
        offset += len(data)
    return digest.hexdigest()


def _new_file(path: Path, source: OpenFile) -> IO[bytes]:
    """A new file with the permissions of its source, which its owner may write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(os.fstat(source.fd).st_mode) | stat.S_IWUSR
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    if hasattr(os, "fchmod"):
        os.fchmod(fd, mode)
    return os.fdopen(fd, "w+b")
