"""A checkpoint on the disk that is whole and finite, or the old one.

Checked in memory, written beside its destination with checksums, synced, read back and judged by
the doctor's own reader, and then renamed into place in one step.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.destination import refuse_what_is_no_file
from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.errors import ExhaustedError, NonFiniteError, RestoreError, SaveError, UsageError
from ckptdoctor.finding import Finding, Severity
from ckptdoctor.guard.saving.contents import Contents
from ckptdoctor.guard.saving.parity import (
    ParityThread,
    drop_stale_parity,
    parity_beside,
    refuse_stranger,
)
from ckptdoctor.guard.saving.sink import FileSink, MemorySink, Sink, torch_save
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import check_manifest, manifest_path
from ckptdoctor.metadata import Metric, Source
from ckptdoctor.recovery.parity.form import Description, digest_of_records, parity_path
from ckptdoctor.recovery.publish import (
    PlacedError,
    mode_to_keep,
    publish,
    space_missing,
    temporary_beside,
)
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules.training_state import NonFiniteOptimizer, UnsoundEma
from ckptdoctor.rules.weights import InfInWeights, NanInWeights

__all__ = ["Check", "SaveReport", "Snapshot", "digest_of", "safe_save", "save_snapshot", "why_bad"]


class Check(enum.Enum):
    """What has to be finite."""

    MODEL = "model"  # the weights; a broken optimizer is reported
    ALL = "all"  # the weights, the EMA and the optimizer
    NONE = "none"


_WEIGHTS = (NanInWeights, InfInWeights)
_RULES = {
    Check.MODEL: _WEIGHTS,
    Check.ALL: (*_WEIGHTS, NonFiniteOptimizer, UnsoundEma),
    Check.NONE: (),
}
_DAMAGE = frozenset({"CD101", "CD102", "CD103", "CD104", "CD107", "CD108", "CD109"})
_OF_NAMES = "CD406"  # the temporary file has no name that means anything
_SHOWN = 3
_MOST_PARITY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveReport:
    """What was written, as it was read back.

    Attributes:
        path: the file.
        nbytes: its size.
        tensors: how many it holds; every element was looked at.
        checksums: records whose CRC32 was compared.
        digest: SHA-256 over the names, sizes and CRC32 of all records: what tells contents apart.
        epoch: as the file tells it; None where it holds none.
        metric: as the file tells it, likewise.
        findings: what is odd and was no reason to refuse, worst first.
        parity: the file beside it that gives lost bytes back; None where none was asked for.
        duration_s: from the call to the synced name.
    """

    path: Path
    nbytes: int
    tensors: int
    checksums: int
    digest: str
    epoch: int | float | None = None
    metric: Metric | None = None
    findings: tuple[Finding, ...] = field(default=(), repr=False)
    parity: Path | None = None
    duration_s: float


def safe_save(
    obj: object,
    path: str | os.PathLike[str],
    *,
    force: bool = True,
    check: Check | str = Check.MODEL,
    allow: Sequence[str] = (),
    jobs: int | None = None,
    parity: float = 0.0,
) -> SaveReport:
    """Save a checkpoint so that the file is whole and finite, or is what it was before.

    Killed anywhere, ``path`` is the old file or the new one. While it is written, both take space.
    A symbolic link at ``path`` is replaced, not followed.

    Args:
        obj: what ``torch.save`` takes.
        path: the file; its folder must exist.
        force: whether a file that is there may be replaced, as ``torch.save`` does.
        check: ``"model"``: NaN and Inf in the weights are refused; ``"all"``: in EMA and optimizer
            as well; ``"none"``: the file is verified, its numbers are not judged. Masks and bounds
            that are infinite by design never count.
        allow: globs of tensors in which NaN and Inf are meant: ``"*.alibi"``.
        jobs: threads of the scan that verifies; None for one a core.
        parity: the share of the file that ``ckptdoctor repair`` can give back once it is lost, such
            as 0.01; it takes as much space again, in a file ``.parity`` beside it. 0 for none.

    Raises:
        NonFiniteError: refused; nothing was written, or nothing was kept.
        SaveError: what was written could not be verified, and was not kept.
        FileExistsError: without ``force``, something is there; or what is in the place of the
            parity is none.
        UsageError: ``parity`` is no share of a file, up to a half.
        DestinationError: what is there is no file: a FIFO, a socket, a device.
        OSError: the disk is full or broken; the old file stays, unless the message says that the
            new one is in its place.
    """
    terms = _Terms(Check(check), tuple(allow), force=force, jobs=jobs, parity=parity)
    started = time.perf_counter()
    destination = Path(path)
    nbytes = _admitted(obj, destination, terms).nbytes
    return _keep(lambda sink: torch_save(obj, sink), nbytes, destination, terms, started)


@dataclass(frozen=True, slots=True)
class _Terms:
    """What the caller asked for."""

    check: Check
    allow: tuple[str, ...]
    force: bool = field(kw_only=True)
    jobs: int | None = field(kw_only=True)
    parity: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        if not 0.0 <= self.parity <= _MOST_PARITY:
            raise UsageError(f"parity={self.parity}: a share of the file, from 0 to {_MOST_PARITY}")


class Snapshot:
    """A checkpoint in memory, in the bytes that ``torch.save`` writes, to be saved later.

    Args:
        obj: what ``torch.save`` takes; it may change as soon as this returns.
        path: the file that it is to become, for the message.
        check: as for :func:`safe_save`.
        allow: likewise.

    Raises:
        NonFiniteError: as :func:`safe_save`.
    """

    def __init__(
        self,
        obj: object,
        path: Path,
        *,
        check: Check | str = Check.MODEL,
        allow: Sequence[str] = (),
    ) -> None:
        terms = _Terms(Check(check), tuple(allow), force=True, jobs=None)
        _refuse_non_finite(Contents.of(obj), path, terms)
        sink = MemorySink()
        torch_save(obj, sink)
        self.pieces = sink.pieces

    @property
    def nbytes(self) -> int:
        """Size of the file that it makes."""
        return sum(map(len, self.pieces))


def save_snapshot(
    snapshot: Snapshot,
    path: Path,
    *,
    force: bool = True,
    check: Check | str = Check.MODEL,
    allow: Sequence[str] = (),
    jobs: int | None = None,
    parity: float = 0.0,
) -> SaveReport:
    """Write a snapshot as :func:`safe_save` writes an object; raises what that raises."""
    terms = _Terms(Check(check), tuple(allow), force=force, jobs=jobs, parity=parity)
    started = time.perf_counter()
    _check_destination(path, terms)

    def write(sink: Sink) -> None:
        for piece in snapshot.pieces:
            sink.write(piece)

    return _keep(write, snapshot.nbytes, path, terms, started)


# -- before --------------------------------------------------------------------------------------


def _admitted(obj: object, destination: Path, terms: _Terms) -> Contents:
    """What is to be written, if it may be."""
    _check_destination(destination, terms)
    contents = Contents.of(obj)
    _refuse_non_finite(contents, destination, terms)
    return contents


def _check_destination(destination: Path, terms: _Terms) -> None:
    if destination.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a folder: name a file in it", str(destination))
    refuse_what_is_no_file(destination)
    if not terms.force and os.path.lexists(destination):
        raise FileExistsError(errno.EEXIST, "exists, and force=False: it stays", str(destination))
    if terms.parity:
        refuse_stranger(parity_path(destination))


def _refuse_non_finite(contents: Contents, destination: Path, terms: _Terms) -> None:
    found = contents.findings(destination, _RULES[terms.check])
    bad = _not_allowed(found, terms)
    if bad:
        raise NonFiniteError(_refusal(destination, bad))


def _not_allowed(findings: Sequence[Finding], terms: _Terms) -> list[Finding]:
    """The findings of broken numbers that are a reason to refuse."""
    codes = {rule.code for rule in _RULES[terms.check]}
    return [
        finding
        for finding in findings
        if finding.code in codes
        and finding.severity is Severity.ERROR
        and not any(fnmatchcase(finding.subject, glob) for glob in terms.allow)
    ]


def _refusal(destination: Path, bad: Sequence[Finding]) -> str:
    named = "; ".join(f"{finding.subject}: {finding.message}" for finding in bad[:_SHOWN])
    more = f"; and {len(bad) - _SHOWN} more tensors" if len(bad) > _SHOWN else ""
    stays = "; the file that is there stays" if destination.exists() else ""
    meant = next((f.subject for f in bad if f.code == InfInWeights.code), None)
    hint = f". If Inf is meant there: allow=[{meant!r}]" if meant is not None else ""
    return f"{destination} was not written{stays}. {bad[0].code} {named}{more}{hint}"


def _check_space(folder: Path, nbytes: int) -> None:
    """Refuse to start what the disk cannot hold."""
    if missing := space_missing(folder, nbytes):
        what = f"{missing}. A file that is replaced takes its space until then"
        raise OSError(errno.ENOSPC, what, str(folder))


# -- writing -------------------------------------------------------------------------------------


def _keep(
    write: Callable[[Sink], None], nbytes: int, destination: Path, terms: _Terms, started: float
) -> SaveReport:
    """Write beside the destination, verify, rename."""
    more = Description.for_share(nbytes, terms.parity).file_nbytes if terms.parity else 0
    _check_space(destination.parent, nbytes + more)
    try:
        found = _written(write, destination, terms)
    except PlacedError as error:
        what = f"the new file is in its place, verified and whole, but: {error.strerror or error}"
        raise PlacedError(error.errno, what, str(destination)) from error
    _drop_stale_manifest(destination)
    report = _report(found, destination, time.perf_counter() - started)
    if not terms.parity:
        drop_stale_parity(destination, report.digest)
        return report
    return replace(report, parity=parity_path(destination))


def _written(write: Callable[[Sink], None], destination: Path, terms: _Terms) -> CheckpointReport:
    """The doctor's report on the file, which has its name by then, and its parity one."""
    with contextlib.ExitStack() as stack:
        temporary, file = stack.enter_context(
            temporary_beside(destination, mode_to_keep(destination))
        )
        sink = FileSink(file.fileno())
        try:
            write(sink)
        finally:
            if sink.error is not None:
                raise sink.error
        summing = None
        if terms.parity:  # while the disk is at work
            summing = ParityThread(file.fileno(), os.fstat(file.fileno()).st_size, terms.parity)
            stack.callback(summing.wait)
        os.fsync(file.fileno())
        found = _verified(temporary, destination, terms)
        placed = None
        if summing is not None and found.checkpoint is not None:
            parity = summing.parity(digest_of(found.checkpoint))
            placed = stack.enter_context(parity_beside(destination, parity))
        try:
            publish(temporary, file, destination, force=terms.force)
        except RestoreError as error:
            raise FileExistsError(errno.EEXIST, str(error), str(destination)) from error
        if placed is not None:
            placed()
    return found


