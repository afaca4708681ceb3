"""The trunk: open, scan, rules, report."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.keeper import Keeper, Kept, unfolded
from ckptdoctor.layouts.files import CheckpointFiles, Form, Pointer, single
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.measure import Examination, measure
from ckptdoctor.plugins import failed
from ckptdoctor.report import (
    CheckpointReport,
    Crash,
    PartReport,
    Report,
    RunReport,
    TensorTotals,
    findings_of,
)
from ckptdoctor.rules import Case, Rule, all_rules, verdict_of
from ckptdoctor.rules.added import package_of
from ckptdoctor.rules.base import PartCase
from ckptdoctor.rules.parts import is_needed, of_part
from ckptdoctor.rules.verdict import DECISIVE, verdict_of_part, verdict_of_parts
from ckptdoctor.runs.form import form_runs
from ckptdoctor.runs.member import Member
from ckptdoctor.runs.metric import refuse_what_is_not_there
from ckptdoctor.runs.notes import notes_of
from ckptdoctor.runs.run import NO_RUN, Formed, Run
from ckptdoctor.runs.wish import Wish
from ckptdoctor.weightless import has_weights

__all__ = [
    "Examination",
    "examine",
    "failed_plugins",
    "files_of",
    "judge_history",
    "judged",
    "measured",
]

T = TypeVar("T")


def examine(
    found: Sequence[Path | CheckpointFiles],
    how: Examination | None = None,
    wish: Wish | None = None,
    *,
    one_by_one: bool = False,
    pointers: Sequence[Pointer] = (),
) -> Report:
    """A report on each checkpoint, in the order given, and on the runs that they belong to.

    One that cannot be read gets a report too. Nothing is ranked yet.

    Args:
        found: checkpoints; a path stands for that one file.
        how: options.
        wish: what the user says of metric and logs; None to look for no log.
        one_by_one: whether the user named each of them.
        pointers: files that name one of them.

    Raises:
        OSError: a log that the user named cannot be read.
        UsageError: no run has the metric that the user names.
    """
    how = how or Examination()
    waiting = _kept(files_of(found), how)
    members = [member for member, _ in waiting]
    formed = form_runs(members, wish, one_by_one=one_by_one, pointers=pointers)
    refuse_what_is_not_there([run.choice for run in formed.runs], wish)
    report = judged(waiting, formed, how)
    return replace(report, crashes=(*failed_plugins(), *report.crashes))


def _kept(files: Sequence[CheckpointFiles], how: Examination) -> list[tuple[Member, Kept]]:
    """What is kept of every checkpoint, in order."""
    if not how.copies or how.keep_details:  # details are too much to send
        return measured(files, how, Keeper(how).kept)
    from ckptdoctor.by_copies import measured_by_copies

    return measured_by_copies(files, how, {})


def files_of(found: Sequence[Path | CheckpointFiles]) -> list[CheckpointFiles]:
    """Checkpoints as they are measured; a path stands for that one file."""
    return [single(one) if isinstance(one, Path) else one for one in found]


def judged(
    waiting: Sequence[tuple[Member, Kept]],
    formed: Formed,
    how: Examination,
    *,
    is_part: bool = False,
) -> Report:
    """The report on checkpoints of which all are read, in their order, and on their runs.

    Args:
        waiting: what was kept of each.
        formed: the runs that they belong to.
        how: options.
        is_part: whether there are other runs, which are judged apart.
    """
    found = _judged_in_shares(waiting, formed, how)
    crashes = [crash for one in found for crash in one.crashes]
    rows = [row for _, row in sorted((at, row) for one in found for at, row in one.rows)]
    by_path = {row.path: row for row in rows}
    findings = dict(each for one in found for each in one.findings)
    runs = [
        RunReport(run=run, checkpoints=tuple(_rows_of(run, by_path)), findings=findings[number])
        for number, run in enumerate(formed.runs)
    ]
    several = is_part or len(runs) > 1
    return Report(
        is_part=is_part,
        checkpoints=tuple(rows),
        runs=tuple(runs),
        findings=findings_of(runs, several=several),
        notes=notes_of(formed, several=several),
        crashes=tuple(crashes),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the rules say of some of the runs.

    Attributes:
        rows: the reports on their checkpoints, with their places in the order of all.
        findings: of each run, by its number.
        crashes: our own bugs.
    """

    rows: list[tuple[int, CheckpointReport]]
    findings: list[tuple[int, tuple[Finding, ...]]]
    crashes: list[Crash]


