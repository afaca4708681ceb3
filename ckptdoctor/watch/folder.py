"""Checkpoints in a folder that is written to: which are new, and complete."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ckptdoctor.finding import Severity
from ckptdoctor.report import CheckpointReport
from ckptdoctor.runs.discover import named_checkpoints

__all__ = ["FolderWatch", "looks_unfinished"]

_UNFINISHED = frozenset({"CD101", "CD102", "CD104", "CD109"})
_PATIENCE_S = 60.0
"""A file that looks cut is being written, until it has not changed for so long."""


@dataclass(slots=True)
class _File:
    signature: tuple[int, int, int]
    changed_s: float
    done: bool = False


class FolderWatch:
    """Knows the checkpoints below a folder by size, time and inode.

    Args:
        folder: it may vanish and come back.
        settle_s: a file is looked into once it has not changed for so long.
    """

    def __init__(self, folder: Path, settle_s: float) -> None:
        self._folder = folder
        self._settle_s = settle_s
        self._files: dict[Path, _File] = {}
        self.is_there = True

    def poll(self, now_s: float) -> tuple[list[Path], bool]:
        """The files that are worth a look now, and whether anything was written since the last.

        Args:
            now_s: of a clock that never goes back.
        """
        self.is_there = _can_be_listed(self._folder)
        changed, seen = False, set()
        for path in named_checkpoints(self._folder) if self.is_there else ():
            signature = _signature(path)
            if signature is None:
                continue
            seen.add(path)
            known = self._files.get(path)
            if known is None or known.signature != signature:
                self._files[path] = _File(signature, now_s)
                changed = True
        if self.is_there:
            self._files = {path: file for path, file in self._files.items() if path in seen}
        ready = [
            path
            for path, file in self._files.items()
            if not file.done and now_s - file.changed_s >= self._settle_s
        ]
        return ready, changed

    def done(self, paths: Iterable[Path]) -> None:
        """These were examined as they are now."""
        for path in paths:
            if path in self._files:
                self._files[path].done = True

    def may_be_unfinished(self, report: CheckpointReport, now_s: float) -> bool:
        """Whether a file that looks cut may still be being written."""
        file = self._files.get(report.path)
        recent = file is not None and now_s - file.changed_s < _PATIENCE_S
        return recent and looks_unfinished(report)

    def times(self) -> list[float]:
        """When the checkpoints were written, in seconds since 1970, in order."""
        return sorted(file.signature[1] / 1e9 for file in self._files.values())


def looks_unfinished(report: CheckpointReport) -> bool:
    """Whether a checkpoint looks as one does while it is being written."""
    return any(f.code in _UNFINISHED and f.severity is Severity.ERROR for f in report.findings) or (
        any(f.code == "CD109" for f in report.findings)
    )


def _can_be_listed(folder: Path) -> bool:
    """Whether the folder is there; a network folder that is away raises more than one error."""
    try:
        with os.scandir(folder):
            return True
    except OSError:
        return False


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:  # gone again
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
