"""What a keeper has written into a folder, in ``keeper.json``, so that a restart goes on from it.

A file is announced before it is written, so that after a kill between the file and the note it is
still known whose it is.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, field, fields, replace
from pathlib import Path
from typing import Any

from ckptdoctor.destination import in_the_way, opened_for_reading
from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.errors import CheckpointError, ExhaustedError, SaveError
from ckptdoctor.formats import open_checkpoint
from ckptdoctor.guard.saving.saver import Check, digest_of, why_bad
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.publish import mode_to_keep, publish, temporary_beside
from ckptdoctor.version import __version__

__all__ = ["Entry", "Ledger"]

_LOG = logging.getLogger("ckptdoctor.guard")
_NAME = "keeper.json"
_SCHEMA_VERSION = 1
_MOST_NBYTES = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file that the keeper wrote.

    Attributes:
        name: in the folder.
        epoch: it was saved after.
        metric: of that epoch; None where none was given, or where it was NaN or infinite.
        sound: whether the metric was not NaN or infinite.
        best: whether it is the best model, and not an epoch's file.
        digest: of its contents; "" while it is being written.
    """

    name: str
    epoch: int
    metric: float | None = None
    sound: bool = True
    best: bool = False
    digest: str = ""


@dataclass(slots=True)
class Ledger:
    """The files in the order of their saving, the newest last.

    Attributes:
        folder: that of the checkpoints.
        metric: name of the metric.
        mode: "max" or "min".
        entries: the files that were written and verified.
        pending: the file that is being written.
        check: what has to be finite in a sound file.
        allow: globs of tensors that need not be.
    """

    folder: Path
    metric: str
    mode: str
    entries: list[Entry] = field(default_factory=list)
    pending: Entry | None = None
    check: Check = field(default=Check.ALL, kw_only=True)
    allow: tuple[str, ...] = field(default=(), kw_only=True)

    def load(self) -> None:
        """Take up what an earlier keeper noted; nothing where there was none.

        Raises:
            SaveError: there is a note that is none, or one for another metric.
            OSError: it cannot be read.
        """
        path = self.folder / _NAME
        try:
            with os.fdopen(opened_for_reading(path), "rb") as file:
                content = json.loads(file.read(_MOST_NBYTES))
            if content["schema_version"] != _SCHEMA_VERSION:
                raise SaveError(f"{path} was written by another version: choose another folder")
            kept, mode = content["metric"], content["mode"]
            entries = [_entry(item) for item in content["files"]]
            pending = None if content["pending"] is None else _entry(content["pending"])
        except FileNotFoundError:
            return
        except (ValueError, TypeError, KeyError) as error:
            raise SaveError(
                f"{path} cannot be understood ({error}): move it and the checkpoints beside it "
                "away, or choose another folder"
            ) from error
        if (kept, mode) != (self.metric, self.mode):
            raise SaveError(
                f"{self.folder} holds the best by {kept} ({mode}), not by {self.metric} "
                f"({self.mode}): choose another folder"
            )
        self.entries, self.pending = entries, pending
        self.settle()

    def store(self) -> None:
        """Write the note, in one step."""
        content: dict[str, Any] = {
            "schema_version": _SCHEMA_VERSION,
            "tool": {"name": "ckptdoctor", "version": __version__},
            "metric": self.metric,
            "mode": self.mode,
            "files": [asdict(entry) for entry in self.entries],
            "pending": None if self.pending is None else asdict(self.pending),
        }
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        path = self.folder / _NAME
        with temporary_beside(path, mode_to_keep(path)) as (temporary, out):
            out.write(text.encode())
            publish(temporary, out, path, force=True)

    def settle(self) -> None:
        """Decide by the file itself whether the one that was announced came about."""
        pending, self.pending = self.pending, None
        if pending is not None:
            digest = _digest_on_disk(self.folder / pending.name)
            before = self.find(pending.name)
            if digest and (before is None or digest != before.digest):
                self.add(replace(pending, digest=digest))
        self.entries = [e for e in self.entries if (self.folder / e.name).exists()]

    def find(self, name: str) -> Entry | None:
        """The entry of a file."""
        return next((entry for entry in self.entries if entry.name == name), None)

    def add(self, entry: Entry) -> None:
        """A file that was written, as the newest, in place of an older one of its name."""
        self.entries = [e for e in self.entries if e.name != entry.name]
        self.entries.append(entry)

    @property
    def best(self) -> Entry | None:
        """The best model."""
        return next((entry for entry in self.entries if entry.best), None)

    def epochs(self) -> Iterator[Entry]:
        """The files of single epochs, the newest first."""
        return (entry for entry in reversed(self.entries) if not entry.best)

    def is_good(self, entry: Entry) -> bool:
        """Whether the file is what was written, and sound; reads all of it."""
        digest, reason = self._read(entry)
        if not reason and digest != entry.digest:
            reason = "it is another checkpoint than the one that was saved"
        if reason:
            _LOG.warning("%s is not to be trusted: %s", self.folder / entry.name, reason)
        return not reason

    def is_ours(self, entry: Entry) -> bool:
        """Whether nobody has put another sound checkpoint under this name; damage does not count.

        As a rule, only the directory of the file is read.
        """
        path = self.folder / entry.name
        if in_the_way(path):
            return False
        if _digest_on_disk(path) in ("", entry.digest):
            return True
        return bool(self._read(entry)[1])

    def _read(self, entry: Entry) -> tuple[str, str]:
        """The digest of the file as it is now, and what is wrong with it."""
        how = Examination(keep_details=True)
        try:
            (report,) = examine([self.folder / entry.name], how).checkpoints
        except ExhaustedError as error:
            return "", str(error)
        digest = "" if report.checkpoint is None else digest_of(report.checkpoint)
        return digest, why_bad(report, self.check, self.allow)


def _digest_on_disk(path: Path) -> str:
    """The digest of a file by the checksums that it stores; "" where it cannot be read."""
    try:
        checkpoint = open_checkpoint(path)
    except (CheckpointError, ExhaustedError, OSError):
        return ""
    return "" if any(p.code == "CD102" for p in checkpoint.problems) else digest_of(checkpoint)


def _entry(item: dict[str, Any]) -> Entry:
    known = {f.name for f in fields(Entry)}
    entry = Entry(**{key: value for key, value in item.items() if key in known})
    if Path(entry.name).name != entry.name:
        raise ValueError(f"{entry.name!r} is no name of a file")
    return entry