def _drop_stale_manifest(destination: Path) -> None:
    """A note of ``restore`` beside the file that was replaced would accuse the new one."""
    note = manifest_path(destination)
    if note.exists():
        with contextlib.suppress(OSError), destination.open("rb") as file:
            if next(iter(check_manifest(destination, file.fileno())), None) is not None:
                note.unlink()


# -- reading back --------------------------------------------------------------------------------


def _verified(temporary: Path, destination: Path, terms: _Terms) -> CheckpointReport:
    """The doctor's report on what was written, if it may be kept.

    Raises:
        NonFiniteError: its numbers are broken.
        SaveError: its bytes are, or it cannot be read.
    """
    refused = f"{destination} was not written: what torch wrote could not be verified: "
    how = Examination(jobs=terms.jobs, keep_details=True)
    try:
        (report,) = examine([temporary], how).checkpoints
    except ExhaustedError as error:
        raise SaveError(f"{refused}{error}") from error
    if damage := _damage(report):
        raise SaveError(f"{refused}{damage.code} {damage.subject}: {damage.message}")
    if bad := _not_allowed(report.findings, terms):
        raise NonFiniteError(_refusal(destination, bad))
    return report


def _damage(report: CheckpointReport) -> Finding | None:
    """The first finding that says that the bytes are not those that were to be written."""
    for finding in report.findings:
        unchecked = finding.code == "CD103" and "unchecked" in finding.evidence
        if finding.code in _DAMAGE and (finding.severity >= Severity.WARNING or unchecked):
            return finding
    return None


