"""Files to cases: open, scan, and say what came of it.

Headers are read here while the scanner's threads read tensors, so that neither waits.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, Problem, TensorStats
from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.formats import OpenFile, opened, read_checkpoint
from ckptdoctor.formats.dcp.joined import Joined
from ckptdoctor.layouts.assemble import assembled, in_checkpoint
from ckptdoctor.layouts.files import CheckpointFiles, Form, Part
from ckptdoctor.layouts.reading import read_part, with_chunks_joined
from ckptdoctor.layouts.weights.index_check import with_indexes
from ckptdoctor.manifest import check_folder, check_manifest
from ckptdoctor.metadata import Metadata, epoch_from_name, read_metadata
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules import ALL_RULES, Case, Rule
from ckptdoctor.rules.base import PartCase
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


def measure(found: Sequence[CheckpointFiles], how: Examination) -> list[Case | CheckpointReport]:
    """Every checkpoint as the rules want it, or its report where nothing could be read.

    A checkpoint of several files is always a case, whatever can be read of it.
    """
    readings = [_Reading(files) for files in found]
    with contextlib.ExitStack() as stack:
        scanner = stack.enter_context(Scanner(how.jobs, progress=how.progress))
        waiting: deque[tuple[_Reading, Part]] = deque()
        for reading in readings:
            for part in reading.to_read:
                reading.open(part, scanner, how)
                waiting.append((reading, part))
                if len(waiting) > _AHEAD:
                    _finish_first(waiting)
        while waiting:
            _finish_first(waiting)
    return [reading.result() for reading in readings]


def _finish_first(waiting: deque[tuple[_Reading, Part]]) -> None:
    reading, part = waiting.popleft()
    reading.finish(part)


class _Reading:
    """The files of one checkpoint, on the way from bytes to a case."""

    def __init__(self, files: CheckpointFiles) -> None:
        self._files = files
        self._open: dict[Part, _Pending | CheckpointReport] = {}
        self._done: dict[Part, Case | CheckpointReport] = {}
        self._taken: set[str] = set()
        self.to_read = [part for part in dict.fromkeys(files.parts) if part.form is not Form.TEXT]

    def open(self, part: Part, scanner: Scanner, how: Examination) -> None:
        """Read the header of a part and start its scan."""
        own = None if self._files.is_single else part
        pending = _open(part.path, scanner, how, own, self._taken)
        if isinstance(pending, _Pending) and own is not None:
            self._taken.update(tensor.fqn for tensor in pending.checkpoint.tensors)
        self._open[part] = pending

    def finish(self, part: Part) -> None:
        """Wait for the scan of a part."""
        self._done[part] = _finish(self._open.pop(part))

    def result(self) -> Case | CheckpointReport:
        """What is known of the checkpoint."""
        if self._files.is_single:
            (found,) = self._done.values()
            return found
        parts = tuple(self._part(part) for part in self._files.parts)
        return _whole(self._files, parts)

    def _part(self, part: Part) -> PartCase:
        found = self._done.get(part)
        if isinstance(found, Case):
            checkpoint = found.checkpoint
            return PartCase(
                part=part, case=found, nbytes=checkpoint.nbytes, format=checkpoint.format
            )
        if found is not None:
            return PartCase(part=part, nbytes=found.nbytes, failed=found.findings)
        nbytes = part.member.nbytes if part.member is not None else _nbytes(part.path)
        return PartCase(part=part, nbytes=nbytes, format="text")


def _nbytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone since it was listed
        return 0


def _whole(files: CheckpointFiles, parts: tuple[PartCase, ...]) -> Case:
    """The parts as one case."""
    read = [(part, part.case) for part in parts if part.case is not None]
    checkpoints = [(one.part, case.checkpoint) for one, case in read]
    files, checkpoint = with_indexes(files, checkpoints), assembled(files, checkpoints)
    stats: dict[str, TensorStats] = {}
    for _, case in read:
        stats.update(case.stats)
    joined = with_chunks_joined(files.parts, checkpoint.tensors, stats)
    if joined is not None:
        checkpoint, stats = replace(checkpoint, tensors=joined.tensors), joined.stats
        parts = tuple(_naming_tensors(part, joined) for part in parts)
    return Case(
        checkpoint=replace(checkpoint, nbytes=sum(part.nbytes for part in parts)),
        stats=stats,
        problems=(*files.problems, *check_folder(files.path)),
        unchecked=0,
        metadata=read_metadata(checkpoint),
        files=files,
        parts=parts,
    )


def _naming_tensors(part: PartCase, joined: Joined) -> PartCase:
    """The part with problems that name tensors, not the chunks of them."""
    if part.case is None:
        return part
    told = tuple(map(joined.told, part.case.problems))
    return replace(part, case=replace(part.case, problems=told))


@dataclass(slots=True)
class _Pending:
    """A file whose header was read and whose tensors are being scanned."""

    checkpoint: Checkpoint
    file: OpenFile
    scan: PendingScan
    manifest: tuple[Problem, ...]
    closing: contextlib.ExitStack
    part: Part | None


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
        alone = pending.part is None
        return Case(
            checkpoint=checkpoint,
            stats=result.stats,
            problems=(*checkpoint.problems, *result.problems, *pending.manifest),
            unchecked=result.unchecked,
            metadata=read_metadata(checkpoint) if alone else Metadata(),
            zero_tail=result.zero_tail,
        )
    raise AssertionError("unreachable: the stack swallows no exception")


def _open(
    path: Path, scanner: Scanner, how: Examination, part: Part | None, taken: Container[str]
) -> _Pending | CheckpointReport:
    """Read the header and start the scan; a report at once where nothing can be read."""
    file = None
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(opened(path))
            if how.expect is not None:
                how.expect(path, file.nbytes)
            checkpoint = read_checkpoint(file) if part is None else read_part(part, file)
        except (CheckpointError, OSError) as error:
            return _failed(path, error, file)
        if part is not None:
            checkpoint = in_checkpoint(checkpoint, part, taken)
        scan = scanner.submit(checkpoint, file.fd)
        manifest = tuple(check_manifest(path, file.fd)) if part is None else ()
        return _Pending(checkpoint, file, scan, manifest, stack.pop_all(), part)
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
