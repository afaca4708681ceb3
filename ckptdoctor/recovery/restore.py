"""A verified copy of a sound checkpoint, or of what is sound in a damaged one.

What needs no change is copied byte by byte. Changes are made to the tree of the pickle and to the
bytes of single tensors; the file is then written anew, and storages are copied. Nothing is
published before it was read back, scanned, and compared with the source.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ckptdoctor.checkpoint import Role, StorageRef
from ckptdoctor.errors import CheckpointError, RestoreError
from ckptdoctor.finding import Verdict
from ckptdoctor.formats import opened
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.writer import UnwritableError, write_bare_pickle, write_pickle
from ckptdoctor.formats.saved_object import read_object
from ckptdoctor.formats.zip.writer import write_torch_zip
from ckptdoctor.manifest import (
    RestoredFrom,
    is_manifest,
    manifest_path,
    manifest_text,
    sha256_of,
)
from ckptdoctor.recovery.draft import Action, Draft, Patch
from ckptdoctor.recovery.edits import Edits, apply_edits, salvage
from ckptdoctor.recovery.patched import PatchedSource, patches_of
from ckptdoctor.recovery.patches import graft
from ckptdoctor.recovery.publish import (
    PlacedError,
    check_destination,
    check_space,
    publish,
    temporary_beside,
)
from ckptdoctor.recovery.source import (
    copied_from,
    corrupt,
    damaged_tensors,
    examined,
    meant_tensors,
)
from ckptdoctor.recovery.storages import storages_of
from ckptdoctor.recovery.to_safetensors import WEIGHTS_ALONE, write_weights
from ckptdoctor.recovery.verify import verify_copy, verify_draft
from ckptdoctor.recovery.weights_only import SafeLoad, safe_load_of
from ckptdoctor.report import CheckpointReport
from ckptdoctor.scanning.elements import storage_bytes

__all__ = ["Restored", "restore"]

_CHUNK_NBYTES = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was written, or would be.

    Attributes:
        source: the checkpoint that it comes from.
        destination: the file.
        epoch: of the source.
        actions: what was done, in order.
        verified: whether it was read back and compared; False for a dry run.
        sha256: of the file; "" for a dry run.
        manifest: the note beside it; None for a dry run.
        safe_load: what ``torch.load(weights_only=True)`` makes of it; None for safetensors, and
            where a dry run would change it.
    """

    source: Path
    destination: Path
    epoch: int | float | None
    actions: tuple[Action, ...]
    verified: bool
    sha256: str
    manifest: Path | None
    safe_load: SafeLoad | None = None


def restore(
    source: Path,
    destination: Path,
    edits: Edits | None = None,
    *,
    force: bool = False,
    dry_run: bool = False,
    jobs: int | None = None,
) -> Restored:
    """Write a clean checkpoint.

    Args:
        source: a checkpoint; never changed.
        destination: the file to write.
        edits: what to change on the way.
        force: whether a file that is there may be replaced.
        dry_run: say what would be done, and write nothing.
        jobs: threads of the scan.

    Raises:
        RestoreError: refused; nothing was written, unless the message says that it was.
        OSError: it could not be read or written; the destination is what it was.
    """
    edits = edits or Edits()
    sources = _sources(source, edits)
    check_destination(destination, sources, force=force)
    _check_note(destination, sources)
    report = examined(source, jobs)
    if report.verdict is Verdict.CORRUPT and not edits.mends_weights:
        raise corrupt(report, destination)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(opened(source))
        if report.checkpoint is None or file.identity != report.checkpoint.identity:
            raise RestoreError(f"{source} changed while it was examined: try again")
        draft = _draft(file, report, edits, stack, jobs)
        job = _Job(file, draft, report, destination, force=force, jobs=jobs)
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
    )


def _sources(source: Path, edits: Edits) -> tuple[Path, ...]:
    return (source,) if edits.graft is None else (source, edits.graft)


