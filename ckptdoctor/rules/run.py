"""CD4xx: the run that a checkpoint stands in, and its metrics, as far as the files tell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.layouts.files import PartRole
from ckptdoctor.metadata import (
    Metric,
    MetricKind,
    Source,
    count_text,
    says_epoch,
    step_from_name,
    step_in,
)
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules.base import Case, Rule
from ckptdoctor.runs.run import Run

__all__ = [
    "DuplicateContent",
    "JumpInWeights",
    "NameMismatch",
    "NoRecentBackup",
    "UntrustedBest",
]


class UntrustedBest(Rule):
    """Stored best not to be trusted.

    A best score that is NaN, infinite or 0.0 after an epoch or more was never really compared: NaN
    is never greater than anything, so that a best model is no longer saved, or always. As a note:
    a later checkpoint holds a real one, so that the script had only not validated yet; it is 0.0 in
    the first five epochs, when a net may score nothing; or the best has not changed for three
    epochs or more. Then it is not this file's own score, and it would look the same after a
    collapse.

    What to do: judge the checkpoint by the log's value for its epoch, and set the stored best by
    hand when you resume.
    """

    code = "CD405"
    severity = Severity.WARNING
    label = "stored best"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding for each stored best, at most."""
        for metric in case.metadata.metrics:
            if metric.kind is MetricKind.RUNNING_BEST:
                yield from self._judge(case, metric)

    def _judge(self, case: Case, metric: Metric) -> Iterator[Finding]:
        epoch, value = case.metadata.epoch, metric.value
        started, at = epoch is not None and epoch > 0, count_text(epoch or 0)
        if math.isnan(value):
            yield self.finding(metric.name, f"the stored {metric.name} is NaN", value=value)
        elif started and (math.isinf(value) or value == 0.0):
            note = any(_is_set(best, metric) for best in _later_bests(case)) or (
                value == 0.0 and epoch is not None and epoch < _YOUNG_EPOCHS
            )
            yield self.finding(
                metric.name,
                f"the stored {metric.name} is {value:g} at epoch {at}",
                severity=Severity.INFO if note else None,
                value=value,
                epoch=epoch,
            )
        elif started and metric.mode is not None and (since := self._since(case, metric)):
            yield self.finding(
                metric.name,
                f"{metric.name} {value:.4g} is that of epoch {count_text(since)}; this file of "
                f"epoch {at} scored no more",
                severity=Severity.INFO,
                value=value,
                epoch=epoch,
                since=since,
            )

    @staticmethod
    def _since(case: Case, metric: Metric) -> int | float | None:
        """The first epoch that held this best, if that is three epochs ago or more."""
        first, epoch = None, case.metadata.epoch or 0
        for member in case.run.earlier(case.checkpoint.path):
            same = any(
                other.name == metric.name and other.value == metric.value
                for other in member.metadata.metrics
            )
            if not same:
                break
            first = member.metadata.epoch
        return first if first is not None and epoch - first >= _STALE_EPOCHS else None


_STALE_EPOCHS = 3
_YOUNG_EPOCHS = 5


def _later_bests(case: Case) -> Iterator[Metric]:
    """The running bests in later checkpoints of the run."""
    for member in case.run.later(case.checkpoint.path):
        yield from (one for one in member.metadata.metrics if one.kind is MetricKind.RUNNING_BEST)


def _is_set(later: Metric, best: Metric) -> bool:
    """Whether a later best is the same metric and was really compared."""
    return later.name == best.name and math.isfinite(later.value) and later.value != 0.0


