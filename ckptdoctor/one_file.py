"""One file from bytes to a result: the same whoever reads it, this process or a worker.

Headers are read while the scanner's threads read tensors, so that neither waits: a file is begun,
others are, and then it is finished.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container
from pathlib import Path

from ckptdoctor.believed import scanned_anew
from ckptdoctor.cache.result import FileState, Result, scanned_as
from ckptdoctor.checkpoint import Checkpoint, Problem
from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Severity
from ckptdoctor.formats import OpenFile, Repeats, opened, read_checkpoint
from ckptdoctor.layouts.assemble import in_checkpoint
from ckptdoctor.layouts.files import Part
from ckptdoctor.layouts.reading import read_part
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import check_manifest
from ckptdoctor.scanning.pending import PendingScan
from ckptdoctor.scanning.scanner import Scanner

__all__ = ["AHEAD", "Failed", "Found", "Pending", "begun", "failed_by", "finished", "problem_of"]

AHEAD = 16
"""Headers read, and files open, ahead of the scan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Why nothing could be read from a file.

    Attributes:
        nbytes: its size; 0 where it could not be opened.
        problems: why.
        runs: functions that whoever loads it runs all the same, as in ``CheckpointError``.
    """

    nbytes: int
    problems: tuple[Problem, ...]
    runs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of a file.

    Attributes:
        result: what reader and scan said of it, by its own names.
        checkpoint: it by the names of the checkpoint that it is a part of.
        manifest: what contradicts the note beside it.
        state: what the file was at the end; None where that cannot be told.
    """

    result: Result
    checkpoint: Checkpoint
    manifest: tuple[Problem, ...] = ()
    state: FileState | None = None


@dataclass(slots=True, kw_only=True)
class Pending:
    """A file whose header was read and whose tensors are being scanned.

    Attributes:
        checkpoint: what it holds, by the names of the checkpoint that it is a part of.
        read: the same by its own names.
        file: it, open.
        scan: of its tensors.
        manifest: what contradicts the note beside it.
        closing: closes it.
        part: what it is of a checkpoint of several; None for a single file.
    """

    checkpoint: Checkpoint
    read: Checkpoint
    file: OpenFile
    scan: PendingScan
    manifest: tuple[Problem, ...]
    closing: contextlib.ExitStack
    part: Part | None


def begun(
    path: Path,
    part: Part | None,
    scanner: Scanner,
    *,
    taken: Container[str] = (),
    repeats: Repeats | None = None,
    expect: Callable[[Path, int], None] | None = None,
    has_note: bool = True,
) -> Pending | Failed:
    """A file whose header was read and whose scan has started, to be given to :func:`finished`.

    Args:
        path: the file.
        part: what it is of a checkpoint of several; None for a single file.
        scanner: that measures it.
        taken: names that other parts of the checkpoint have.
        repeats: the structures of those that were read before.
        expect: told of the bytes that it will take.
        has_note: whether a note of ours may lie beside it.
    """
    file = None
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(opened(path))
            if expect is not None:
                expect(path, file.nbytes)
            read = read_checkpoint(file, repeats=repeats) if part is None else read_part(part, file)
        except (CheckpointError, OSError) as error:
            return failed_by(error, file)
        checkpoint = read if part is None else in_checkpoint(read, part, taken)
        scan = scanner.submit(checkpoint, file.fd)
        manifest = tuple(check_manifest(path, file.fd)) if has_note and part is None else ()
        return Pending(
            checkpoint=checkpoint,
            read=read,
            file=file,
            scan=scan,
            manifest=manifest,
            closing=stack.pop_all(),
            part=part,
        )
    raise AssertionError("unreachable: the stack swallows no exception")


def finished(pending: Pending, *, is_remembered: bool = True) -> Found | Failed:
    """What came of a file that was begun, once it is scanned; it is closed.

    Args:
        pending: the file.
        is_remembered: whether anybody wants to know what the file was at the end.
    """
    with pending.closing:
        read, checkpoint, file = pending.read, pending.checkpoint, pending.file
        try:
            scanned = pending.scan.result()
            anew = scanned_anew(file, pending.part, read)
            read, checkpoint, scanned = anew or (read, checkpoint, scanned)
        except (CheckpointError, OSError) as error:
            return failed_by(error, file)
        return Found(
            result=Result(
                checkpoint=read,
                scanned=scanned_as(checkpoint),
                stats=scanned.stats,
                problems=scanned.problems,
                unchecked=scanned.unchecked,
                zero_tail=scanned.zero_tail,
            ),
            checkpoint=checkpoint,
            manifest=pending.manifest,
            state=_state(file.fd) if is_remembered else None,
        )
    raise AssertionError("unreachable: the stack swallows no exception")


def _state(fd: int) -> FileState | None:
    try:
        return FileState.of(fd)
    except OSError:
        return None


def failed_by(error: CheckpointError | OSError, file: OpenFile | None) -> Failed:
    """Why nothing could be read; of a file that is still open, also that it changed meanwhile."""
    problems = [problem_of(error)]
    if file is not None and file.changed():
        problems.append(
            Problem(
                code="CD109",
                severity=Severity.WARNING,
                subject="file",
                message="the file changed while it was read: somebody writes to it",
            )
        )
    return Failed(
        nbytes=0 if file is None else file.nbytes,
        problems=tuple(problems),
        runs=error.runs if isinstance(error, CheckpointError) else (),
    )


def problem_of(error: CheckpointError | OSError) -> Problem:
    """Why nothing could be read, as a problem of the file."""
    if isinstance(error, CheckpointError):
        where = "" if error.offset is None else f" (at byte {error.offset})"
        return Problem(
            code=error.code,
            severity=Severity.ERROR,
            subject="file",
            message=error.message + where,
            evidence={"offset": error.offset} if error.offset is not None else {},
            remedy=error.remedy,
        )
    return Problem(
        code="CD108",
        severity=Severity.ERROR,
        subject="file",
        message=f"cannot be read: {error.strerror or error}",
        evidence={"errno": error.errno},
    )
