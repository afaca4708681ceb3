"""Reports built by hand, for orders and rankings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.metadata import Metadata, Metric, MetricKind, Mode, Source
from ckptdoctor.recovery import ranked
from ckptdoctor.recovery.next_step import Asked
from ckptdoctor.report import CheckpointReport, Report, RunReport, TensorTotals
from ckptdoctor.runs.form import form_runs
from ckptdoctor.runs.member import Member
from ckptdoctor.runs.wish import Wish


def metric(
    value: float,
    *,
    name: str = "best_iou",
    mode: Mode | None = Mode.MAX,
    kind: MetricKind = MetricKind.RUNNING_BEST,
) -> Metric:
    """A metric from the contents."""
    return Metric(name=name, value=value, mode=mode, kind=kind, source=Source.CONTENTS)


def score(value: float, *, name: str = "iou", mode: Mode | None = Mode.MAX) -> Metric:
    """A checkpoint's own score."""
    return metric(value, name=name, mode=mode, kind=MetricKind.SCORE)


def report(
    name: str,
    epoch: int | None = None,
    found: Metric | None = None,
    verdict: Verdict = Verdict.HEALTHY,
    *,
    codes: tuple[str, ...] = (),
    step: int | None = None,
    tensors: int = 3,
) -> CheckpointReport:
    """What an examination could have said of a file."""
    return CheckpointReport(
        path=Path(name),
        format="torch-zip",
        nbytes=1000,
        verdict=verdict,
        metadata=Metadata(
            epoch=epoch,
            epoch_source=None if epoch is None else Source.CONTENTS,
            global_step=step,
            metric=found,
            metrics=() if found is None else (found,),
        ),
        tensors=TensorTotals(count=tensors, scanned=tensors, nbytes=900),
        has_weights=tensors > 0,
        findings=tuple(
            Finding(code=code, severity=Severity.ERROR, subject="file", message=f"what {code} says")
            for code in codes
        ),
    )


def runs_of(rows: Sequence[CheckpointReport], wish: Wish | None = None) -> Report:
    """The rows as runs, with their scores, not ranked yet."""
    members = [
        Member(
            path=row.path,
            metadata=row.metadata,
            has_weights=row.has_weights or row.verdict is Verdict.UNREADABLE,
            restored=row.restored,
        )
        for row in rows
    ]
    formed = form_runs(members, wish)
    placed = {row.path: row for row in rows}
    for run in formed.runs:
        for member in run.every:
            row = placed[member.path]
            placed[member.path] = replace(row, metadata=member.metadata, run=run.name)
    runs = [
        RunReport(run=run, checkpoints=tuple(placed[member.path] for member in run.every))
        for run in formed.runs
    ]
    return Report(checkpoints=tuple(placed.values()), runs=tuple(runs))


def with_last_good(report: Report, asked: Asked | None = None) -> Report:
    """The report as runs, ranked; its findings are those of the first run."""
    found = runs_of(report.checkpoints)
    runs = list(found.runs)
    if runs:
        runs[0] = replace(runs[0], findings=report.findings)
    return ranked(replace(report, checkpoints=found.checkpoints, runs=tuple(runs)), asked)
