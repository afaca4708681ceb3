"""Reports built by hand, for orders and rankings."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.metadata import Metadata, Metric, MetricKind, Mode, Source
from ckptdoctor.report import CheckpointReport, TensorTotals


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
        findings=tuple(
            Finding(code=code, severity=Severity.ERROR, subject="file", message=f"what {code} says")
            for code in codes
        ),
    )
