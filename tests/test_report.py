"""Sums over tensors, files and findings."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.checkpoint import StorageRef
from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.report import CheckpointReport, Report, TensorTotals
from tests.cases import checkpoint, finding, measured, record


def test_a_storage_counts_once_and_a_lost_one_not_at_all() -> None:
    shared = StorageRef(key="data/0", offset=64, nbytes=400)
    tensors = [
        record("a", (100,), storage=shared),
        record("b", (10,), storage=shared),
        record("c", (5,)),
        record("lost", (1000,), storage=StorageRef(key="data/9", offset=9, nbytes=4000), lost=True),
    ]
    object.__setattr__(meta := record("meta"), "storage", None)
    totals = TensorTotals.of(checkpoint([*tensors, meta]), [])
    assert (totals.count, totals.scanned, totals.nbytes) == (5, 0, 420)


def test_bad_elements_are_summed_over_the_tensors_that_were_scanned() -> None:
    found = [measured("a", nan=2, posinf=1), measured("b", neginf=4), measured("c")]
    totals = TensorTotals.of(checkpoint(t for t, _ in found), (stats for _, stats in found))
    assert (totals.count, totals.scanned, totals.nan, totals.inf) == (3, 3, 2, 5)


def test_the_worst_finding_of_run_and_files_counts() -> None:
    info, warning = finding("CD105", Severity.INFO), finding("CD109", Severity.WARNING)
    error = finding("CD201", Severity.ERROR)
    one = CheckpointReport(path=Path("a"), verdict=Verdict.SUSPECT, findings=(warning, info))
    two = CheckpointReport(path=Path("b"), verdict=Verdict.HEALTHY)
    assert Report(checkpoints=(one, two)).worst() is Severity.WARNING
    assert Report(checkpoints=(one, two), findings=(error,)).worst() is Severity.ERROR
    assert Report(checkpoints=(two,)).worst() is None
    all_of_them = Report(checkpoints=(one, two), findings=(error,)).all_findings()
    assert list(all_of_them) == [error, warning, info]


def test_verdicts_are_counted() -> None:
    files = [
        CheckpointReport(path=Path(name), verdict=verdict)
        for name, verdict in (
            ("a", Verdict.CORRUPT),
            ("b", Verdict.HEALTHY),
            ("c", Verdict.CORRUPT),
        )
    ]
    report = Report(checkpoints=tuple(files))
    assert [report.count(verdict) for verdict in Verdict] == [1, 0, 0, 2, 0]


def test_severities_are_ordered_and_named() -> None:
    assert Severity.INFO < Severity.WARNING < Severity.ERROR
    assert [severity.label for severity in Severity] == ["info", "warning", "error"]
