"""What an examination returns: one report a checkpoint, and one for the whole run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, TensorStats
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.history import History
from ckptdoctor.metadata import Metadata

__all__ = ["CheckpointReport", "Crash", "LastGood", "Place", "Report", "TensorTotals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorTotals:
    """Sums over the tensors of a checkpoint.

    Attributes:
        count: tensors that the file lists.
        scanned: tensors whose elements were all looked at.
        nbytes: size of the storages that hold them, each counted once.
        nan: elements that are NaN, in all of them.
        inf: elements that are infinite, in all of them.
    """

    count: int = 0
    scanned: int = 0
    nbytes: int = 0
    nan: int = 0
    inf: int = 0

    @classmethod
    def of(cls, checkpoint: Checkpoint, stats: Iterable[TensorStats]) -> TensorTotals:
        """The sums for a checkpoint."""
        found = list(stats)
        storages = {
            (tensor.storage.key, tensor.storage.offset): tensor.storage.nbytes
            for tensor in checkpoint.tensors
            if tensor.storage is not None and not tensor.lost
        }
        return cls(
            count=len(checkpoint.tensors),
            scanned=len(found),
            nbytes=sum(storages.values()),
            nan=sum(stats.nan for stats in found),
            inf=sum(stats.inf for stats in found),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointReport:
    """What is known of one file.

    Attributes:
        path: the file, as the user named it.
        format: None where nothing could be read.
        nbytes: size of the file.
        verdict: what it is good for.
        metadata: where it stands in its run.
        tensors: sums over its tensors.
        findings: worst first.
        checkpoint: what the reader returned; None where nothing could be read, or if not kept.
        stats: by fqn; empty if not kept.
    """

    path: Path
    format: str | None = None
    nbytes: int = 0
    verdict: Verdict
    metadata: Metadata = field(default_factory=Metadata)
    tensors: TensorTotals = field(default_factory=TensorTotals)
    findings: tuple[Finding, ...] = field(default=(), repr=False)
    checkpoint: Checkpoint | None = field(default=None, repr=False)
    stats: Mapping[str, TensorStats] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One place of the ranking.

    Attributes:
        rank: 1 for the best.
        report: the checkpoint.
        usable: whether to go on from it is advisable at all.
        reason: why it stands here.
        caution: what the run says against its score, such as a decline; "" where nothing does.
    """

    rank: int
    report: CheckpointReport = field(repr=False)
    usable: bool
    reason: str
    caution: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastGood:
    """The checkpoint to go on from."""

    path: Path
    epoch: int | float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """A rule of ours that failed; the other rules still ran."""

    rule: str
    path: Path
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is known of a run.

    Attributes:
        checkpoints: in the order of the run.
        last_good: the checkpoint to go on from; None where none is sound.
        ranking: every checkpoint from best to worst, with the reason.
        findings: about the run as a whole.
        crashes: our own bugs.
        histories: the metric over the epochs, one for each folder of checkpoints.
    """

    checkpoints: tuple[CheckpointReport, ...] = ()
    last_good: LastGood | None = None
    ranking: tuple[Place, ...] = ()
    findings: tuple[Finding, ...] = ()
    crashes: tuple[Crash, ...] = ()
    histories: tuple[History, ...] = field(default=(), repr=False)

    def worst(self) -> Severity | None:
        """The highest severity of any finding."""
        severities = [finding.severity for finding in self.all_findings()]
        return max(severities, default=None)

    def all_findings(self) -> Iterable[Finding]:
        """Those of the run, then those of each checkpoint."""
        yield from self.findings
        for checkpoint in self.checkpoints:
            yield from checkpoint.findings

    def count(self, verdict: Verdict) -> int:
        """How many checkpoints have this verdict."""
        return sum(checkpoint.verdict is verdict for checkpoint in self.checkpoints)
