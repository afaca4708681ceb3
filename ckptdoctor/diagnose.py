"""The trunk: open, scan, rules, report.

Headers are read here while the scanner's threads read tensors, so that neither waits.
"""

from __future__ import annotations

import contextlib
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, Problem
from ckptdoctor.errors import CheckpointError
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.formats import OpenFile, opened, read_checkpoint
from ckptdoctor.manifest import RestoredFrom, check_manifest, restored_from
from ckptdoctor.metadata import Metadata, Source, epoch_from_name, read_metadata
from ckptdoctor.report import CheckpointReport, Crash, Report, RunReport, TensorTotals, findings_of
from ckptdoctor.rules import ALL_RULES, Case, Rule, verdict_of
from ckptdoctor.rules.container import CodeInPickle
from ckptdoctor.runs.form import form_runs
from ckptdoctor.runs.member import Layout, Member
from ckptdoctor.runs.metric import refuse_what_is_not_there
from ckptdoctor.runs.notes import notes_of
from ckptdoctor.runs.run import Run
from ckptdoctor.runs.wish import Wish
from ckptdoctor.scanning.pending import PendingScan
from ckptdoctor.scanning.scanner import Scanner
from ckptdoctor.weightless import has_weights

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


def examine(
    paths: Sequence[Path],
    how: Examination | None = None,
    wish: Wish | None = None,
    *,
    one_by_one: bool = False,
) -> Report:
    """A report on each file, in the order given, and on the runs that they belong to.

    A file that cannot be read gets a report too. Nothing is ranked yet.

    Args:
        paths: files.
        how: options.
        wish: what the user says of metric and logs; None to look for no log.
        one_by_one: whether the user named each file.

    Raises:
        OSError: a log that the user named cannot be read.
        UsageError: no run has the metric that the user names.
    """
    how = how or Examination()
    crashes: list[Crash] = []
    cases = _measure(paths, how)
    layouts: dict[Layout, Layout] = {}
    members = [_member_of(case, layouts) for case in cases]
    formed = form_runs(members, wish, one_by_one=one_by_one)
    refuse_what_is_not_there([run.choice for run in formed.runs], wish)
    rows = [
        _diagnose(case, formed.run_of(member.path), member.restored, how, crashes)
        if isinstance(case, Case)
        else _placed(case, formed.run_of(case.path))
        for case, member in zip(cases, members, strict=True)
    ]
    runs = [_judged(run, rows, how.rules, crashes) for run in formed.runs]
    return Report(
        checkpoints=tuple(rows),
        runs=tuple(runs),
        findings=findings_of(runs),
        notes=notes_of(formed),
        crashes=tuple(crashes),
    )


def judge_history(
    runs: Sequence[Run], rules: Sequence[type[Rule]] = ALL_RULES
) -> tuple[list[RunReport], list[Crash]]:
    """What the rules say of runs over their time, and our own bugs.

    Args:
        runs: with their histories.
        rules: those to ask.
    """
    crashes: list[Crash] = []
    return [_judged(run, (), rules, crashes) for run in runs], crashes


def _judged(
    run: Run,
    rows: Sequence[CheckpointReport],
    rules: Sequence[type[Rule]],
    crashes: list[Crash],
) -> RunReport:
    """The report on a run, with its own rows in its order."""
    by_path = {row.path: row for row in rows}
    own = [by_path[member.path] for member in run.every if member.path in by_path]
    counted = own[: len(run.members)] if rows else []
    found = [
        *_apply(rules, lambda rule: rule.check_history(run.history), run.folder, crashes),
        *_apply(rules, lambda rule: rule.check_run(run, counted), run.folder, crashes),
    ]
    return RunReport(
        run=run,
        checkpoints=tuple(own),
        findings=tuple(sorted(found, key=lambda finding: -finding.severity)),
    )


def _member_of(case: Case | CheckpointReport, layouts: dict[Layout, Layout]) -> Member:
    if isinstance(case, Case):
        restored = restored_from(case.checkpoint.path)
        data = _with_kept_epoch(case.metadata, restored)
        return Member.of(case.checkpoint, case.stats, data, layouts, restored)
    return Member(path=case.path, metadata=case.metadata)


def _with_kept_epoch(data: Metadata, restored: RestoredFrom | None) -> Metadata:
    """The epoch of a copy whose source had it in its name alone."""
    if data.epoch is not None or restored is None or restored.epoch is None:
        return data
    return replace(data, epoch=restored.epoch, epoch_source=Source.FILENAME)


def _placed(row: CheckpointReport, run: Run) -> CheckpointReport:
    """The report on a file that gave nothing, with its place in the run."""
    return replace(row, metadata=run.metadata_of(row.path) or row.metadata, run=run.name or None)


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


def _diagnose(
    case: Case,
    run: Run,
    restored: RestoredFrom | None,
    how: Examination,
    crashes: list[Crash],
) -> CheckpointReport:
    checkpoint = case.checkpoint
    data = run.metadata_of(checkpoint.path) or case.metadata
    case = replace(case, run=run, metadata=data)
    found = _apply(how.rules, lambda rule: rule.check(case), checkpoint.path, crashes)
    findings = sorted(found, key=lambda finding: -finding.severity)
    return CheckpointReport(
        path=checkpoint.path,
        format=checkpoint.format,
        nbytes=checkpoint.nbytes,
        verdict=verdict_of(findings, checkpoint.tensors),
        metadata=data,
        tensors=TensorTotals.of(checkpoint, case.stats.values()),
        has_weights=has_weights(checkpoint.tensors),
        findings=tuple(findings),
        run=run.name or None,
        restored=restored,
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
