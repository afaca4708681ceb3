"""The trunk: open, scan, rules, report.

Headers are read here while the scanner's threads read tensors, so that neither waits.
"""

from __future__ import annotations

import contextlib
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, Problem
from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.formats import OpenFile, opened, read_checkpoint
from ckptdoctor.history import History
from ckptdoctor.manifest import check_manifest
from ckptdoctor.metadata import Metadata, epoch_from_name, position, read_metadata
from ckptdoctor.report import CheckpointReport, Crash, Report, TensorTotals
from ckptdoctor.rules import ALL_RULES, Case, Rule, verdict_of
from ckptdoctor.rules.container import CodeInPickle
from ckptdoctor.rules.neighbours import Layout, Snapshot, runs_of
from ckptdoctor.scanning.pending import PendingScan
from ckptdoctor.scanning.scanner import Scanner

__all__ = ["Examination", "examine", "judge_history"]

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


def examine(paths: Sequence[Path], how: Examination | None = None) -> Report:
    """A report on each file, in the order given; a file that cannot be read gets one too.

    Args:
        paths: files.
        how: options.
    """
    how = how or Examination()
    reports: list[CheckpointReport] = []
    crashes: list[Crash] = []
    cases = _measure(paths, how)
    layouts: dict[Layout, Layout] = {}
    runs = runs_of(
        Snapshot.of(case.checkpoint, case.stats, case.metadata, layouts)
        for case in cases
        if isinstance(case, Case)
    )
    for case in cases:
        if isinstance(case, Case):
            run = runs[case.checkpoint.path]
            reports.append(_diagnose(replace(case, run=run), how, crashes))
        else:
            reports.append(case)
    ordered = sorted(reports, key=lambda report: position(report.path, report.metadata))
    return Report(
        checkpoints=tuple(reports),
        findings=tuple(_apply(how.rules, lambda rule: rule.check_run(ordered), Path(), crashes)),
        crashes=tuple(crashes),
    )


def judge_history(
    histories: Sequence[History], rules: Sequence[type[Rule]] = ALL_RULES
) -> tuple[list[Finding], list[Crash]]:
    """What the rules say of runs over their epochs, and our own bugs.

    Args:
        histories: one a run.
        rules: those to ask.
    """
    findings: list[Finding] = []
    crashes: list[Crash] = []
    for history in histories:
        say = partial(_of_history, history)
        found = _apply(rules, say, history.folder, crashes)
        several = len(histories) > 1  # then it has to be said which run is meant
        findings += [replace(one, subject=str(history.folder)) if several else one for one in found]
    return findings, crashes


def _of_history(history: History, rule: Rule) -> Iterator[Finding]:
    return rule.check_history(history)


def _measure(paths: Sequence[Path], how: Examination) -> list[Case | CheckpointReport]:
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


def _diagnose(case: Case, how: Examination, crashes: list[Crash]) -> CheckpointReport:
    checkpoint = case.checkpoint
    found = _apply(how.rules, lambda rule: rule.check(case), checkpoint.path, crashes)
    findings = sorted(found, key=lambda finding: -finding.severity)
    return CheckpointReport(
        path=checkpoint.path,
        format=checkpoint.format,
        nbytes=checkpoint.nbytes,
        verdict=verdict_of(findings, checkpoint.tensors),
        metadata=case.metadata,
        tensors=TensorTotals.of(checkpoint, case.stats.values()),
        findings=tuple(findings),
        checkpoint=checkpoint if how.keep_details else None,
        stats=case.stats if how.keep_details else {},
    )


def _apply(
    rules: Sequence[type[Rule]],
    check: Callable[[Rule], Iterator[Finding]],
    path: Path,
    crashes: list[Crash],
) -> Iterator[Finding]:
    """Every rule's findings; a rule that fails is noted as our bug, and the others still run."""
    for rule in rules:
        try:
            yield from list(check(rule()))
        except Exception:  # noqa: BLE001  (whatever it is, it is ours, and it is reported)
            crashes.append(Crash(rule=rule.__name__, path=path, error=traceback.format_exc()))
