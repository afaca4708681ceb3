"""CD40x: what logs and scores say of a run over its epochs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from ckptdoctor.finding import Finding, Severity
from ckptdoctor.histories import Alarm, AlarmKind, Clock, History, Position
from ckptdoctor.metadata import Mode
from ckptdoctor.report import CheckpointReport
from ckptdoctor.rules.base import Case, Rule
from ckptdoctor.runs.run import Run

__all__ = [
    "LevelShift",
    "LossExplosion",
    "MetricCollapse",
    "MetricDeclining",
    "NonFiniteInLog",
    "Stalled",
]


class MetricDeclining(Rule):
    """Metric declining for three epochs or more.

    After its best the metric got worse, epoch after epoch: the earliest sign of a gradient that
    is too large, epochs before the collapse. Three in a row happen by chance as well, so where
    enough epochs are known the fall has to be more than their usual noise, and more than what the
    metric came back from earlier in this run. A slow decline hidden in noise is found later, once
    several epochs together lie below the level before them. A schedule that starts again is none,
    as far as the log tells the rate: up to one at which the run had done well before, the metric
    may get worse until the rate has come down again. Nothing is said once the metric is back
    within its noise, or has made up for nine tenths of what it lost.

    What to do: stop the run, go on from the epoch before the decline with the learning rate times
    0.8 and five epochs of warm-up: ``ckptdoctor plan``.
    """

    code = "CD401"
    severity = Severity.WARNING
    label = "metric declining"

    def check_history(self, history: History) -> Iterator[Finding]:
        """At most one finding, on the decline that the run has not come back from."""
        span, best = history.decline, history.best
        if span is None or best is None:
            return
        lowest, clock = history.value_at(span.last), history.clock
        yield self.finding(
            "run",
            f"{history.metric} declined from {best.value:.4g} at {clock.say(best.at)} to "
            f"{lowest:.4g} at {clock.say(span.last)}",
            first_epoch=history.epoch_at(span.first),
            last_epoch=history.epoch_at(span.last),
            **_steps(history, first_step=span.first, last_step=span.last, best_step=best.at),
            best=best.value,
            best_epoch=best.epoch,
            value=lowest,
        )


class MetricCollapse(Rule):
    """Metric collapsed.

    From one epoch to the next the metric lost half of its best or more (one to minimise: rose to
    ten times it, stayed at more than twice it, or was for two values in a row back where it began,
    or half as high again as ever), or became NaN, and has not come back since: neither to within
    its noise, nor by nine tenths of what it lost. In the first five epochs of a run, when scores
    are guesses still, three quarters have to be lost, unless the loss of the training says the
    same: where both are worse than in the first epoch, and the loss has lost twice what it had
    gained, or beside a score a fifth of it, the net is worse than untrained. The other way round, a
    score that never rose and falls to nothing while that loss goes on falling was guessed, and is
    no best to fall from. A metric below zero has no half: there half of what the run had gained
    since its first values has to be lost, and more than its noise explains.
    The weights may well be finite: a checkpoint from behind the collapse is worthless all the same.

    What to do: go on from the best checkpoint before it, with half of the learning rate and five
    epochs of warm-up unless you know the cause: ``ckptdoctor plan``.
    """

    code = "CD402"
    severity = Severity.ERROR
    label = "metric collapsed"

    def check_history(self, history: History) -> Iterator[Finding]:
        """At most one finding."""
        at, clock = history.collapse, history.clock
        if at is None:
            return
        value, best = history.value_at(at), history.best
        before = "" if best is None else f" from {best.value:.4g} at {clock.say(best.at)}"
        yield self.finding(
            "run",
            f"{history.metric} collapsed{before} to {_figure(value)} at {clock.say(at)}",
            epoch=history.epoch_at(at),
            **_steps(history, step=at),
            value=value,
            best=None if best is None else best.value,
            best_epoch=None if best is None else best.epoch,
        )


def _figure(value: float | None) -> str:
    return "NaN" if value is None or math.isnan(value) else f"{value:.4g}"


class LevelShift(Rule):
    """Metric fell to another level.

    From one epoch to the next the metric fell far outside of its noise, less than in a collapse,
    and stays there: the second epoch at the new level is enough. One bad epoch is none, nor is a
    fall that the metric has made up for by half since. A schedule that starts again, unfrozen
    layers, or other data for a while cost as much at first; once a run came back from such a dip,
    only a deeper one counts, or one that lasts longer. A fall while the learning rate rises, as far
    as the log tells it, counts once the rate has come down again. Where no score of an epoch is
    known, the files tell: a best that stands still far longer than it ever did while it was still
    rising fast, or a ``running_var`` that is suddenly many times what it was.

    What to do: look at what changed at that epoch: the data, the augmentation, the loss, a resume
    (CD411). Go on from the checkpoint before it; if nothing was changed, with the learning rate
    times 0.8: ``ckptdoctor plan``.
    """

    code = "CD412"
    severity = Severity.WARNING
    label = "metric fell"

    def check_history(self, history: History) -> Iterator[Finding]:
        """At most one finding, on the last fall that the run has not come back from."""
        shift = history.shift
        if shift is None:
            return
        verb = "rose" if history.mode is Mode.MIN else "fell"
        yield self.finding(
            "run",
            f"{history.metric} {verb} from {shift.before:.4g} to {shift.after:.4g} at "
            f"{history.clock.say(shift.at)}, and has stayed there",
            epoch=history.epoch_at(shift.at),
            **_steps(history, step=shift.at),
            before=shift.before,
            after=shift.after,
        )

    def check_run(self, run: Run, rows: Sequence[CheckpointReport]) -> Iterator[Finding]:  # noqa: ARG002
        """At most one finding, on a best that the files carry along and that froze."""
        frozen, history = run.frozen_best, run.history
        if frozen is None:
            return
        yield self.finding(
            "run",
            f"{history.metric} {frozen.value:.4g} was reached at {history.clock.say(frozen.since)} "
            f"and has not risen up to {history.clock.say(frozen.last)}; before that it rose at "
            f"least every {frozen.longest:g}",
            epoch=history.epoch_at(frozen.since),
            **_steps(history, step=frozen.since),
            best=frozen.value,
            newest=frozen.last,
        )

    def check(self, case: Case) -> Iterator[Finding]:
        """At most one finding, on a buffer that jumped and is not back."""
        jumped = case.run.jumped_buffers.get(case.checkpoint.path)
        if jumped is None or case.run.history.points:
            return
        yield self.finding(
            jumped.name,
            f"its largest value went from {jumped.before:.4g} to {jumped.after:.4g}, where no step "
            f"from one checkpoint to the next was more than {jumped.usual:.3g} times before",
            before=jumped.before,
            after=jumped.after,
            usual=jumped.usual,
        )


class LossExplosion(Rule):
    """Loss exploded.

    The loss is ten times what it was in the epochs before, and far outside of their noise; one
    below zero lost more than all that it had gained. A warning where it came back within the run:
    one batch may have been bad, and the weights took the step all the same. A loss of the training
    that rises to less than thirty times while the metric and the losses on held-out data are as
    good as before may have got another term: the next value tells.

    What to do: go on from the last good checkpoint with half of the learning rate and five epochs
    of warm-up; clip the gradients: ``ckptdoctor plan``.
    """

    code = "CD403"
    severity = Severity.ERROR
    label = "loss exploded"

    def check_history(self, history: History) -> Iterator[Finding]:
        """One finding for each loss, on its last explosion."""
        last = {alarm.name: alarm for alarm in history.alarms if alarm.kind is AlarmKind.EXPLOSION}
        for alarm in last.values():
            yield self.finding(
                "run",
                alarm.message + ("" if alarm.lasting else ", and came back"),
                severity=self.severity if alarm.lasting else Severity.WARNING,
                epoch=history.epoch_at(alarm.at),
                **_steps(history, step=alarm.at),
                value=alarm.value,
                before=alarm.before,
            )


class NonFiniteInLog(Rule):
    """Non-finite loss or metric in a log.

    The log itself says NaN or Inf: of a loss, of a gradient norm, or of the metric. One that is NaN
    in the first epochs and then a number, or NaN throughout beside a sound loss, is one that is not
    computed there. A loss of exactly 0 beside a gradient norm that is NaN is the same thing: the
    Hugging Face Trainer leaves NaN out of the loss it logs. From here on the weights are NaN unless
    the step was skipped, and operations on NaN may hang. A warning where the values came back.

    What to do: stop the run at once, it will not recover by itself; look for the last checkpoint
    before this epoch with ``ckptdoctor scan``, and check the loss before each step.
    """

    code = "CD404"
    severity = Severity.ERROR
    label = "NaN in log"

    def check_history(self, history: History) -> Iterator[Finding]:
        """At most one finding, with all the names; the worst of them decides."""
        alarms = [alarm for alarm in history.alarms if alarm.kind is AlarmKind.NON_FINITE]
        lasting = [alarm for alarm in alarms if alarm.lasting]
        shown: list[Alarm] = lasting or alarms
        if not shown:
            return
        first = min(alarm.at for alarm in shown)
        names = list(dict.fromkeys(alarm.name for alarm in shown))
        values = {"NaN" if math.isnan(alarm.value) else f"{alarm.value:.4g}" for alarm in shown}
        what = "not finite" if len(values) > 1 else values.pop()
        verb = "is" if len(names) == 1 else "are"
        several = ", ".join(names[:3]) + f" and {len(names) - 3} more"
        who = several if len(names) > 3 else " and ".join(names)
        until = f"{'from' if lasting else 'at'} {history.clock.say(first)}"
        end = "on" if lasting else "and came back"
        yield self.finding(
            "run",
            f"{who} {verb} {what} {until}" + (f" {end}" if lasting else f", {end}"),
            severity=self.severity if lasting else Severity.WARNING,
            epoch=history.epoch_at(first),
            **_steps(history, step=first),
            names=names,
        )


class Stalled(Rule):
    """Training stalled.

    Nothing new for much longer than usual: no line in the log, no checkpoint (``ckptdoctor watch``
    learns what is usual from the run itself). Or every value of the log stands still to the last
    digit for six epochs, or for more where the log prints so few digits that its values may well
    come again; where they hide how the values usually move, nothing is said. With NaN in the log it
    is mostly the NaN: batch normalisation, a loss with a logarithm, a loop that waits for a
    tolerance, with one core or the GPU at 100 % and no progress. Otherwise look at the data loader,
    at the disk, and at a rank that waits for another.

    What to do: interrupt it, do not wait it out; free the GPU (``ckptdoctor gpu``), and go on from
    the last good checkpoint with a smaller learning rate. ``ckptdoctor watch --pid PID`` shows
    whether the process computes or sleeps, and where.
    """

    code = "CD409"
    severity = Severity.WARNING
    label = "stalled"

    def check_history(self, history: History) -> Iterator[Finding]:
        """One finding where values stand still and still do."""
        for alarm in history.alarms:
            if alarm.kind is AlarmKind.FROZEN and alarm.lasting:
                yield self.finding(
                    "run",
                    alarm.message,
                    epoch=history.epoch_at(alarm.at),
                    **_steps(history, step=alarm.at),
                    since=alarm.since,
                    value=alarm.value,
                )


def _steps(history: History, **places: Position) -> dict[str, Any]:
    """The steps of positions as evidence, where the run is counted in steps."""
    if history.clock is not Clock.STEP:
        return {}
    return {name: history.step_at(at) for name, at in places.items()}