def _check_note(destination: Path, sources: tuple[Path, ...]) -> None:
    """Refuse a destination whose manifest would cost the user a file."""
    note = manifest_path(destination)
    if not os.path.lexists(note):
        return
    for source in sources:
        with contextlib.suppress(OSError):
            if note.samefile(source):
                raise RestoreError(
                    f"{note}, the manifest of {destination}, is the source itself, {source}: "
                    "choose another with -o"
                )
    if not is_manifest(note):
        raise RestoreError(
            f"{note} would be the manifest of {destination}, and is something else: "
            "choose another with -o, or move it away"
        )


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
) -> Draft | None:
    """The changed checkpoint; None where its bytes are to be copied."""
    poisoned = report.verdict in (Verdict.SALVAGEABLE, Verdict.CORRUPT)
    if not edits.any and not poisoned:
        return None
    checkpoint = report.checkpoint
    if checkpoint is None:
        raise RestoreError(f"{report.path} cannot be read")
    try:
        saved = read_object(file)
    except CheckpointError as error:
        raise RestoreError(str(error)) from error
    draft = Draft(
        file,
        checkpoint,
        report.stats,
        saved,
        damaged=damaged_tensors(report, checkpoint),
        meant=meant_tensors(report),
        copied=copied_from(report),
    )
    if edits.graft is not None:
        donor = examined(edits.graft, jobs)
        graft(draft, stack.enter_context(opened(edits.graft)), donor)
    apply_edits(draft, edits)
    left = [
        t.fqn for t in draft.tensors(Role.MODEL) if draft.is_bad(t) and t.fqn not in draft.touched
    ]
    if left:
        raise RestoreError(f"{report.path}: {left[0]} is not sound, and nothing asked for mends it")
    if poisoned:
        salvage(draft)
    return draft


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
            _copy(self._file, out)
        else:
            _write_draft(self._draft, out)
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
            trusted=_is_trusted(self._report, self.actions),
            origin=None if copied is None else copied.source,
            scale=_scale(copied, self.actions),
        )
        if self._force:  # an old manifest would accuse the new file
            with contextlib.suppress(FileNotFoundError):
                manifest_path(self._destination).unlink()
        publish(path, out, self._destination, force=self._force)
        try:
            _write_manifest(manifest_path(self._destination), text)
        except RestoreError as error:
            raise PlacedError(None, f"its manifest was not written: {error}") from error
        except OSError as error:
            raise PlacedError(
                error.errno, f"its manifest could not be written: {error.strerror or error}"
            ) from error
        return sha256


def _is_trusted(report: CheckpointReport, actions: Sequence[Action]) -> bool:
    """Whether no value was made up, neither now nor in the copy that this one is made from."""
    made_up = any(finding.evidence.get("trusted") is False for finding in report.findings)
    return not made_up and all(action.name != "zero-nonfinite" for action in actions)


def _scale(copied: RestoredFrom | None, actions: Sequence[Action]) -> float | None:
    """The learning rates over those of the first checkpoint; None where nobody can tell."""
    for action in actions:
        if action.factor is not None or action.set_lr is not None:
            return action.factor
    return 1.0 if copied is None else copied.scale


def _write_manifest(path: Path, text: str) -> None:
    with temporary_beside(path, None) as (temporary, out):
        out.write(text.encode())
        publish(temporary, out, path, force=True)


def _copy(file: OpenFile, out: IO[bytes]) -> None:
    offset = 0
    while data := os.pread(file.fd, _CHUNK_NBYTES, offset):
        out.write(data)
        offset += len(data)


def _write_draft(draft: Draft, out: IO[bytes]) -> None:
    """The changed checkpoint: a bare pickle as such, all else as torch writes it."""
    saved = draft.saved
    pickle = b""
    try:
        if saved.is_bare:
            write_bare_pickle(saved.root, PatchedSource(saved.source, patches_of(draft)), out)
        else:
            pickle = write_pickle(saved.root, saved.source)
    except UnwritableError as error:
        raise RestoreError(
            f"{draft.checkpoint.path} cannot be changed without loss: it holds {error}. "
            "Copy it unchanged, or load it and save it again"
        ) from error
    own = {key: (draft.file.fd, ref) for key, ref in saved.storages.items()}
    known = own | draft.transplants
    wanted = storages_of(saved.root)
    missing = [key for key in wanted if key not in known]
    if missing:
        raise RestoreError(
            f"{draft.checkpoint.path}: {len(missing)} storages that are still needed are lost, "
            f"the first is {missing[0]!r}; try --weights-only"
        )
    if saved.is_bare:
        return
    storages = {
        key: (known[key][1].nbytes, _bytes_of(*known[key], draft.patches.get(key, [])))
        for key in wanted
    }
    write_torch_zip(out, pickle, storages, byteorder=saved.byteorder)


def _bytes_of(fd: int, ref: StorageRef, patches: Sequence[Patch]) -> Iterator[bytes]:
    """The bytes of a storage, patches applied, in pieces."""
    if not ref.is_plain:
        yield storage_bytes(fd, ref)
        return
    for start in range(0, ref.nbytes, _CHUNK_NBYTES):
        nbytes = min(_CHUNK_NBYTES, ref.nbytes - start)
        piece = bytearray(os.pread(fd, nbytes, ref.offset + start))
        if len(piece) < nbytes:
            raise RestoreError("the source was cut while it was read: try again")
        for patch in patches:
            first, last = max(start, patch.start), min(start + nbytes, patch.start + patch.nbytes)
            if first < last:
                new = patch.read(first - patch.start, last - first)
                piece[first - start : last - start] = new
        yield bytes(piece)
