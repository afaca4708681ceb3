"""Files to cases: open, scan, and say what came of it.

Headers are read here while the scanner's threads read tensors, so that neither waits.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, Problem
from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.formats import OpenFile, opened, read_checkpoint
from ckptdoctor.manifest import check_manifest
from ckptdoctor.metadata import Metadata, epoch_from_name, read_metadata
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules import ALL_RULES, Case, Rule
from ckptdoctor.rules.container import CodeInPickle
from ckptdoctor.scanning.pending import PendingScan
from ckptdoctor.scanning.scanner import Scanner

__all__ = ["Examination", "measure"]

_AHEAD = 16  # headers read, and files open, ahead of the scan


@dataclass(frozen=True, slots=True)
class Examination:
    """How to examine.

    Attributes:
        jobs: threads; None for one a core.
        keep_details: keep each checkpoint's tensors and statistics in its report.
        rules: those to run.
        progress: told of the bytes scanned, in batches, from several threads.
        expect: told of the bytes that a file will take, before they are scanned.
    """

    jobs: int | None = None
    keep_details: bool = False
    rules: tuple[type[Rule], ...] = ALL_RULES
    progress: Callable[[int], None] | None = None
    expect: Callable[[Path, int], None] | None = None


def measure(paths: Sequence[Path], how: Examination) -> list[Case | CheckpointReport]:
    """Every file as the rules want it, or its report where nothing could be read."""
    cases: list[Case | CheckpointReport] = []
    with contextlib.ExitStack() as stack:
        scanner = stack.enter_context(Scanner(how.jobs, progress=how.progress))
        waiting: deque[_Pending | CheckpointReport] = deque()
        for path in paths:
            waiting.append(_open(path, scanner, how))
            if len(waiting) > _AHEAD:
                cases.append(_finish(waiting.popleft()))
        cases.extend(_finish(pending) for pending in waiting)
    return cases


@dataclass(slots=True)
class _Pending:
    """A file whose header was read and whose tensors are being scanned."""

    checkpoint: Checkpoint
    file: OpenFile
    scan: PendingScan
    manifest: tuple[Problem, ...]
    closing: contextlib.ExitStack


def _finish(pending: _Pending | CheckpointReport) -> Case | CheckpointReport:
    """What is known of the file once it is scanned."""
    if isinstance(pending, CheckpointReport):
        return pending
    checkpoint = pending.checkpoint
    with pending.closing:
        try:
            result = pending.scan.result()
        except OSError as error:
            return _failed(checkpoint.path, error, pending.file)
        return Case(
            checkpoint=checkpoint,
            stats=result.stats,
            problems=(*checkpoint.problems, *result.problems, *pending.manifest),
            unchecked=result.unchecked,
            metadata=read_metadata(checkpoint),
            zero_tail=result.zero_tail,
        )
    raise AssertionError("unreachable: the stack swallows no exception")


def _open(path: Path, scanner: Scanner, how: Examination) -> _Pending | CheckpointReport:
    """Read the header and start the scan; a report at once where nothing can be read."""
    file = None
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(opened(path))
            if how.expect is not None:
                how.expect(path, file.nbytes)
            checkpoint = read_checkpoint(file)
        except (CheckpointError, OSError) as error:
            return _failed(path, error, file)
        scan = scanner.submit(checkpoint, file.fd)
        manifest = tuple(check_manifest(path, file.fd))
        return _Pending(checkpoint, file, scan, manifest, stack.pop_all())
    raise AssertionError("unreachable: the stack swallows no exception")


def _failed(
    path: Path, error: CheckpointError | OSError, file: OpenFile | None
) -> CheckpointReport:
    """The report on a file that gave nothing."""
    runs = error.runs if isinstance(error, CheckpointError) else ()
    problems = [_problem_of(error)]
    if file is not None and file.changed():
        problems.append(
            Problem(
                code="CD109",
                severity=Severity.WARNING,
                subject="file",
                message="the file changed while it was read: somebody writes to it",
            )
        )
    return CheckpointReport(
        path=path,
        nbytes=0 if file is None else file.nbytes,
        verdict=Verdict.UNREADABLE,
        metadata=Metadata(name_epoch=epoch_from_name(path)),
        findings=(
            *CodeInPickle().before_damage(runs),
            *(
                rule.from_problem(problem)
                for problem in problems
                for rule in ALL_RULES
                if rule.code == problem.code
            ),
        ),
    )


def _problem_of(error: CheckpointError | OSError) -> Problem:
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
