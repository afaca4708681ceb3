"""A copy of an archive that holds several files: NeMo's, Stable-Baselines3's. It is not edited."""

from __future__ import annotations

import os
import stat
from dataclasses import asdict
from pathlib import Path

from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Verdict
from ckptdoctor.formats.open_file import opened
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.manifest import manifest_path, manifest_text, sha256_of
from ckptdoctor.recovery.draft import Action
from ckptdoctor.recovery.edits import Edits
from ckptdoctor.recovery.notes import check_note, is_trusted, publish_noted, scale_of
from ckptdoctor.recovery.publish import (
    PlacedError,
    check_destination,
    check_space,
    temporary_beside,
)
from ckptdoctor.recovery.restored import Restored
from ckptdoctor.recovery.source import copied_from, corrupt, examined
from ckptdoctor.recovery.writing import copy_file
from ckptdoctor.report import CheckpointReport
from ckptdoctor.shell import command_line

__all__ = ["restore_archive"]


def restore_archive(
    files: CheckpointFiles,
    destination: Path,
    edits: Edits,
    *,
    force: bool = False,
    dry_run: bool = False,
    jobs: int | None = None,
) -> Restored:
    """Copy an archive byte by byte, read it back and compare.

    Args:
        files: the archive with its members; never changed.
        destination: the file to write.
        edits: what the user wants: nothing can be changed in an archive.
        force: whether a file that is there may be replaced.
        dry_run: say what would be done, and write nothing.
        jobs: threads of the scan.

    Raises:
        RestoreError: refused; nothing was written, unless the message says that it was.
        OSError: it could not be read or written; the destination is what it was.
    """
    check_destination(destination, (files.path,), force=force)
    check_note(destination, (files.path,))
    report = examined(files, jobs)
    if report.verdict is Verdict.CORRUPT:
        raise corrupt(report, destination)
    if edits.any or report.verdict is Verdict.SALVAGEABLE:
        what = "" if edits.any else f": {report.findings[0].message}"
        weights = command_line("ckptdoctor", "restore", "--from", files.path, "--to", "safetensors")
        raise RestoreError(
            f"{files.path}: an archive of several files is copied, but not edited{what}. For its "
            "weights alone:",
            f"  {weights}",
        )
    actions = (Action(name="copy", message="copied byte by byte"),)
    sha256 = ""
    if not dry_run:
        try:
            sha256 = _copied(files.path, destination, report, actions, force=force)
        except PlacedError as error:
            raise RestoreError(
                f"{destination} is written, verified and whole, but: {error.strerror or error}"
            ) from error
    return Restored(
        source=files.path,
        destination=destination,
        epoch=report.metadata.epoch,
        actions=actions,
        verified=not dry_run,
        sha256=sha256,
        manifest=None if dry_run else manifest_path(destination),
    )


def _copied(
    source: Path,
    destination: Path,
    report: CheckpointReport,
    actions: tuple[Action, ...],
    *,
    force: bool,
) -> str:
    """Write the copy; what it hashes to."""
    copied = copied_from(report)
    with opened(source) as file:
        check_space(destination.parent, file.nbytes)
        mode = stat.S_IMODE(os.fstat(file.fd).st_mode) | stat.S_IWUSR
        with temporary_beside(destination, mode) as (path, out):
            copy_file(file, out)
            out.flush()
            os.fsync(out.fileno())
            sha256 = sha256_of(out.fileno())
            if file.changed() or sha256 != sha256_of(file.fd):
                raise RestoreError(f"the copy differs from {source}: the source changed meanwhile")
            text = manifest_text(
                source=source,
                source_sha256=sha256,
                destination=destination,
                sha256=sha256,
                nbytes=file.nbytes,
                epoch=report.metadata.epoch,
                actions=[asdict(action) for action in actions],
                trusted=is_trusted(report, actions),
                origin=None if copied is None else copied.source,
                scale=scale_of(copied, actions),
            )
            publish_noted(path, out, destination, text, force=force)
    return sha256
