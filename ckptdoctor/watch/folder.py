"""Checkpoints in a folder that is written to: which are new, and complete."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.report import CheckpointReport
from ckptdoctor.runs.discover import named_checkpoints

__all__ = ["FolderWatch", "looks_unfinished"]

_UNFINISHED = frozenset({"CD101", "CD102", "CD104", "CD109", "CD111"})
_PATIENCE_S = 60.0
"""A file that looks cut is being written, until it has not changed for so long."""


Signature = tuple[tuple[int, int, int], ...]
"""Size, time and inode of each file of a checkpoint."""


@dataclass(slots=True)
class _Seen:
    signature: Signature
    changed_s: float
    is_whole: bool
    done: bool = False


class FolderWatch:
    """Knows the checkpoints below a folder by size, time and inode.

    Args:
        folder: it may vanish and come back.
        settle_s: a file is looked into once it has not changed for so long.
        version: a number that is another once something may have changed; None where nobody knows.
    """

    def __init__(
        self, folder: Path, settle_s: float, version: Callable[[], int] | None = None
    ) -> None:
        self._folder = folder
        self._settle_s = settle_s
        self._seen: dict[Path, _Seen] = {}
        self._version = version
        self._looked_at = -1
        self.is_there = True

    def poll(self, now_s: float) -> tuple[list[Path], bool]:
        """The checkpoints that are worth a look now, and whether anything was written since.

        One of several files is, once none of them grows and the last is there that its framework
        writes; or none has grown for so long that nothing more will come.

        Args:
            now_s: of a clock that never goes back.
        """
        version = -1 if self._version is None else self._version()
        if version < 0 or version != self._looked_at:
            changed = self._look(now_s)
            self._looked_at = version
        else:
            changed = False
        ready = [path for path, seen in self._seen.items() if self._is_ready(seen, now_s)]
        return ready, changed

    def _look(self, now_s: float) -> bool:
        """Whether anything was written since."""
        self.is_there = _can_be_listed(self._folder)
        changed, there = False, set()
        for files in named_checkpoints(self._folder) if self.is_there else ():
            signature = _signature(files)
            if not signature:
                continue
            there.add(files.path)
            known = self._seen.get(files.path)
            if known is None or known.signature != signature:
                self._seen[files.path] = _Seen(signature, now_s, _is_whole(files))
                changed = True
        if self.is_there:
            self._seen = {path: seen for path, seen in self._seen.items() if path in there}
        return changed

    def _is_ready(self, seen: _Seen, now_s: float) -> bool:
        patience = self._settle_s if seen.is_whole else max(self._settle_s, _PATIENCE_S)
        return not seen.done and now_s - seen.changed_s >= patience

    def done(self, paths: Iterable[Path]) -> None:
        """These were examined as they are now."""
        for path in paths:
            if path in self._seen:
                self._seen[path].done = True

    def may_be_unfinished(self, report: CheckpointReport, now_s: float) -> bool:
        """Whether a file that looks cut may still be being written."""
        seen = self._seen.get(report.path)
        recent = seen is not None and now_s - seen.changed_s < _PATIENCE_S
        return recent and looks_unfinished(report)

    def times(self) -> list[float]:
        """When the checkpoints were written, in seconds since 1970, in order."""
        last = (max(mtime for _, mtime, _ in seen.signature) for seen in self._seen.values())
        return sorted(mtime / 1e9 for mtime in last)


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


def _signature(files: CheckpointFiles) -> Signature:
    """Of the files that are there; () where all are gone again."""
    found: list[tuple[int, int, int]] = []
    for part in files.parts:
        with contextlib.suppress(OSError):
            status = part.path.stat()
            found.append((status.st_size, status.st_mtime_ns, status.st_ino))
    return tuple(found)


def _is_whole(files: CheckpointFiles) -> bool:
    """Whether the file is there that the framework writes last, and none is known to lack."""
    names = {part.name for part in files.parts}
    return not files.absent and (not files.finished or files.finished in names)
