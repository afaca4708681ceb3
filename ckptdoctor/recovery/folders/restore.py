"""A verified copy of a checkpoint of several files, or of what is sound in a damaged one.

All of its files are written into a folder under a temporary name, synced, read back and compared;
the copy is scanned as a whole; then the folder gets its name in one step.
"""

from __future__ import annotations

import os
import stat
from dataclasses import asdict, replace
from pathlib import Path

from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.formats.open_file import opened
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import (
    FileNote,
    digest_of,
    manifest_path,
    manifest_text,
    sha256_of,
)
from ckptdoctor.recovery.average_sources import paths_of
from ckptdoctor.recovery.draft import Action
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.folders.changes import Changes
from ckptdoctor.recovery.folders.contents import Contents, contents_of
from ckptdoctor.recovery.folders.copying import Copying
from ckptdoctor.recovery.folders.frameworks import Placement, placed
from ckptdoctor.recovery.folders.omissions import Omissions, omissions_of
from ckptdoctor.recovery.folders.part_draft import view_of
from ckptdoctor.recovery.folders.pointers import mended_pointers
from ckptdoctor.recovery.folders.staging import (
    Stage,
    check_place,
    is_ours,
    place,
    sync_tree,
    temporary_folder,
)
from ckptdoctor.recovery.notes import (
    check_note,
    is_trusted,
    scale_of,
    unlink_note,
    write_manifest,
    write_note,
)
from ckptdoctor.recovery.publish import PlacedError, check_destination, check_space
from ckptdoctor.recovery.restored import Restored
from ckptdoctor.recovery.source import copied_from, corrupt, examined
from ckptdoctor.recovery.weights.consolidated import consolidate
from ckptdoctor.report import CheckpointReport

__all__ = ["restore_folder"]


def restore_folder(
    files: CheckpointFiles,
    destination: Path,
    edits: Edits,
    *,
    force: bool = False,
    dry_run: bool = False,
    jobs: int | None = None,
) -> Restored:
    """Write a clean copy of a checkpoint of several files.

    Args:
        files: the checkpoint; never changed.
        destination: the folder to make.
        edits: what to change on the way.
        force: whether a folder that is there may be replaced.
        dry_run: say what would be done, and write nothing.
        jobs: threads of the scan.

    Raises:
        RestoreError: refused; nothing was written, unless the message says that it was.
        OSError: it could not be read or written; the destination is what it was.
    """
    sources = (*paths_of((files, *edits.average)), *_donor(edits))
    if edits.to_safetensors:
        return _weights(files, destination, sources, edits, force=force, dry_run=dry_run, jobs=jobs)
    check_place(destination, sources, force=force)
    placement = placed(files, destination)
    if not placement.inner:
        check_note(destination, sources)
    report = _sound(files, destination, edits, jobs)
    job = _Job(report, placement, edits, jobs)
    if dry_run:
        job.rehearse()
        return job.restored(sha256="", manifest=None)
    try:
        return job.run(force=force)
    except PlacedError as error:
        raise _but(destination, error) from error


def _weights(
    files: CheckpointFiles,
    destination: Path,
    sources: tuple[Path, ...],
    edits: Edits,
    *,
    force: bool,
    dry_run: bool,
    jobs: int | None,
) -> Restored:
    """The weights alone, in one file."""
    check_destination(destination, sources, force=force)
    check_note(destination, sources)
    report = _sound(files, destination, edits, jobs)
    views = [view_of(report, one) for one in report.parts if one.checkpoint is not None]
    try:
        return consolidate(report, views, destination, edits, force=force, dry_run=dry_run)
    except PlacedError as error:
        raise _but(destination, error) from error


def _but(destination: Path, error: PlacedError) -> RestoreError:
    return RestoreError(
        f"{destination} is written, verified and whole, but: {error.strerror or error}"
    )


def _sound(
    files: CheckpointFiles, destination: Path, edits: Edits, jobs: int | None
) -> CheckpointReport:
    """What is known of a checkpoint whose weights are sound, or will be."""
    report = examined(files, jobs)
    if report.verdict is Verdict.CORRUPT and not edits.mends_weights:
        raise corrupt(report, destination)
    return report


def _donor(edits: Edits) -> tuple[Path, ...]:
    return () if edits.graft is None else (edits.graft,)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """The checkpoint that is copied.

    Attributes:
        report: what is known of it.
        files: those that form it.
        contents: all that lies in its folder.
        omissions: what the copy goes without.
    """

    report: CheckpointReport
    files: CheckpointFiles
    contents: Contents
    omissions: Omissions


