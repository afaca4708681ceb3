"""Checkpoints of every few epochs and of the best one, so that sound ones are always there.

A file is deleted only after a newer one was verified, and only if two that were just read stay.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import re
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, SupportsFloat

from ckptdoctor.errors import UsageError
from ckptdoctor.guard.saving.ledger import Entry, Ledger
from ckptdoctor.guard.saving.saver import (
    Check,
    SaveReport,
    Snapshot,
    safe_save,
    save_snapshot,
)
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Mode
from ckptdoctor.recovery.parity.form import is_parity, parity_path

__all__ = ["CheckpointKeeper", "Kept"]

_LOG = logging.getLogger("ckptdoctor.guard")
_BEST = "best_model.pth"
_OF_EPOCH = "checkpoint_epoch_{epoch}.pth"
_OURS = re.compile(r"checkpoint_epoch_-?\d+\.pth|best_model\.pth")
_LEAST = 2  # sound files that stay, whatever is deleted
_ABANDONED_S = 3600.0  # a temporary file that nobody wrote to for so long was left by a kill


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a call of :meth:`CheckpointKeeper.save` did.

    Attributes:
        saved: the files that were written and verified; in the background, that will be.
        deleted: the files that they made superfluous; unknown and empty in the background.
        is_best: whether it is the best epoch so far.
    """

    saved: tuple[Path, ...] = ()
    deleted: tuple[Path, ...] = ()
    is_best: bool = False