def why_bad(
    report: CheckpointReport, check: Check | str = Check.MODEL, allow: Sequence[str] = ()
) -> str:
    """Why a file must not be gone on from; "" if nothing speaks against it.

    Args:
        report: of :func:`ckptdoctor.diagnose.examine`, with its details.
        check: as for :func:`safe_save`.
        allow: likewise.
    """
    terms = _Terms(Check(check), tuple(allow), force=True, jobs=None)
    worst = _damage(report) or next(iter(_not_allowed(report.findings, terms)), None)
    if worst is not None:
        return f"{worst.code} {worst.subject}: {worst.message}"
    return "" if report.checkpoint is not None else "it cannot be read"


def digest_of(checkpoint: Checkpoint) -> str:
    """SHA-256 over the names, sizes and checksums of all records, in hexadecimal.

    Equal for equal contents wherever the file lies, and read without reading a tensor.
    """
    return digest_of_records((one.key, one.nbytes, one.crc32) for one in checkpoint.records)


def _report(found: CheckpointReport, destination: Path, duration_s: float) -> SaveReport:
    checkpoint, metadata = found.checkpoint, found.metadata
    if checkpoint is None:
        raise AssertionError("unreachable: a file that cannot be read was refused")
    return SaveReport(
        path=destination,
        nbytes=found.nbytes,
        tensors=found.tensors.count,
        checksums=sum(record.crc32 is not None for record in checkpoint.records),
        digest=digest_of(checkpoint),
        epoch=metadata.epoch if metadata.epoch_source is Source.CONTENTS else None,
        metric=metadata.metric,
        findings=tuple(f for f in found.findings if f.code != _OF_NAMES),
        duration_s=duration_s,
    )
