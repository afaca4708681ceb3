"""Where a run went wrong: what it was first, and up to where all was well."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.histories import AlarmKind, Clock, History, Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.causes.unrest import first_good, last_good, unrest_of
from ckptdoctor.report import CheckpointReport, RunReport

__all__ = ["Trouble", "TroubleKind", "trouble_of"]


class TroubleKind(enum.Enum):
    """What went wrong, the worst first."""

    COLLAPSE = "collapse"
    SHIFT = "shift"
    DECLINE = "decline"
    FILES = "files"
    RESUME = "resume"
    SETTINGS = "settings"
    DAMAGE = "damage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Where a run went wrong.

    Attributes:
        kind: what it was.
        at: where it was plain; None where only files tell, and not when.
        began: the first position at which all was not well; None where that is not known.
        well: the last one at which all was; None where that is not known.
        learned: the first one with a score near the best before; None where no score is known.
        gradual: whether it got worse by and by before it fell.
        said: what happened, in words: ``the run collapsed at epoch 12``.
    """

    kind: TroubleKind
    at: Position | None
    began: Position | None
    well: Position | None
    learned: Position | None = None
    gradual: bool
    said: str

    @property
    def is_death(self) -> bool:
        """Whether nothing is left of what was learned."""
        return self.kind is TroubleKind.COLLAPSE


_DEATHS = (
    AlarmKind.COLLAPSE,
    AlarmKind.EXPLOSION,
    AlarmKind.NON_FINITE,
    AlarmKind.SCALE,
)


def trouble_of(report: RunReport) -> Trouble | None:
    """The first thing from which a run did not come back; None where nothing went wrong."""
    history = report.run.history
    say = history.clock.say
    death = min(_deaths(history), default=None)
    span, shift = history.decline, history.shift
    if death is not None:
        at, what = death
        scores = history.scores
        good = last_good([score for score in scores if score[0] < at])
        began = at if good is None else _behind(history, good, at)
        unrest = unrest_of([score for score in scores if score[0] < began])
        well = _before(history, began) if unrest is None else unrest
        return Trouble(
            kind=TroubleKind.COLLAPSE,
            at=at,
            began=began,
            well=well,
            learned=_learned(history, well),
            gradual=unrest is not None,
            said=f"{what} at {say(at)}",
        )
    if shift is not None:
        said = f"the metric fell at {say(shift.at)}"
        return _survived(TroubleKind.SHIFT, shift.at, history, said)
    if span is not None:
        said = f"the metric declined from {say(span.first)}"
        return _survived(TroubleKind.DECLINE, span.first, history, said)
    return _of_files(report) or _of_resume(report) or _of_damage(report)


def _survived(kind: TroubleKind, at: Position, history: History, said: str) -> Trouble:
    """A trouble that was plain from its first position on."""
    return Trouble(
        kind=kind,
        at=at,
        began=at,
        well=_before(history, at),
        gradual=kind is TroubleKind.DECLINE,
        said=said,
    )


def _learned(history: History, well: Position | None) -> Position | None:
    """From where on the run had learned: the rates before may have been too high for it."""
    return first_good([score for score in history.scores if well is None or score[0] <= well])


def _deaths(history: History) -> Iterator[tuple[Position, str]]:
    if history.collapse is not None:
        yield history.collapse, "the run collapsed"
    for alarm in history.alarms:
        if alarm.lasting and alarm.kind in _DEATHS:
            yield alarm.since, _WHAT[alarm.kind]


_WHAT = {
    AlarmKind.COLLAPSE: "the run collapsed",
    AlarmKind.EXPLOSION: "the loss exploded",
    AlarmKind.NON_FINITE: "the run turned to NaN",
    AlarmKind.SCALE: "the loss scale fell to its end",
}


def _behind(history: History, good: Position, at: Position) -> Position:
    """The first position behind the last good score: a fall may be plain only later."""
    return min((place for place in _places(history) if good < place <= at), default=at)


def _places(history: History) -> list[Position]:
    return sorted({*history.values, *(point.at for point in history.points)})


def _before(history: History, at: Position) -> Position | None:
    return max((position for position in _places(history) if position < at), default=None)


def _of_files(report: RunReport) -> Trouble | None:
    """What only the files tell: the first whose weights are not finite."""
    run, history = report.run, report.run.history
    rows = {row.path: row for row in report.checkpoints}
    well: Position | None = None
    for member in run.members:
        row = rows.get(member.path)
        at = run.position(member.metadata)
        if row is None or _is_damaged(row):
            continue
        if row.verdict is Verdict.CORRUPT and row.tensors.nan + row.tensors.inf:
            where = "" if at is None else f" of {history.clock.say(at)}"
            said = f"the weights{where} hold {'NaN' if row.tensors.nan else 'Inf'}"
            return Trouble(
                kind=TroubleKind.FILES, at=at, began=at, well=well, gradual=False, said=said
            )
        if at is not None and math.isfinite(at) and row.verdict is Verdict.HEALTHY:
            well = at
    return None


def _of_resume(report: RunReport) -> Trouble | None:
    """A resume that changed the optimizer (CD411), where nothing else is known to be wrong."""
    run, history = report.run, report.run.history
    for row in report.checkpoints:
        at = run.position(row.metadata)
        found = next((one for one in row.findings if _is_changed(one)), None)
        if found is not None and at is not None:
            return _survived(
                TroubleKind.RESUME,
                at,
                history,
                f"at {history.clock.say(at)} a resume changed the optimizer: {found.message}",
            )
    for found in report.findings:
        epoch = found.evidence.get("epoch")
        if _is_changed(found) and isinstance(epoch, int | float) and history.clock is Clock.EPOCH:
            return _survived(TroubleKind.RESUME, epoch, history, found.message)
    return None


def _is_changed(finding: Finding) -> bool:
    return finding.code == "CD411" and finding.severity >= Severity.WARNING


def _of_damage(report: RunReport) -> Trouble | None:
    """Files whose bytes are not those that were written, where the training itself was well."""
    damaged = [row for row in report.checkpoints if _is_damaged(row)]
    if not damaged:
        return None
    worst = next(one for one in damaged[0].findings if one.code in _DAMAGE)
    more = f", and {len(damaged) - 1} more" if len(damaged) > 1 else ""
    return Trouble(
        kind=TroubleKind.DAMAGE,
        at=None,
        began=None,
        well=None,
        gradual=False,
        said=f"{damaged[0].path.name}{more}: {worst.code} {worst.message}",
    )


def _is_damaged(row: CheckpointReport) -> bool:
    return any(one.code in _DAMAGE and one.severity is Severity.ERROR for one in row.findings)


_DAMAGE = frozenset({"CD102", "CD103", "CD104"})  # cut, another checksum, a record that is missing