class CheckpointKeeper:
    """Saves after an epoch what is worth it, and keeps what is sound.

    ``checkpoint_epoch_N.pth`` every few epochs, ``best_model.pth`` whenever the metric is better
    than ever; both by :func:`~ckptdoctor.guard.saving.saver.safe_save`. What was written stands in
    ``keeper.json``: a new keeper over the folder goes on from there. Files that it did not write
    are neither deleted nor replaced. One keeper a folder at a time.

    Args:
        folder: made if it is missing.
        every: epochs between two files, counted by ``epoch % every``.
        keep_last: files of epochs to keep; never less than two sound files in all.
        metric: its name, for the note.
        mode: ``"max"`` or ``"min"``: which direction is better.
        background: write in a thread, from a copy made during the call.
        rank: only rank 0 writes; None asks ``torch.distributed``.
        check: as for ``safe_save``; ``"all"``, since nobody can go on from a broken optimizer.
        allow: as for ``safe_save``.
        parity: as for ``safe_save``: the share of each file that can be given back.

    Raises:
        FileExistsError: checkpoints of these names lie there that no keeper wrote.
        SaveError: ``keeper.json`` cannot be understood, or is of another metric.
        UsageError: ``every`` or ``keep_last`` is less than one.
        OSError: the folder cannot be made or read.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every: int = 5,
        keep_last: int = 2,
        metric: str = "iou",
        mode: Mode | str = Mode.MAX,
        background: bool = False,
        rank: int | None = None,
        check: Check | str = Check.ALL,
        allow: Sequence[str] = (),
        parity: float = 0.0,
    ) -> None:
        if every < 1 or keep_last < 1:
            raise UsageError(f"every={every}, keep_last={keep_last}: both must be at least 1")
        self.folder = Path(folder)
        self._every = every
        self._keep_last = keep_last
        self._mode = Mode(mode)
        self._check = Check(check)
        self._allow = tuple(allow)
        self._parity = parity
        self._writes = (_rank() if rank is None else rank) == 0
        self._ledger = Ledger(
            self.folder, metric, self._mode.value, check=self._check, allow=self._allow
        )
        self._best_was_read = False
        self._thread = ThreadPoolExecutor(1, "ckptdoctor-keeper") if background else None
        self._saving: Future[Kept] | None = None
        if self._writes:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._ledger.load()
            self._refuse_strangers()
            _sweep(self.folder)

    def save(self, state: object, *, epoch: int, metric: SupportsFloat | None = None) -> Kept:
        """Save the state of an epoch, if it is due or the best so far.

        A metric that is NaN or infinite is never the best, and the file of its epoch supersedes no
        other. In the background an error of the save before is raised here, after this one has
        begun.

        Args:
            state: what ``torch.save`` takes; put the epoch into it.
            epoch: that ended.
            metric: its score.

        Raises:
            NonFiniteError: NaN or Inf in the state; nothing was written.
            SaveError: as from ``safe_save``.
            FileExistsError: somebody else's file has the name.
            OSError: the disk is full or broken; what was there stays.
        """
        if not self._writes:
            return Kept()
        failed = self._finish()
        planned = self._plan(epoch, None if metric is None else float(metric))
        kept = self._begin(state, planned) if planned else Kept()
        if failed is not None:
            raise failed
        return kept

    def latest_good(self) -> Path | None:
        """The file saved last that is sound, read now from end to end; None if there is none.

        One whose metric was NaN is named only where no other is left.
        """
        self.wait()
        entries = list(reversed(self._entries()))
        for entry in sorted(entries, key=lambda entry: not entry.sound):
            if self._ledger.is_good(entry):
                if not entry.sound:
                    _LOG.warning("%s is finite, but its metric was not", entry.name)
                return self.folder / entry.name
        return None

    def best(self) -> Path | None:
        """The best model, read now; where it is damaged, the best of the others; None if none is.

        Files without a metric do not take part.
        """
        self.wait()
        scored = [entry for entry in self._entries() if entry.metric is not None]
        scored.sort(key=lambda entry: (entry.best, self._score(entry)), reverse=True)
        return next((self.folder / e.name for e in scored if self._ledger.is_good(e)), None)

    def wait(self) -> None:
        """Until nothing is being written; raises what went wrong in the background."""
        failed = self._finish()
        if failed is not None:
            raise failed

    def close(self) -> None:
        """Wait, and end the thread; raises what went wrong."""
        try:
            self.wait()
        finally:
            if self._thread is not None:
                self._thread.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except Exception:
            if error is None:
                raise
            _LOG.exception("the last save in the background failed")  # the first error goes on

    # -- saving ----------------------------------------------------------------------------------

    def _plan(self, epoch: int, metric: float | None) -> list[Entry]:
        """The files to write, that of the epoch last: of two that are equal it is the newer."""
        sound = metric is None or math.isfinite(metric)
        if not sound:
            _LOG.warning("epoch %d: %s is %s: never the best", epoch, self._ledger.metric, metric)
        entry = Entry(
            name=_OF_EPOCH.format(epoch=epoch),
            epoch=epoch,
            metric=metric if sound else None,
            sound=sound,
        )
        planned = []
        if entry.metric is not None and self._is_better(entry):
            planned.append(replace(entry, name=_BEST, best=True))
        return [*planned, entry] if epoch % self._every == 0 else planned

    def _is_better(self, entry: Entry) -> bool:
        """Whether it beats the best; one that is damaged by now is no hurdle."""
        best = self._ledger.best
        if best is None or best.metric is None:
            return True
        if not self._best_was_read:
            if not self._ledger.is_good(best):
                _LOG.warning("%s is damaged: the next epoch replaces it", best.name)
                return True
            self._best_was_read = True
        return self._score(entry) > self._score(best)

    def _score(self, entry: Entry) -> float:
        """The metric, turned so that more is better."""
        value = -math.inf if entry.metric is None else entry.metric
        return -value if self._mode is Mode.MIN and entry.metric is not None else value

    def _begin(self, state: object, planned: list[Entry]) -> Kept:
        if self._thread is None:
            return self._write(state, planned)
        first = self.folder / planned[0].name
        snapshot = Snapshot(state, first, check=self._check, allow=self._allow)
        self._saving = self._thread.submit(self._write, snapshot, planned)
        self._saving.add_done_callback(_tell)
        return Kept(
            saved=tuple(self.folder / entry.name for entry in planned),
            is_best=planned[0].best,
        )

    def _finish(self) -> BaseException | None:
        """Wait for the save in the background; what went wrong with it."""
        saving, self._saving = self._saving, None
        return None if saving is None else saving.exception()

    def _write(self, state: object, planned: list[Entry]) -> Kept:
        for entry in planned:
            self._write_one(state, entry)
        return Kept(
            saved=tuple(self.folder / entry.name for entry in planned),
            deleted=tuple(self._evict({entry.name for entry in planned})),
            is_best=planned[0].best,
        )

    def _write_one(self, state: object, entry: Entry) -> None:
        path = self.folder / entry.name
        before = self._ledger.find(entry.name)
        if before is None and os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "this keeper did not write it", str(path))
        if before is not None and not self._ledger.is_ours(before):
            raise FileExistsError(errno.EEXIST, "somebody else has replaced it", str(path))
        self._ledger.pending = entry
        try:
            self._ledger.store()
            report = self._save(state, path, force=before is not None)
        except BaseException:
            self._ledger.settle()
            raise
        self._ledger.pending = None
        self._ledger.add(replace(entry, digest=report.digest))
        self._ledger.store()
        self._best_was_read |= entry.best

    def _save(self, state: object, path: Path, *, force: bool) -> SaveReport:
        if isinstance(state, Snapshot):
            save = partial(save_snapshot, state)
        else:
            save = partial(safe_save, state)
        return save(path, force=force, check=self._check, allow=self._allow, parity=self._parity)

    # -- keeping ---------------------------------------------------------------------------------

    def _evict(self, verified: set[str]) -> list[Path]:
        """Delete what is superfluous, once two sound files that stay have been read.

        Args:
            verified: names of the files that this save has just read back.
        """
        sound = [entry for entry in self._ledger.epochs() if entry.sound]
        unsound = [entry for entry in self._ledger.epochs() if not entry.sound]
        old = sound[self._keep_last :]
        if not old and len(unsound) <= self._keep_last:
            return []
        staying = sound[: self._keep_last]
        if self._ledger.best is not None:
            staying.append(self._ledger.best)
        good = sum(entry.name in verified or self._ledger.is_good(entry) for entry in staying)
        doomed = unsound[self._keep_last :]
        for entry in old:
            if good < _LEAST and self._ledger.is_good(entry):
                good += 1
            else:
                doomed.append(entry)
        if good < _LEAST:
            return []
        return [path for entry in doomed if (path := self._delete(entry)) is not None]

    def _delete(self, entry: Entry) -> Path | None:
        """Delete a file of ours; None if it is no longer ours."""
        path = self.folder / entry.name
        if not self._ledger.is_ours(entry):
            return None
        path.unlink(missing_ok=True)
        if is_parity(parity_path(path)):
            parity_path(path).unlink(missing_ok=True)
        self._ledger.entries.remove(entry)
        self._ledger.store()
        return path

    def _entries(self) -> list[Entry]:
        """All files in the order of saving; other ranks read what rank 0 has noted."""
        if not self._writes:
            self._ledger.load()
        return self._ledger.entries

    def _refuse_strangers(self) -> None:
        known = {entry.name for entry in self._ledger.entries}
        for path in sorted(self.folder.iterdir()):
            if _OURS.fullmatch(path.name) and path.name not in known:
                raise FileExistsError(
                    errno.EEXIST,
                    "no keeper wrote it, and it would be in the way: choose another folder",
                    str(path),
                )


def _tell(saving: Future[Kept]) -> None:
    """Log what went wrong in the background, for those who never ask again."""
    error = saving.exception()
    if error is not None:
        _LOG.error("saving in the background failed: %s", error)


def _rank() -> int:
    """That of this process, 0 where training is not distributed."""
    import torch.distributed

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank()
    return 0


def _sweep(folder: Path) -> None:
    """Remove what a killed save of ours left half written."""
    for path in folder.glob(".ckptdoctor-*.tmp"):
        try:
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink()
        except OSError as error:
            _LOG.warning("%s could not be removed: %s", path, error.strerror)
