"""The trunk: open, scan, rules, report."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.finding import Finding
from ckptdoctor.manifest import RestoredFrom, restored_from
from ckptdoctor.measure import Examination, measure
from ckptdoctor.metadata import Metadata, Source
from ckptdoctor.report import CheckpointReport, Crash, Report, RunReport, TensorTotals, findings_of
from ckptdoctor.rules import ALL_RULES, Case, Rule, verdict_of
from ckptdoctor.runs.form import form_runs
from ckptdoctor.runs.member import Layout, Member
from ckptdoctor.runs.metric import refuse_what_is_not_there
from ckptdoctor.runs.notes import notes_of
from ckptdoctor.runs.run import Run
from ckptdoctor.runs.wish import Wish
from ckptdoctor.weightless import has_weights

__all__ = ["Examination", "examine", "judge_history"]


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
    cases = measure(paths, how)
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