def _judged_in_shares(
    waiting: Sequence[tuple[Member, Kept]], formed: Formed, how: Examination
) -> list[_Judged]:
    """What the rules say of all runs, and of what belongs to none.

    Several runs are shared among copies of this process: what one needs of another is formed.
    """
    number_of = {
        member.path: number
        for number, run in reversed(list(enumerate(formed.runs)))
        for member in run.every
    }
    count = min(how.copies + 1, max(1, len(formed.runs)))
    if any(map(package_of, how.rules)):  # who knows what they do
        count = 1

    def judge(share: int) -> _Judged:
        crashes: list[Crash] = []
        rows = []
        for at, (member, case) in enumerate(waiting):
            number = number_of.get(member.path)
            if (number or 0) % count == share:
                run = NO_RUN if number is None else formed.runs[number]
                row = (
                    _placed(case, run)
                    if isinstance(case, CheckpointReport)
                    else _diagnose(unfolded(case), run, member.restored, how, crashes)
                )
                rows.append((at, row))
        by_path = {row.path: row for _, row in rows}
        return _Judged(
            rows,
            [
                (number, _findings_on(run, _rows_of(run, by_path), how.rules, crashes))
                for number, run in enumerate(formed.runs)
                if number % count == share
            ],
            crashes,
        )

    if count == 1:
        return [judge(0)]
    from ckptdoctor.by_copies import in_shares

    return in_shares(judge, count)


def measured(
    files: Sequence[CheckpointFiles], how: Examination, kept: Callable[[Case | CheckpointReport], T]
) -> list[T]:
    """As :func:`~ckptdoctor.measure.measure`, wherever the files are read."""
    if how.executor is None:
        return measure(files, how, kept)
    from ckptdoctor.elsewhere import measured_elsewhere

    return measured_elsewhere(files, how, how.executor, kept)


def judge_history(
    runs: Sequence[Run], rules: Sequence[type[Rule]] | None = None
) -> tuple[list[RunReport], list[Crash]]:
    """What the rules say of runs over their time, and our own bugs.

    Args:
        runs: with their histories.
        rules: those to ask; None for all.
    """
    rules = all_rules() if rules is None else rules
    crashes = failed_plugins()
    return [
        RunReport(run=run, findings=_findings_on(run, (), rules, crashes)) for run in runs
    ], crashes


def failed_plugins() -> list[Crash]:
    """The rules and layouts of other packages that could not be had, or failed."""
    return [Crash(rule=str(one), path=Path(one.where), error=one.error) for one in failed()]


def _rows_of(run: Run, rows: Mapping[Path, CheckpointReport]) -> list[CheckpointReport]:
    """The reports on the checkpoints of a run, in its order."""
    return [rows[member.path] for member in run.every if member.path in rows]


def _findings_on(
    run: Run,
    rows: Sequence[CheckpointReport],
    rules: Sequence[type[Rule]],
    crashes: list[Crash],
) -> tuple[Finding, ...]:
    """What the rules say of a run over its time, worst first."""
    counted = rows[: len(run.members)]
    found = [
        *_apply(rules, lambda rule: rule.check_history(run.history), run.folder, crashes),
        *_apply(rules, lambda rule: rule.check_run(run, counted), run.folder, crashes),
    ]
    return tuple(sorted(found, key=lambda finding: -finding.severity))


def _placed(row: CheckpointReport, run: Run) -> CheckpointReport:
    """The report on a file that gave nothing, with its place in the run."""
    return replace(row, metadata=run.metadata_of(row.path) or row.metadata, run=run.name or None)


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
    judge = _of_parts if case.files is not None else _of_file
    findings, verdict, parts = judge(case, how, crashes)
    return CheckpointReport(
        path=checkpoint.path,
        format=checkpoint.format,
        nbytes=checkpoint.nbytes,
        verdict=verdict,
        metadata=data,
        tensors=TensorTotals.of(checkpoint, case.stats.values()),
        has_weights=has_weights(checkpoint.tensors),
        findings=findings,
        run=run.name or None,
        restored=restored,
        checkpoint=checkpoint if how.keep_details else None,
        stats=case.stats if how.keep_details else {},
        files=case.files,
        parts=parts,
    )