class NameMismatch(Rule):
    """File name and contents disagree.

    The name says another epoch or step than the file holds. One more or less is usual, since some
    scripts count from 0 and some from 1. More than that is a file that was renamed, overwritten by
    a later run, or saved by a script that counts afresh after a restart. So does a file among
    several of one checkpoint that says another step than the rest. A note where the name holds a
    bare number, which may count something else.

    What to do: trust the contents; compare with the log before you resume.
    """

    code = "CD406"
    severity = Severity.WARNING
    label = "name disagrees"

    def check(self, case: Case) -> Iterator[Finding]:
        """At most one finding."""
        data, path = case.metadata, case.checkpoint.path
        held = data.epoch if data.epoch_source is Source.CONTENTS else None
        if _differ(data.name_epoch, held) and not self._is_step(case):
            # A bare number may count anything: epochs, steps, or the size of the images.
            severity = None if says_epoch(path) else Severity.INFO
            yield self._say(case, "epoch", data.name_epoch, held, severity)
        elif _differ(named_step := step_from_name(path), data.global_step):
            yield self._say(case, "step", named_step, data.global_step)
        for one in case.parts:
            step = step_in(one.values) if one.part.role in _TELL_STEPS else None
            if _differ(step, data.global_step):
                yield self.finding(
                    one.part.name,
                    f"it is of step {step}, the checkpoint of step {data.global_step}",
                    part=one.part.name,
                    contents=step,
                    checkpoint=data.global_step,
                    what="step",
                )

    @staticmethod
    def _is_step(case: Case) -> bool:
        """Whether the number in the name counts steps, as a ``checkpoint_500.pt`` may."""
        data, path = case.metadata, case.checkpoint.path
        if data.name_epoch is None or data.name_epoch == data.global_step:
            return True
        counters = (value for key, value in case.checkpoint.scalars.items() if "." not in key)
        return not says_epoch(path) and any(
            type(value) is int and abs(value - data.name_epoch) <= 1 for value in counters
        )

    def _say(
        self,
        case: Case,
        what: str,
        named: float | None,
        held: float | None,
        severity: Severity | None = None,
    ) -> Finding:
        part = _which(case, held)
        return self.finding(
            part or "file",
            f"the name says {what} {named}, the contents say {what} {held}",
            severity=severity,
            name=named,
            contents=held,
            what=what,
            **({"part": part} if part else {}),
        )


def _which(case: Case, held: float | None) -> str:
    """The file among several that says so; of texts that which tells most."""
    if case.files is not None and held in case.files.scalars.values():
        states = [one for one in case.parts if one.part.role is PartRole.STATE]
        texts = [one for one in states if not (one.format or "").startswith("torch")]
        return max(texts, key=lambda one: one.nbytes).part.name if texts else ""
    return next((one.part.name for one in case.parts if step_in(one.values) == held), "")


_TELL_STEPS = (PartRole.MODEL, PartRole.OPTIMIZER, PartRole.STATE)
"""Roles of files whose counter is that of the training; others count what they do themselves."""


def _differ(named: float | None, held: float | None) -> bool:
    """Whether both are known and more than one apart."""
    return named is not None and held is not None and abs(named - held) > 1


