"""What the causes are ranked by: the trouble, the rates, the settings, the state of the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.finding import Severity
from ckptdoctor.histories import AlarmKind, History, Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.added import Addition
from ckptdoctor.recovery.causes.ahead import Ahead, ahead_of, start_of
from ckptdoctor.recovery.causes.course import Jump, RateCourse
from ckptdoctor.recovery.causes.grown import Grown, grown_of
from ckptdoctor.recovery.causes.losses import headway, loss_rose, sank, taught_nothing, usual_norm
from ckptdoctor.recovery.causes.settings import (
    Setting,
    changed,
    fresh_optimizer_flags,
    is_batch_size,
    planned_epochs,
    raised_by,
    sums_loss,
)
from ckptdoctor.recovery.causes.trouble import Trouble, TroubleKind, trouble_of
from ckptdoctor.recovery.command_line import CommandLine
from ckptdoctor.recovery.stored_command import stored_arguments
from ckptdoctor.recovery.stored_growth import Growth, growth_of
from ckptdoctor.recovery.stored_rates import stores_rate
from ckptdoctor.report import CheckpointReport, Place, RunReport
from ckptdoctor.runs.jumps import Jump as WeightJump
from ckptdoctor.runs.optimizer_facts import Change, OptimizerFacts

__all__ = ["Evidence", "Rates", "evidence_of", "has_momentum", "is_adaptive"]

_WEIGHTS = frozenset({"CD201", "CD202"})
_SOON = 2
_HARMLESS = 0.5
_OTHERS, _NO_LARGER = 0.9, 1.1
"""Of the norm before: weights of another net lie as far away; those that diverge are larger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The rates around the trouble.

    Attributes:
        well: the last one at which all was well; None where that is not known.
        headway: the last one at which the training loss was lower than ever before; None where no
            such loss is told.
        bad: that of the position at which it went wrong; None where that is not known.
        top_before: the highest at which all was well, once the run had learned something.
        lowest_before: the lowest before it went wrong.
        ahead: what lies behind the checkpoint to go on from.
        jump: a jump that the trouble followed; None without one.
        growth: a stored schedule that lets it grow without end; None without one.
    """

    well: float | None = None
    headway: float | None = None
    bad: float | None = None
    top_before: float | None = None
    lowest_before: float = 0.0
    ahead: Ahead = field(default_factory=lambda: Ahead(top=None, falls=True))
    jump: Jump | None = None
    growth: Growth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that is known.

    Attributes:
        history: of the run.
        trouble: where it went wrong.
        rates: around it.
        settings: that differ from those of the sound checkpoint.
        resumed: what a resume changed in the optimizer, behind the sound checkpoint.
        unread: the switch that left the stored optimizer unread, where the checkpoint to go on from
            stores one; "" else.
        overflowed: whether the loss scale fell to its end.
        usual_norm: of the gradients, while all was well; None where that is not told.
        state_alone: whether nothing but an average or running statistics is not finite.
        moments_first: the first file that holds NaN, if it does so in the optimizer alone; "" else.
        summed: whether the loss is summed over the batch.
        raised_by: settings that may raise the rate where no schedule that is stored does.
        replaced: how far the weights moved at once where it went wrong, if that is no divergence:
            they are no larger than before; None else.
        is_adaptive: whether the optimizer that it stores divides by the size of the gradient.
        has_momentum: whether the checkpoint to go on from stores the momentum of SGD.
        grown: the setting with which a resume made the gradients larger; None for no such.
        added: what the user says was added.
        starts: the rates that the schedules of the oldest file, of the one to go on from and of the
            newest start from, those that are known.
        loss_rose: whether the training loss rose before it was plain.
        sank: whether it went wrong without diverging: the training loss was that of later epochs,
            in which nothing was learned any more.
        taught_nothing: whether that loss was no lower up to the checkpoint to go on from.
        trained_at: the highest rate up to that checkpoint; None where none is known.
        planned: how many epochs were planned; None where that is not known.
    """

    history: History
    trouble: Trouble
    rates: Rates = field(default_factory=Rates)
    settings: tuple[Setting, ...] = ()
    resumed: tuple[Change, ...] = ()
    unread: str = ""
    overflowed: bool = False
    usual_norm: float | None = None
    state_alone: bool = False
    moments_first: str = ""
    summed: bool = False
    raised_by: tuple[str, ...] = ()
    replaced: WeightJump | None = None
    has_momentum: bool = False
    is_adaptive: bool = False
    grown: Grown | None = None
    added: tuple[Addition, ...] = ()
    starts: tuple[float, ...] = ()
    loss_rose: bool = False
    sank: bool = False
    taught_nothing: bool = False
    trained_at: float | None = None
    planned: float | None = None


