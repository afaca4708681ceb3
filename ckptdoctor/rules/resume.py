"""CD411: what a resume changed without a word."""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.finding import Finding, Severity
from ckptdoctor.histories import AlarmKind, History, Position
from ckptdoctor.metadata import MetricKind, Mode
from ckptdoctor.rules.base import Case, Rule
from ckptdoctor.runs.clock import standing
from ckptdoctor.runs.optimizer_facts import ChangeKind
from ckptdoctor.runs.trend.named import rates_of
from ckptdoctor.runs.trend.rates import rate_jumps
from ckptdoctor.runs.trend.trend import trend_of

__all__ = ["ResumeChangedOptimizer"]

_NOTES = frozenset({ChangeKind.GROUPS_ADDED, ChangeKind.SETTING})
_SOON = 2  # values after the jump within which harm is done by it


class ResumeChangedOptimizer(Rule):
    """A resume changed the optimizer.

    From one checkpoint to the next the stored schedule counts from the beginning again, the
    learning rate jumps to three times and more where no schedule lets it rise, the optimizer is of
    another kind, its groups hold other parameters, or a setting that never changed did. Told from
    the numbers that the files store. A warm-up is none of this, nor is a cyclic schedule, nor a
    rate that rises while the counter of its schedule goes on, unless it rises to three times all
    that it was. A note where groups were only added, as unfreezing does, or a setting was changed,
    and where the score went on as well as before. From a log alone it is told where the metric
    fell, or the loss exploded, as the learning rate jumped; and at once, before anything is known
    of the harm, where it jumped from one value to the next to three times all before, or back to
    near the highest from a schedule that was not at its end. If nothing came of it within two
    values more, that stays a note.

    What to do: go on from the checkpoint before it. Load the states of optimizer and schedule into
    what was built just as before the interruption, and compare the learning rate of the first step
    with the last one.
    """

    code = "CD411"
    severity = Severity.WARNING
    label = "optimizer changed"

    def check(self, case: Case) -> Iterator[Finding]:
        """One finding for each thing that changed since the checkpoint before."""
        for change in case.run.optimizer_changes.get(case.checkpoint.path, ()):
            is_note = change.kind in _NOTES or (_did_no_harm(case) and not _harm_follows(case))
            yield self.finding(
                "optimizer",
                change.message,
                severity=Severity.INFO if is_note else None,
                changed=change.kind.value,
                before=change.before,
                after=change.after,
            )

    def check_history(self, history: History) -> Iterator[Finding]:
        """One finding: on the first jump of the log's rate that did harm, else on the last one."""
        rates = rates_of(history)
        ordered = sorted(rates)
        sure = [alarm for alarm in history.alarms if alarm.kind is AlarmKind.RATE]
        jumps = {alarm.at: (alarm.before or 0.0, alarm.value) for alarm in sure}
        jumps |= {at: (before, after) for at, before, after in rate_jumps(rates)}
        harmed = list(_harmed(history)) if jumps else []
        for at, (before, after) in sorted(jumps.items()):
            soon = [position for position in ordered if position >= at][: _SOON + 1]
            if soon and any(soon[0] <= position <= soon[-1] for position in harmed):
                yield self._jump(history, at, (before, after), ", and the run got worse")
                return
        for alarm in sure[-1:]:
            came = sum(position > alarm.at for position in ordered)
            end = ", and the run went on as well as before" if came > _SOON else ""
            severity = Severity.INFO if came > _SOON else None
            yield self._jump(history, alarm.at, jumps[alarm.at], end, severity)

    def _jump(
        self,
        history: History,
        at: Position,
        rates: tuple[float, float],
        end: str,
        severity: Severity | None = None,
    ) -> Finding:
        before, after = rates
        return self.finding(
            "run",
            f"the learning rate jumped from {before:.4g} to {after:.4g} at "
            f"{history.clock.say(at)}, times {after / before:.3g}{end}",
            severity=severity,
            epoch=history.epoch_at(at),
            before=before,
            after=after,
        )


def _did_no_harm(case: Case) -> bool:
    """Whether the score went on as well as before: then the change was meant, or cost nothing."""
    before = next(case.run.earlier(case.checkpoint.path), None)
    new, old = case.metadata.metric, None if before is None else before.metadata.metric
    if new is None or old is None or MetricKind.RUNNING_BEST in (new.kind, old.kind):
        return False
    if new.name != old.name or new.mode is None:
        return False
    return new.value >= old.value if new.mode is Mode.MAX else new.value <= old.value


def _harm_follows(case: Case) -> bool:
    """Whether the run got worse soon behind it: a file may store the rate of the next epoch."""
    history = case.run.history
    at = standing(case.metadata, history.clock)
    later = [] if at is None else [point.at for point in history.points if point.at > at][:_SOON]
    return bool(later) and any(later[0] <= place <= later[-1] for place in _harmed(history))


def _harmed(history: History) -> Iterator[Position]:
    """Where something began that the run has not come back from."""
    scores = {point.at: point.value for point in history.points if point.kind is MetricKind.SCORE}
    if history.mode is not None and scores:
        # not told of the rates, which would excuse a fall
        trend = trend_of(scores, history.mode, history.clock)
        first = None if trend.decline is None else trend.decline[0]
        shift = None if trend.shift is None else trend.shift.at
        yield from (at for at in (trend.collapse, first, shift) if at is not None)
    for alarm in history.alarms:
        if alarm.lasting and alarm.kind not in (AlarmKind.FROZEN, AlarmKind.RATE):
            yield alarm.since