class _Job:
    """One folder to be written."""

    def __init__(
        self, report: CheckpointReport, placement: Placement, edits: Edits, jobs: int | None
    ) -> None:
        if report.files is None:
            raise RestoreError(f"{report.path}: it is not known which files form it")
        views = {
            one.part.name: view_of(report, one)
            for one in report.parts
            if one.checkpoint is not None
        }
        omissions = omissions_of(report, views, edits)
        kept = {name: view for name, view in views.items() if name not in omissions.names}
        self._source = _Source(
            report=report,
            files=report.files,
            contents=contents_of(report.files),
            omissions=omissions,
        )
        self._placement = placement
        self._jobs = jobs
        self._copied = copied_from(report)
        self._changes = Changes(report, kept, edits, self._copied)
        pointers = mended_pointers(report.files)
        texts = {name: text for name, (text, _) in pointers.items()}
        self._copying = Copying(self._to_copy(), kept, self._changes, self._copied, texts)
        self._actions = [*omissions.actions, *(action for _, action in pointers.values())]
        self._kept_old: Path | None = None

    def _to_copy(self) -> Contents:
        contents, left = self._source.contents, self._source.omissions.names
        return replace(
            contents, files=tuple(file for file in contents.files if file.name not in left)
        )

    def rehearse(self) -> None:
        """See that all of it can be done."""
        self._copying.change(None)
        self._finish_actions()

    def run(self, *, force: bool) -> Restored:
        """Write, verify and publish."""
        root, inner = self._placement.root, self._placement.inner
        check_space(root.parent, self._source.contents.nbytes)
        with temporary_folder(root) as stage:
            folder = stage.path / inner
            folder.mkdir(exist_ok=True)
            self._copying.change(folder)
            self._finish_actions()
            self._copying.copy(folder)
            self._verify(folder)
            sha256, text = self._manifest()
            self._write_beside(stage, folder, text)
            self._set_modes(folder, stage)
            sync_tree(stage.path)
            self._publish(stage, text, force=force)
        return self.restored(sha256=sha256, manifest=manifest_path(self._placement.checkpoint))

    def _finish_actions(self) -> None:
        changed, count = len(self._copying.changed), len(self._to_copy().files)
        self._actions += self._changes.finish()
        files = "file" if count == 1 else "files"
        message = f"{count} {files}, copied byte by byte"
        if changed:
            message = f"{count} {files}: {changed} written anew, the others copied byte by byte"
        left = self._source.contents.left
        notice = f"left behind: {'; '.join(left)}" if left else ""
        worst = next(iter(self._source.report.findings), None)
        if not changed and self._source.report.verdict is Verdict.SUSPECT and worst is not None:
            notice = "; ".join(filter(None, (f"suspect: {worst.code} {worst.message}", notice)))
        self._actions.append(Action(name="copy", message=message, notice=notice))

    def _verify(self, folder: Path) -> None:
        """Scan the copy as a whole.

        Raises:
            RestoreError: it is not sound.
        """
        files = self._source.files
        gone = self._source.omissions.names
        copy = replace(
            files,
            path=folder,
            parts=tuple(
                replace(part, path=folder / part.name)
                for part in files.parts
                if part.name not in gone
            ),
            absent=(),
            problems=(),
        )
        (report,) = examine([copy], Examination(jobs=self._jobs)).checkpoints
        bad = [finding for finding in report.findings if finding.severity is Severity.ERROR]
        if bad:
            raise RestoreError(
                "what was written is not sound, and was not kept: "
                f"{bad[0].code} {bad[0].subject}: {bad[0].message}"
            )

    def _write_beside(self, stage: Stage, folder: Path, text: str) -> None:
        """What lies beside a checkpoint that keeps its name: the pointer to it, its manifest."""
        if self._placement.pointer is not None:
            name, target = self._placement.pointer
            with (stage.path / name).open("x", encoding="utf-8") as out:
                out.write(target)
                out.flush()
                os.fsync(out.fileno())
        if self._placement.inner:
            try:
                write_manifest(manifest_path(folder), text)
            except PlacedError as error:  # the folder has no name yet
                raise OSError(error.errno, error.strerror, str(folder)) from error

    def _set_modes(self, folder: Path, stage: Stage) -> None:
        """Folders get the permissions of those that they are copies of."""
        source = self._source.files.path
        origin = source if source.is_dir() else source.parent
        for parent, _, _ in os.walk(folder):
            twin = origin / os.path.relpath(parent, folder)
            mode = stat.S_IMODE((twin if twin.is_dir() else origin).stat().st_mode)
            Path(parent).chmod(mode | stat.S_IRWXU)
        stage.path.chmod(stat.S_IMODE(folder.stat().st_mode))

    def _manifest(self) -> tuple[str, str]:
        """What the copy hashes to, and the text of its manifest."""
        report, copied = self._source.report, self._copied
        written = sorted(self._copying.written.values(), key=lambda file: file.name)
        sha256 = digest_of(written)
        text = manifest_text(
            source=report.path,
            source_sha256=digest_of(self._read()),
            destination=self._placement.checkpoint,
            sha256=sha256,
            nbytes=sum(file.nbytes for file in written),
            epoch=report.metadata.epoch,
            actions=[asdict(action) for action in self._actions],
            trusted=is_trusted(report, self._actions),
            origin=None if copied is None else copied.source,
            scale=scale_of(copied, self._actions),
            files=written,
            averaged=self._changes.averaged,
        )
        return sha256, text

    def _read(self) -> list[FileNote]:
        """Every file of the source, those that the copy goes without among them."""
        known = dict(self._copying.read)
        for file in self._source.contents.files:
            if file.name not in known:
                with opened(file.path) as source:
                    known[file.name] = FileNote(
                        name=file.name, nbytes=source.nbytes, sha256=sha256_of(source.fd)
                    )
        return list(known.values())

    def _publish(self, stage: Stage, text: str, *, force: bool) -> None:
        root, note = self._placement.root, manifest_path(self._placement.root)
        beside = not self._placement.inner
        ours = root.is_dir() and is_ours(root)
        if force and root.is_dir():  # an old manifest would accuse the new folder
            unlink_note(note)
        self._kept_old = place(stage, root, force=force, ours=ours)
        if beside:
            write_note(note, text)

    def restored(self, *, sha256: str, manifest: Path | None) -> Restored:
        """What was done."""
        report = self._source.report
        return Restored(
            source=report.path,
            destination=self._placement.root,
            epoch=report.metadata.epoch,
            actions=tuple(self._actions),
            verified=manifest is not None,
            sha256=sha256,
            manifest=manifest,
            resume=self._placement.resume,
            files=len(self._to_copy().files),
            kept=self._kept_old,
            averaged=tuple(one.path for one in self._changes.averaged),
        )