def evidence_of(
    report: RunReport,
    place: Place | None,
    line: CommandLine | None,
    stored: Callable[[Path], Mapping[str, Scalar] | None],
    added: Sequence[Addition] = (),
) -> Evidence | None:
    """What is known of a run that went wrong; None where nothing did.

    Args:
        report: of the run.
        place: of the checkpoint to go on from; None where there is none.
        line: the command; None where it is not known.
        stored: the scalars that a checkpoint stores.
        added: what the user says was added.
    """
    run = report.run
    scalars = (None if place is None else stored(place.report.path)) or {}
    at = None if place is None else run.position(place.report.metadata)
    arguments, course = stored_arguments(scalars), RateCourse.of(run)
    newest = _newest(report, place)
    later = {} if newest is None else stored_arguments(stored(newest.path) or {})
    settings, summed = changed(arguments, later, line), sums_loss(later or arguments, line)
    trouble = trouble_of(report) or _of_settings(settings, summed=summed)
    if trouble is None:
        return None
    epoch = None if place is None else place.report.metadata.epoch
    planned = planned_epochs(arguments, line)
    ahead = ahead_of(scalars, course, at, epoch=epoch, total=planned)
    growth = growth_of(scalars)
    return Evidence(
        history=run.history,
        trouble=trouble,
        rates=_rates(course, trouble, ahead, growth, headway(run.history, trouble)),
        settings=settings,
        resumed=tuple(_resumed(report, at, trouble)),
        unread=_unread(line, scalars),
        overflowed=any(
            alarm.kind is AlarmKind.SCALE and alarm.lasting for alarm in run.history.alarms
        ),
        usual_norm=usual_norm(run.history, trouble),
        state_alone=_is_state_alone(report),
        moments_first=_moments_first(report),
        summed=summed,
        raised_by=() if growth is not None else raised_by(later or arguments, line),
        replaced=_replaced(report, trouble),
        has_momentum=has_momentum(scalars),
        is_adaptive=is_adaptive(scalars),
        grown=grown_of(settings, run, trouble, scalars, stored),
        added=tuple(added),
        starts=_starts(report, scalars, None if newest is None else stored(newest.path), stored),
        loss_rose=loss_rose(run.history, trouble),
        sank=sank(run.history, trouble),
        taught_nothing=taught_nothing(run.history, trouble, at),
        trained_at=None if at is None else course.through(at).top,
        planned=planned,
    )


def _of_settings(settings: Sequence[Setting], *, summed: bool) -> Trouble | None:
    """What the settings alone tell: a loss that is summed over more, at the same rate."""
    for one in settings:
        if summed and is_batch_size(one.name) and (one.times or 0.0) > 1.0:
            said = f"{one.in_words()}, and the loss is summed over the batch"
            return Trouble(
                kind=TroubleKind.SETTINGS,
                at=None,
                began=None,
                well=None,
                gradual=False,
                said=said,
            )
    return None


def is_adaptive(scalars: Mapping[str, Scalar]) -> bool:
    """Whether an optimizer is of Adam's kind, whose steps are as long whatever the gradient is."""
    families = {
        group.family for _, groups in OptimizerFacts.of(scalars).optimizers for group in groups
    }
    return bool(families - {""}) and "SGD" not in families


def has_momentum(scalars: Mapping[str, Scalar]) -> bool:
    """Whether an optimizer is SGD with momentum: Adam's moments keep its steps small."""
    return any(
        group.family == "SGD" and bool(dict(group.settings).get("momentum"))
        for _, groups in OptimizerFacts.of(scalars).optimizers
        for group in groups
    )


def _replaced(report: RunReport, trouble: Trouble) -> WeightJump | None:
    """The jump in the weights where it went wrong, if other weights took their place."""
    run = report.run
    for member in run.course:
        jump, at = run.jumps.get(member.path), run.position(member.metadata)
        if jump is None or not jump.first or trouble.began is None or at != trouble.began:
            continue
        apart = jump.distance
        if apart.relative >= _OTHERS and apart.growth <= _NO_LARGER:
            return jump
    return None


