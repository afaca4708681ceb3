"""The notes beside many restored files: each folder is listed once, and few have any."""

from __future__ import annotations

import os
from pathlib import Path

from ckptdoctor.manifest import RestoredFrom, manifest_path, restored_from
from ckptdoctor.places import looks_into, named

__all__ = ["Manifests"]


class Manifests:
    """Where files come from, for the time of one examination."""

    def __init__(self) -> None:
        self._noted: dict[str, frozenset[str]] = {}

    def restored_from(self, path: Path) -> RestoredFrom | None:
        """As :func:`~ckptdoctor.manifest.restored_from`."""
        has_note = self.has_note(path) or self.has_note(path.parent)
        return restored_from(path) if has_note else None

    def has_note(self, path: Path) -> bool:
        """Whether a note of ours may lie beside a file or folder: there is one of its name."""
        folder, name = os.path.split(named(path))
        notes = self._noted.get(folder)
        if notes is None:
            notes = self._noted[folder] = _notes_in(folder)
        return bool(notes) and manifest_path(Path(name)).name in notes


def _notes_in(folder: str) -> frozenset[str]:
    looks_into(folder or os.curdir)
    try:
        with os.scandir(folder or os.curdir) as entries:
            return frozenset(entry.name for entry in entries if entry.name.endswith(".json"))
    except OSError:
        return frozenset()