_Said = tuple[tuple[Finding, ...], Verdict, tuple[PartReport, ...]]


def _of_file(case: Case, how: Examination, crashes: list[Crash]) -> _Said:
    """What the rules say of a single file, worst first."""
    findings = _worst_first(_checked(case, how.rules, case.checkpoint.path, crashes))
    return findings, verdict_of(findings, case.checkpoint.tensors), ()


def _of_parts(case: Case, how: Examination, crashes: list[Crash]) -> _Said:
    """What the rules say of a checkpoint of several files: of each file, and of the whole."""
    path = case.checkpoint.path
    of_files = [rule for rule in how.rules if rule.of_file]
    others = [rule for rule in how.rules if not rule.of_file]
    whole = [
        *_checked(replace(case, problems=()), others, path, crashes),
        *(
            rule.from_problem(problem)
            for problem in case.problems
            for rule in how.rules
            if rule.code == problem.code
        ),
    ]
    own = {one.part.name: _of_part(one, of_files, path, crashes) for one in case.parts}
    findings = [*whole, *(finding for found in own.values() for finding in found)]
    decisive = [rule for rule in how.rules if rule.code in DECISIVE]
    is_damaged = any(finding.severity >= Severity.WARNING for finding in findings)
    reports = []
    for one in case.parts:
        told = [f for f in whole if f.evidence.get("part") == one.part.name] + own[one.part.name]
        if one.case is not None and is_damaged:
            told += _checked(replace(one.case, run=case.run), decisive, path, crashes)
        reports.append(_part_report(one, told, how))
    minor = {
        tensor.fqn
        for one in case.parts
        if one.case is not None and not is_needed(one.part.role)
        for tensor in one.case.checkpoint.tensors
    }
    tensors = [tensor for tensor in case.checkpoint.tensors if tensor.fqn not in minor]
    verdict = verdict_of_parts(findings, tensors, [(r.part.role, r.verdict) for r in reports])
    return _worst_first(_with_parts(findings, case.parts)), verdict, tuple(reports)


def _with_parts(findings: Sequence[Finding], parts: Sequence[PartCase]) -> list[Finding]:
    """Findings about a tensor with the part that holds it, as those about a file have it."""
    part_of = {
        tensor.fqn: one.part
        for one in parts
        if findings and one.case is not None
        for tensor in one.case.checkpoint.tensors
    }
    placed = []
    for finding in findings:
        part = part_of.get(finding.subject)
        if part is not None and "part" not in finding.evidence:
            where = {"part": part.name, "part_role": part.role.value}
            finding = replace(finding, evidence={**finding.evidence, **where})  # noqa: PLW2901
        placed.append(finding)
    return placed


def _of_part(
    one: PartCase, rules: Sequence[type[Rule]], path: Path, crashes: list[Crash]
) -> list[Finding]:
    """What the rules about files say of one file."""
    case = one.case
    found = one.failed if case is None else _checked(case, rules, path, crashes)
    return [of_part(finding, one.part) for finding in found]


def _checked(
    case: Case, rules: Sequence[type[Rule]], path: Path, crashes: list[Crash]
) -> Iterator[Finding]:
    return _apply(rules, lambda rule: rule.check(case), path, crashes)


def _part_report(one: PartCase, findings: Sequence[Finding], how: Examination) -> PartReport:
    case = one.case
    is_lost = case is None and one.part.form is not Form.TEXT
    tensors = () if case is None else case.checkpoint.tensors
    return PartReport(
        part=one.part,
        format=one.format,
        nbytes=one.nbytes,
        verdict=Verdict.UNREADABLE if is_lost else verdict_of_part(findings, tensors),
        checkpoint=None if case is None or not how.keep_details else case.checkpoint,
        stats=case.stats if case is not None and how.keep_details else {},
    )


def _worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: -finding.severity))


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
            package = package_of(rule)
            name = f"{rule.__name__} of the package {package}" if package else rule.__name__
            crashes.append(Crash(rule=name, path=path, error=traceback.format_exc()))
