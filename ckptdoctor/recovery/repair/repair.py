"""A new file in which the bytes are right, where it is certain which are wrong.

The source is only ever read. What is written is read back, held against what was to be written,
scanned, and published with its manifest in one step.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import IO

from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Severity
from ckptdoctor.formats import OpenFile, opened
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import manifest_path, manifest_text, restored_from, sha256_of
from ckptdoctor.recovery.next_step import repaired_name
from ckptdoctor.recovery.notes import check_note, publish_noted
from ckptdoctor.recovery.publish import (
    PlacedError,
    check_destination,
    check_space,
    temporary_beside,
)
from ckptdoctor.recovery.repair.flip import Repaired
from ckptdoctor.recovery.repair.found import Found
from ckptdoctor.recovery.repair.lost import find_damage
from ckptdoctor.recovery.repair.witness import digests_of, given_digest, sha256_of_source
from ckptdoctor.recovery.repair.words import actions_of_repair
from ckptdoctor.report import CheckpointReport

__all__ = ["repair_file", "repaired_name"]

_CHUNK_NBYTES = 1 << 22
_BROKEN = frozenset({"CD101", "CD102", "CD103", "CD104", "CD107", "CD108", "CD109"})
_HOSTILE = frozenset({"CD106", "CD107"})


def repair_file(
    source: Path,
    destination: Path | None = None,
    *,
    sha256: str = "",
    accept_odds: bool = False,
    force: bool = False,
    dry_run: bool = False,
    jobs: int | None = None,
) -> Repaired:
    """Find out which bytes of a file are wrong, and write it anew with them put right.

    Args:
        source: a checkpoint that is one file; never changed.
        destination: the file to write; None for :func:`repaired_name`.
        sha256: that it had when it was whole, in hexadecimal; "" where that is not known.
        accept_odds: whether to write what is only likely.
        force: whether a file that is there may be replaced.
        dry_run: say what would be done, and write nothing.
        jobs: threads of the scan that verifies.

    Returns:
        What was found, and whether it was written; ``refused`` says why not.

    Raises:
        RestoreError: the destination cannot be written, or what was written was not sound.
        UsageError: ``sha256`` is none.
        OSError: the file cannot be read or written; the destination is what it was.
    """
    given = given_digest(sha256)
    destination = destination or repaired_name(source)
    check_destination(destination, (source,), force=force)
    check_note(destination, (source,))
    with opened(source) as file:
        digests = [*([given] if given is not None else []), *digests_of(source)]
        empty = Repaired(source=source, destination=destination)
        found = find_damage(file, empty, digests, accept_odds=accept_odds)
        if found.view is None or dry_run:
            return found.result
        job = _Job(file, found.view, found, force=force, jobs=jobs)
        try:
            written = job.run()
        except PlacedError as error:
            raise RestoreError(
                f"{destination} is written, verified and whole, but: {error.strerror or error}"
            ) from error
    return replace(found.result, written=True, sha256=written, manifest=manifest_path(destination))


@dataclass(frozen=True, slots=True)
class _Job:
    """One file to be written."""

    file: OpenFile
    view: ByteSource
    found: Found
    force: bool
    jobs: int | None

    def run(self) -> str:
        """Write, verify and publish; the SHA-256 of the result."""
        destination = self.found.result.destination
        check_space(destination.parent, self.view.nbytes)
        mode = stat.S_IMODE(os.fstat(self.file.fd).st_mode) | stat.S_IWUSR
        with temporary_beside(destination, mode) as (path, out):
            expected = _copied(self.view, out)
            report = self._verified(path, out, expected)
            text = self._manifest(report, expected)
            publish_noted(path, out, destination, text, force=self.force)
        return expected

    def _verified(self, path: Path, out: IO[bytes], expected: str) -> CheckpointReport:
        """What the scan says of what was written.

        Raises:
            RestoreError: it is not what was to be written, or is not sound.
        """
        source = self.file.path
        if self.file.changed():
            raise RestoreError(f"{source} changed while it was read: try again")
        if sha256_of(out.fileno()) != expected:
            raise RestoreError("what was written reads back otherwise, and was not kept")
        (report,) = examine([path], Examination(jobs=self.jobs, keep_details=True)).checkpoints
        for finding in report.findings:
            if finding.code in _HOSTILE:
                raise RestoreError(
                    f"{source} runs code when it is loaded, or was built to exhaust its reader: it "
                    "is not copied under a name that looks sound"
                )
            if finding.code in _BROKEN and finding.severity >= Severity.ERROR:
                what = f"{finding.code} {finding.subject}: {finding.message}"
                raise RestoreError(f"what was written is not sound, and was not kept: {what}")
        if report.checkpoint is None:
            raise RestoreError("what was written cannot be read, and was not kept")
        return report

    def _source_sha256(self) -> str:
        """That of the damaged file; "" where the disk no longer gives all of it."""
        with contextlib.suppress(OSError):
            return sha256_of_source(self.file.source)
        return ""

    def _manifest(self, report: CheckpointReport, sha256: str) -> str:
        result = self.found.result
        copied = restored_from(result.source)
        return manifest_text(
            source=result.source,
            source_sha256=self._source_sha256(),
            destination=result.destination,
            sha256=sha256,
            nbytes=self.view.nbytes,
            epoch=report.metadata.epoch,
            actions=actions_of_repair(result),
            trusted=True,
            origin=None if copied is None else copied.source,
            scale=1.0 if copied is None else copied.scale,
        )


def _copied(view: ByteSource, out: IO[bytes]) -> str:
    """Write all bytes and sync them; their SHA-256."""
    digest = hashlib.sha256()
    for start in range(0, view.nbytes, _CHUNK_NBYTES):
        size = min(_CHUNK_NBYTES, view.nbytes - start)
        piece = view.read(start, size)
        if len(piece) < size:
            raise RestoreError("the source was cut while it was read: try again")
        out.write(piece)
        digest.update(piece)
    out.flush()
    os.fsync(out.fileno())
    return digest.hexdigest()
