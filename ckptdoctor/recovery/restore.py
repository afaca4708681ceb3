"""A verified copy of a sound checkpoint, or of what is sound in a damaged one.

What needs no change is copied byte by byte. Changes are made to the tree of the pickle and to the
bytes of single tensors; the file is then written anew, and storages are copied. Nothing is
published before it was read back, scanned, and compared with the source.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO

from ckptdoctor.checkpoint import Role
from ckptdoctor.errors import CheckpointError, RestoreError
from ckptdoctor.finding import Verdict
from ckptdoctor.formats import opened
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.safetensors import is_safetensors
from ckptdoctor.formats.saved_object import SavedObject, bytes_alone, read_object
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.manifest import (
    manifest_path,
    manifest_text,
    sha256_of,
)
from ckptdoctor.recovery.archives import restore_archive
from ckptdoctor.recovery.average import Averaged, average_actions, average_weights
from ckptdoctor.recovery.average_sources import mean_of_files, opened_for_mean, paths_of
from ckptdoctor.recovery.draft import Action, Draft
from ckptdoctor.recovery.edits import Edits, apply_edits, salvage
from ckptdoctor.recovery.folders.restore import restore_folder
from ckptdoctor.recovery.next_step import is_archive
from ckptdoctor.recovery.notes import check_note, is_trusted, publish_noted, scale_of
from ckptdoctor.recovery.patched import write_patched
from ckptdoctor.recovery.patches import graft
from ckptdoctor.recovery.publish import (
    PlacedError,
    check_destination,
    check_space,
    temporary_beside,
)
from ckptdoctor.recovery.restored import Restored
from ckptdoctor.recovery.source import (
    copied_from,
    corrupt,
    damaged_tensors,
    examined,
    meant_tensors,
)
from ckptdoctor.recovery.to_safetensors import WEIGHTS_ALONE, write_weights
from ckptdoctor.recovery.verify import verify_copy, verify_draft
from ckptdoctor.recovery.weights_only import SafeLoad, safe_load_of
from ckptdoctor.recovery.writing import copy_file, write_draft
from ckptdoctor.report import CheckpointReport

__all__ = ["Restored", "restore"]


def restore(
    source: Path | CheckpointFiles,
    destination: Path,
    edits: Edits | None = None,
    *,
    force: bool = False,
    dry_run: bool = False,
    jobs: int | None = None,
) -> Restored:
    """Write a clean checkpoint.

    Args:
        source: a checkpoint, a file or several; never changed.
        destination: the file to write, or the folder.
        edits: what to change on the way.
        force: whether a file that is there may be replaced.
        dry_run: say what would be done, and write nothing.
        jobs: threads of the scan.

    Raises:
        RestoreError: refused; nothing was written, unless the message says that it was.
        OSError: it could not be read or written; the destination is what it was.
    """
    edits = edits or Edits()
    if isinstance(source, CheckpointFiles):
        if not source.is_single:
            copied_whole = is_archive(source) and not edits.to_safetensors
            return (restore_archive if copied_whole else restore_folder)(
                source, destination, edits, force=force, dry_run=dry_run, jobs=jobs
            )
        source = source.path
    sources = _sources(source, edits)
    check_destination(destination, sources, force=force)
    check_note(destination, sources)
    report = examined(source, jobs)
    if report.verdict is Verdict.CORRUPT and not edits.mends_weights:
        raise corrupt(report, destination)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(opened(source))
        if report.checkpoint is None or file.identity != report.checkpoint.identity:
            raise RestoreError(f"{source} changed while it was examined: try again")
        means = opened_for_mean(edits.average, stack, jobs)
        draft = _draft(file, report, edits, stack, jobs, means=means)
        job = _Job(file, draft, report, destination, force=force, jobs=jobs)
        if means and report.checkpoint is not None:
            job.means = (*means, Averaged(file, report.checkpoint, report.metadata.epoch))
        if edits.to_safetensors:
            job.actions[:] = [*(draft.actions if draft is not None else ()), WEIGHTS_ALONE]
        elif draft is None:
            job.safe_load = safe_load_of(report.checkpoint, file)
        try:
            sha256 = "" if dry_run else job.run(to_safetensors=edits.to_safetensors)
        except PlacedError as error:
            raise RestoreError(
                f"{destination} is written, verified and whole, but: {error.strerror or error}"
            ) from error
    return Restored(
        source=source,
        destination=destination,
        epoch=report.metadata.epoch,
        actions=tuple(job.actions),
        verified=not dry_run,
        sha256=sha256,
        manifest=None if dry_run else manifest_path(destination),
        safe_load=None if edits.to_safetensors else job.safe_load,
        averaged=tuple(one.file.path for one in job.means),
    )


def _sources(source: Path, edits: Edits) -> tuple[Path, ...]:
    grafted = () if edits.graft is None else (edits.graft,)
    return (source, *grafted, *paths_of(edits.average))


def _copied(report: CheckpointReport) -> Action:
    suspect = report.verdict is Verdict.SUSPECT
    worst = report.findings[0] if report.findings else None
    return Action(
        name="copy",
        message="copied byte by byte",
        notice=f"suspect: {worst.code} {worst.message}" if suspect and worst is not None else "",
    )


def _draft(
    file: OpenFile,
    report: CheckpointReport,
    edits: Edits,
    stack: contextlib.ExitStack,
    jobs: int | None,
    *,
    means: Sequence[Averaged] = (),
) -> Draft | None:
    """The changed checkpoint; None where its bytes are to be copied."""
    poisoned = report.verdict in (Verdict.SALVAGEABLE, Verdict.CORRUPT)
    if not edits.any and not poisoned:
        return None
    checkpoint = report.checkpoint
    if checkpoint is None:
        raise RestoreError(f"{report.path} cannot be read")
    draft = Draft(
        file,
        checkpoint,
        report.stats,
        _structure(file, edits),
        damaged=damaged_tensors(report, checkpoint),
        meant=meant_tensors(report),
        copied=copied_from(report),
    )
    if edits.graft is not None:
        donor = examined(edits.graft, jobs)
        graft(draft, stack.enter_context(opened(edits.graft)), donor)
    if means:
        average_weights(draft, means, statistics=not edits.reset_bn)
        of = [*(one.file.path for one in means), file.path]
        draft.actions += average_actions(draft.means, checkpoint, of)
    apply_edits(draft, edits)
    left = [
        t.fqn for t in draft.tensors(Role.MODEL) if draft.is_bad(t) and t.fqn not in draft.touched
    ]
    if left:
        raise RestoreError(f"{report.path}: {left[0]} is not sound, and nothing asked for mends it")
    if poisoned:
        salvage(draft)
    return draft


def _structure(file: OpenFile, edits: Edits) -> SavedObject:
    """The tree of a file; an empty one where bytes of weights are all that is changed."""
    if edits.average and _only_in_place(edits) and is_safetensors(file.source.read(0, 4096)):
        return bytes_alone(file)
    try:
        return read_object(file)
    except CheckpointError as error:
        raise RestoreError(str(error)) from error


def _only_in_place(edits: Edits) -> bool:
    """Whether nothing is asked for that needs the structure of the file."""
    own = Edits(average=edits.average, reset_bn=edits.reset_bn)
    return replace(edits, to_safetensors=False) == own


# -- writing -------------------------------------------------------------------------------------


class _Job:
    """One file to be written."""

    def __init__(
        self,
        file: OpenFile,
        draft: Draft | None,
        report: CheckpointReport,
        destination: Path,
        *,
        force: bool,
        jobs: int | None,
    ) -> None:
        self._file = file
        self._draft = draft
        self._report = report
        self._destination = destination
        self._force = force
        self._jobs = jobs
        self.actions = list(draft.actions) if draft is not None else [_copied(report)]
        self.safe_load: SafeLoad | None = None
        self.means: Sequence[Averaged] = ()

    def run(self, *, to_safetensors: bool) -> str:
        """Write, verify and publish; the SHA-256 of the result."""
        check_space(self._destination.parent, self._file.nbytes * (2 if to_safetensors else 1))
        with self._temporary() as (path, out):
            self._write(path, out)
            if not to_safetensors:
                return self._publish(path, out)
            with opened(path) as whole, self._temporary() as (weights_path, weights_out):
                write_weights(whole, weights_out)
                return self._publish(weights_path, weights_out)

    def _temporary(self) -> contextlib.AbstractContextManager[tuple[Path, IO[bytes]]]:
        mode = stat.S_IMODE(os.fstat(self._file.fd).st_mode) | stat.S_IWUSR
        return temporary_beside(self._destination, mode)

    def _write(self, path: Path, out: IO[bytes]) -> None:
        """The checkpoint as torch would have written it, read back and compared."""
        if self._draft is None:
            copy_file(self._file, out)
        elif self._draft.saved.is_unread:
            write_patched(self._draft, out)
        else:
            write_draft(self._draft, out)
        out.flush()
        os.fsync(out.fileno())
        if self._draft is None:
            verify_copy(self._file, out, self._report)
        else:
            written = verify_draft(self._draft, path, self._jobs)
            with opened(path) as whole:
                self.safe_load = safe_load_of(written, whole)

    def _publish(self, path: Path, out: IO[bytes]) -> str:
        sha256 = sha256_of(out.fileno())
        copied = copied_from(self._report)
        text = manifest_text(
            source=self._report.path,
            source_sha256=sha256_of(self._file.fd),
            destination=self._destination,
            sha256=sha256,
            nbytes=os.fstat(out.fileno()).st_size,
            epoch=self._report.metadata.epoch,
            actions=[asdict(action) for action in self.actions],
            trusted=is_trusted(self._report, self.actions),
            origin=None if copied is None else copied.source,
            scale=scale_of(copied, self.actions),
            averaged=mean_of_files(self.means),
        )
        publish_noted(path, out, self._destination, text, force=self._force)
        return sha256
