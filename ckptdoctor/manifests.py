"""The notes beside many restored files: each folder is listed once, and few have any."""

from __future__ import annotations

import os
from pathlib import Path

from ckptdoctor.manifest import RestoredFrom, manifest_path, restored_from
from ckptdoctor.places import looks_into

__all__ = ["Manifests"]


class Manifests:
    """Where files come from, for the time of one examination."""

    def __init__(self) -> None:
        self._noted: dict[str, frozenset[str]] = {}

    def restored_from(self, path: Path) -> RestoredFrom | None:
        """As :func:`~ckptdoctor.manifest.restored_from`."""
        has_note = self._may_have(manifest_path(path)) or self._may_have(manifest_path(path.parent))
        return restored_from(path) if has_note else None

    def _may_have(self, note: Path) -> bool:
        folder, name = os.path.split(note)
        if folder not in self._noted:
            self._noted[folder] = _notes_in(folder)
        return name in self._noted[folder]


def _notes_in(folder: str) -> frozenset[str]:
    looks_into(folder or os.curdir)
    try:
        with os.scandir(folder or os.curdir) as entries:
            return frozenset(entry.name for entry in entries if entry.name.endswith(".json"))
    except OSError:
        return frozenset()
