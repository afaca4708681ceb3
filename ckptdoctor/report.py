"""What an examination returns: one report a checkpoint, and one for the whole run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from operator import attrgetter
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, TensorStats
from ckptdoctor.finding import Finding, SetAside, Severity, Verdict
from ckptdoctor.histories import History
from ckptdoctor.layouts.files import CheckpointFiles, Part
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.metadata import Metadata, Mode
from ckptdoctor.runs.run import LogAside, Run

__all__ = [
    "CheckpointReport",
    "Crash",
    "LastGood",
    "PartReport",
    "Place",
    "Report",
    "RunReport",
    "TensorTotals",
    "findings_of",
]


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
            nan=sum(map(attrgetter("nan"), found)),
            inf=sum(map(attrgetter("posinf"), found)) + sum(map(attrgetter("neginf"), found)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReport:
    """What is known of one file of a checkpoint that consists of several.

    Attributes:
        part: the file, and what it is in the checkpoint.
        format: None where nothing could be read.
        nbytes: size of the file.
        verdict: what it is good for.
        checkpoint: what the reader returned, with the names that the checkpoint gives its tensors;
            None where nothing could be read, or if not kept.
        stats: by the names that the checkpoint gives its tensors; empty if not kept.
    """

    part: Part
    format: str | None = None
    nbytes: int = 0
    verdict: Verdict
    checkpoint: Checkpoint | None = field(default=None, repr=False)
    stats: Mapping[str, TensorStats] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointReport:
    """What is known of one checkpoint.

    Attributes:
        path: the file or the folder, as the user named it.
        format: None where nothing could be read.
        nbytes: size of the file.
        verdict: what it is good for.
        metadata: where it stands in its run.
        tensors: sums over its tensors.
        has_weights: whether the weights of a model are in it, sound or not.
        findings: worst first.
        set_aside: findings that the user wants neither shown nor counted.
        run: the name of the run that it belongs to; None for a file that lies beside.
        restored: what it was made from by ``ckptdoctor restore``; None for a file that was not.
        checkpoint: what the reader returned; None where nothing could be read, or if not kept.
        stats: by fqn; empty if not kept.
        files: those that form it; None for a single file.
        parts: what is known of each of them; () for a single file.
        headers_only: whether no tensor was looked at, so that nothing being wrong means little.
    """

    path: Path
    format: str | None = None
    nbytes: int = 0
    verdict: Verdict
    metadata: Metadata = field(default_factory=Metadata)
    tensors: TensorTotals = field(default_factory=TensorTotals)
    has_weights: bool = False
    findings: tuple[Finding, ...] = field(default=(), repr=False)
    set_aside: tuple[SetAside, ...] = field(default=(), repr=False)
    run: str | None = None
    restored: RestoredFrom | None = None
    checkpoint: Checkpoint | None = field(default=None, repr=False)
    stats: Mapping[str, TensorStats] = field(default_factory=dict, repr=False)
    files: CheckpointFiles | None = field(default=None, repr=False)
    parts: tuple[PartReport, ...] = field(default=(), repr=False)
    headers_only: bool = False

    @property
    def told_verdict(self) -> Verdict | None:
        """The verdict; None where nothing is wrong with headers, and no tensor was looked at."""
        return None if self.headers_only and self.verdict is Verdict.HEALTHY else self.verdict


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
class RunReport:
    """What is known of one run.

    Attributes:
        run: its members, its metric, its history.
        checkpoints: its files, in the order of the run.
        ranking: its checkpoints from best to worst, with the reason.
        last_good: the checkpoint to go on from; None where none is sound.
        findings: about the run as a whole, worst first.
        set_aside: findings about it that the user wants neither shown nor counted.
        next: the command to go on with; "" where all is well.
    """

    run: Run = field(repr=False)
    checkpoints: tuple[CheckpointReport, ...] = ()
    ranking: tuple[Place, ...] = field(default=(), repr=False)
    last_good: LastGood | None = None
    findings: tuple[Finding, ...] = ()
    set_aside: tuple[SetAside, ...] = field(default=(), repr=False)
    next: str = ""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.run.name

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.run.folder

    @property
    def history(self) -> History:
        """Its metric over its time."""
        return self.run.history

    @property
    def metric(self) -> str:
        """The metric that it is judged by; "" where none is known."""
        return self.run.choice.name

    @property
    def mode(self) -> Mode | None:
        """Which direction of the metric is better."""
        return self.run.choice.mode

    @property
    def logs(self) -> tuple[Path, ...]:
        """The logs that were believed."""
        return self.run.history.logs

    @property
    def aside(self) -> tuple[LogAside, ...]:
        """The logs that were not."""
        return self.run.aside


def findings_of(runs: Sequence[RunReport], *, several: bool | None = None) -> tuple[Finding, ...]:
    """What is said of the runs, worst first; of which one, where there are several.

    Args:
        runs: with what is said of each.
        several: whether there are others beside; None where these are all.
    """
    several = len(runs) > 1 if several is None else several
    found = [
        replace(finding, subject=run.name) if several else finding
        for run in runs
        for finding in run.findings
    ]
    return tuple(sorted(found, key=lambda finding: -finding.severity))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is known of the files that were examined.

    Attributes:
        checkpoints: run by run in the order of the run, then those that lie beside.
        runs: the runs that they belong to.
        last_good: the checkpoint to go on from; None where none is sound, and where there are
            several runs: a score of one says nothing about another.
        ranking: the checkpoints of each run from best to worst, then those that lie beside.
        findings: about the runs as a whole.
        notes: what was not understood, or not believed, a sentence each.
        crashes: our own bugs.
        settings: the file that the user's settings were read from; "" where there is none.
        is_part: whether other runs were examined with these, of which other reports tell.
    """

    checkpoints: tuple[CheckpointReport, ...] = ()
    runs: tuple[RunReport, ...] = field(default=(), repr=False)
    last_good: LastGood | None = None
    ranking: tuple[Place, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    crashes: tuple[Crash, ...] = ()
    settings: str = ""
    is_part: bool = False

    @property
    def has_several(self) -> bool:
        """Whether there are several runs, so that each is told by its name."""
        return self.is_part or len(self.runs) > 1

    @property
    def set_aside(self) -> tuple[SetAside, ...]:
        """The findings that the user wants neither shown nor counted: of runs, then of files."""
        of_runs = (one for run in self.runs for one in run.set_aside)
        return (*of_runs, *(one for row in self.checkpoints for one in row.set_aside))

    @property
    def histories(self) -> tuple[History, ...]:
        """The metric of each run over its time."""
        return tuple(run.history for run in self.runs)

    @property
    def strays(self) -> tuple[CheckpointReport, ...]:
        """The files that belong to no run."""
        return tuple(row for row in self.checkpoints if row.run is None)

    @property
    def next(self) -> str:
        """The command to go on with; "" where all is well, and where each run has its own."""
        return self.runs[0].next if self.runs and not self.has_several else ""

    def worst(self) -> Severity | None:
        """The highest severity of any finding."""
        severities = [finding.severity for finding in self.all_findings()]
        return max(severities, default=None)

    def all_findings(self) -> Iterable[Finding]:
        """Those of the runs, then those of each checkpoint."""
        yield from self.findings
        for checkpoint in self.checkpoints:
            yield from checkpoint.findings

    def count(self, verdict: Verdict) -> int:
        """How many checkpoints have this verdict."""
        return sum(checkpoint.verdict is verdict for checkpoint in self.checkpoints)
