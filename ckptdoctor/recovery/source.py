"""The checkpoint that a copy is made from: examined, and refused where nobody may go on from it."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.manifest import RestoredFrom, restored_from
from ckptdoctor.recovery.next_step import clean_name, makes_folder
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules.rescue import rescue_command
from ckptdoctor.weightless import instead_of_weights, lists_weights

__all__ = [
    "copied_from",
    "corrupt",
    "damaged_tensors",
    "examined",
    "meant_tensors",
]


def examined(source: Path | CheckpointFiles, jobs: int | None) -> CheckpointReport:
    """What is known of a source.

    Raises:
        RestoreError: it cannot be read, holds no weights, runs code, or is damaged as a whole.
    """
    (report,) = examine([source], Examination(jobs=jobs, keep_details=True)).checkpoints
    path = report.path
    if report.checkpoint is None:
        reason = report.findings[0].message if report.findings else "it cannot be read"
        raise RestoreError(f"{path}: {reason}")
    if any(finding.code in ("CD106", "CD107") for finding in report.findings):
        raise RestoreError(
            f"{path} runs code when it is loaded, or was built to exhaust its reader: it is not "
            "copied under a name that looks clean"
        )
    if not lists_weights(report.checkpoint.tensors):
        what = instead_of_weights(report.checkpoint.tensors)
        raise RestoreError(
            f"{path} holds no model weights: {what}. Restore from the file that holds the model"
        )
    for finding in report.findings:
        if finding.code == "CD103" and finding.evidence.get("tensors") == []:
            raise RestoreError(f"{path} is damaged where no tensor lies: {finding.message}")
    return report


def corrupt(report: CheckpointReport, destination: Path) -> RestoreError:
    """That the weights are broken, and the command that rescues them where there is one."""
    worst = report.findings[0]
    usual = clean_name(report.path, several=makes_folder(report.files)) == destination
    command = rescue_command(report.path, report.findings, *(() if usual else ("-o", destination)))
    return RestoreError(
        f"{report.path} is corrupt: {worst.code} {worst.subject}: {worst.message}",
        *((f"What is sound in it can be restored:  {command}",) if command else ()),
    )


def damaged_tensors(report: CheckpointReport, checkpoint: Checkpoint) -> frozenset[str]:
    """The tensors on records whose bytes are not what torch wrote."""
    names: set[object] = set()
    for finding in report.findings:
        if finding.code in ("CD103", "CD104") and finding.severity > Severity.INFO:
            names |= {finding.subject, finding.evidence.get("record")}
    return frozenset(
        tensor.fqn
        for tensor in checkpoint.tensors
        if tensor.fqn in names or (tensor.storage is not None and tensor.storage.key in names)
    )


def meant_tensors(report: CheckpointReport) -> frozenset[str]:
    """The tensors that are infinite by design: masks and bounds."""
    return frozenset(one.subject for one in report.findings if one.code == "CD203")


def copied_from(report: CheckpointReport) -> RestoredFrom | None:
    """What the manifest beside a source says, as long as the source is still what was restored."""
    changed = any(finding.code == "CD110" for finding in report.findings)
    return None if changed else restored_from(report.path)