class DuplicateContent(Rule):
    """Same content twice.

    Another file of the run holds the very same weights. Usually a copy, such as ``best_model.pth``
    of the best epoch: two files, one backup. Where the two say that they are of different epochs,
    training stood still between them, or one was copied over the other; that is a warning about
    the run. Certain where the files hold checksums; else judged by the extremes and a sample of
    every tensor.

    What to do: do not count it as a second backup. If epochs passed without a change, look at the
    learning rate, at skipped steps, and at what is frozen.
    """

    code = "CD407"
    severity = Severity.INFO
    label = "same weights"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding for the later ones of a group."""
        path, epoch = case.checkpoint.path, case.metadata.epoch
        twins = case.run.same_weights(path)
        if len(twins) < 2 or twins[0].path == path or not twins[0].is_finite:
            return
        first = twins[0]
        other = first.metadata.epoch
        differ = None not in (epoch, other) and epoch != other
        yield self.finding(
            "weights",
            f"the same weights as {_told_apart(first.path, path)}"
            + (f", which is of epoch {other}, not {epoch}" if differ else ""),
            path=str(first.path),
            epoch=other,
            epochs_differ=differ,
            method="checksums" if first.exact else "extremes and samples",
        )

    def check_run(self, run: Run, rows: Sequence[CheckpointReport]) -> Iterator[Finding]:  # noqa: ARG002
        """One finding where weights stayed the same while epochs passed."""
        still = [
            (report, finding)
            for report in rows
            for finding in report.findings
            if finding.code == self.code and finding.evidence["epochs_differ"]
        ]
        if still:
            report, finding = still[0]
            more = f", and {len(still) - 1} more like it" if len(still) > 1 else ""
            yield self.finding(
                "run",
                f"{report.path.name} of epoch {report.metadata.epoch} has the weights of epoch "
                f"{finding.evidence['epoch']}{more}",
                severity=Severity.WARNING,
                checkpoints=[str(report.path) for report, _ in still],
            )


class NoRecentBackup(Rule):
    """No recent healthy backup.

    The newest healthy checkpoint lies more than five epochs behind the newest checkpoint, or there
    is none at all. What was trained since is lost. A file from behind a collapse of the metric is
    no backup, however finite its weights are.

    What to do: save every five epochs, keep the last good one whatever happens, and check what is
    saved while training runs.
    """

    code = "CD408"
    severity = Severity.WARNING
    label = "no recent backup"

    def check_run(self, run: Run, rows: Sequence[CheckpointReport]) -> Iterator[Finding]:
        """At most one finding, for runs of two checkpoints and more."""
        read = [row for row in rows if row.tensors.count]
        healthy = [
            row
            for row in read
            if row.verdict is Verdict.HEALTHY and not run.has_collapsed_at(row.path)
        ]
        if len(read) < 2 or len(healthy) == len(read):
            return
        if not healthy:
            yield self.finding(
                "run", f"none of {len(read)} checkpoints is healthy", checkpoints=len(read)
            )
            return
        newest, backup = _newest(read), _newest(healthy)
        if newest is not None and backup is not None and newest - backup > _EVERY_EPOCHS:
            yield self.finding(
                "run",
                f"the newest healthy checkpoint, epoch {backup}, lies {newest - backup} epochs "
                "behind the newest of all",
                healthy_epoch=backup,
                newest_epoch=newest,
            )


_EVERY_EPOCHS = 5


def _newest(reports: Sequence[CheckpointReport]) -> int | float | None:
    """The last epoch."""
    epochs = [report.metadata.epoch for report in reports if report.metadata.epoch is not None]
    return max(epochs, default=None)


def _told_apart(path: Path, own: Path) -> str:
    """The name of another file; with its folder, where both are called the same."""
    return path.name if path.name != own.name else f"{path.parent.name}/{path.name}"


class JumpInWeights(Rule):
    """Jump in weights between neighbours.

    The weights moved many times farther than they did from one checkpoint to the next before, and
    by no less than half of their norm: what a diverged step leaves behind even where every number
    is finite. Those that follow stay marked until the weights are back. Estimated from a sample of
    every tensor; silent where the stored score went up, and where there is no earlier checkpoint to
    compare with.

    What to do: go on from the checkpoint before the jump, with a smaller learning rate, unless you
    changed the weights yourself.
    """

    code = "CD410"
    severity = Severity.WARNING
    label = "jump in weights"

    def check(self, case: Case) -> Iterator[Finding]:
        """At most one finding."""
        jump = case.run.jumps.get(case.checkpoint.path)
        if jump is None:
            return
        apart, since = jump.distance, jump.since
        usual = f"; an epoch moved them by {jump.usual:.2g} before" if jump.usual else ""
        moved = "moved" if jump.first else "are still away"
        yield self.finding(
            apart.farthest,
            f"the weights {moved} by {apart.relative:.3g} of their norm from "
            f"{_told_apart(since.path, case.checkpoint.path)}{usual}; {apart.farthest} most",
            relative=apart.relative,
            growth=apart.growth,
            usual=jump.usual,
            since=str(since.path),
            farthest_relative=apart.farthest_relative,
        )