def _unread(line: CommandLine | None, scalars: Mapping[str, Scalar]) -> str:
    """The switch of a command that leaves the optimizer of a checkpoint unread; "" for none."""
    flags = [] if line is None or not stores_rate(scalars) else fresh_optimizer_flags(line)
    return flags[0].written if flags else ""


def _newest(report: RunReport, place: Place | None) -> CheckpointReport | None:
    """The newest checkpoint that could be read, other than the one to go on from."""
    rows = {row.path: row for row in report.checkpoints}
    for member in reversed(report.run.course):
        row = rows.get(member.path)
        if row is not None and row.format is not None:
            return None if place is not None and row.path == place.report.path else row
    return None


def _starts(
    report: RunReport,
    scalars: Mapping[str, Scalar],
    newest: Mapping[str, Scalar] | None,
    stored: Callable[[Path], Mapping[str, Scalar] | None],
) -> tuple[float, ...]:
    """The rates that schedules start from: of the oldest file that tells it, of others behind."""
    oldest = next((found for one in report.run.course if (found := stored(one.path))), None)
    known = [start_of(one) for one in (oldest, scalars, newest) if one]
    return tuple(start for start in known if start is not None)


def _rates(
    course: RateCourse,
    trouble: Trouble,
    ahead: Ahead,
    growth: Growth | None,
    headway: Position | None,
) -> Rates:
    if trouble.began is None:
        return Rates(ahead=ahead, growth=growth)
    before = course.until(trouble.began)
    well = before if trouble.well is None else before.through(trouble.well)
    bad = course.since(trouble.began)
    jump = next((jump for jump in course.jumps() if _is_followed(jump, trouble, course)), None)
    calm = well if jump is None else course.until(jump.at)
    healthy = calm if trouble.learned is None else calm.since(trouble.learned)
    return Rates(
        well=calm.last,
        headway=None if headway is None else course.at(headway),
        bad=bad.rates[0][1] if bad.rates else None,
        top_before=healthy.top,
        lowest_before=calm.lowest,
        ahead=ahead,
        jump=jump,
        growth=growth,
    )


def _is_followed(jump: Jump, trouble: Trouble, course: RateCourse) -> bool:
    """Whether the trouble began where the rate jumped, or soon after; all was well until then.

    Not where the rate that it jumped to lies far below one that had done no harm: a cycle goes up
    from its lowest rate.
    """
    if trouble.at is None or trouble.at < jump.at:
        return False
    if jump.after < _HARMLESS * (course.until(jump.at).top or 0.0):
        return False
    if trouble.gradual and trouble.well is not None and trouble.well < jump.at:
        since_well = len(course.through(jump.at).rates) - len(course.through(trouble.well).rates)
        if since_well == 1:  # it was the first thing after all was well
            return True
    between = course.since(jump.at).until(trouble.at)
    return len(between.rates) <= _SOON


def _resumed(report: RunReport, at: Position | None, trouble: Trouble) -> list[Change]:
    """What a resume changed in the optimizer behind the sound checkpoint.

    And where it is all that is known to be wrong, at that place.
    """
    run = report.run
    found: list[Change] = []
    for member in run.course:
        position = run.position(member.metadata)
        is_it = trouble.kind is TroubleKind.RESUME and position == trouble.at
        if is_it or at is None or position is None or position > at:
            found += run.optimizer_changes.get(member.path, ())
    return found


def _moments_first(report: RunReport) -> str:
    """The first file that is not finite, if its weights are and it is NaN in the optimizer.

    A gradient that is NaN turns moments and weights to NaN in one step, and one that overflows
    leaves Inf: only what wrote the moments alone leaves a file like that.
    """
    rows = {row.path: row for row in report.checkpoints}
    for member in report.run.course:
        found = rows[member.path].findings if member.path in rows else ()
        moments = [one for one in found if one.code == "CD301"]
        if any(one.code in _WEIGHTS for one in found):
            return ""
        if moments:
            inf = any(one.evidence.get(key) for one in moments for key in ("posinf", "neginf"))
            nan = any(one.evidence.get("nan") for one in moments)
            return member.path.name if nan and not inf else ""
    return ""


def _is_state_alone(report: RunReport) -> bool:
    """Whether weights are finite in every file, and an average or running statistics are not."""
    poisoned = False
    for row in report.checkpoints:
        for finding in row.findings:
            if finding.code in _WEIGHTS and finding.evidence.get("rescue") != "--reset-bn":
                return False
            is_average = finding.code == "CD305" and finding.severity is Severity.ERROR
            poisoned = poisoned or finding.code in _WEIGHTS or is_average
    return poisoned
