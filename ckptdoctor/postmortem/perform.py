"""The trunk of ``autopsy``: measure, judge, say why, and write the guide."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.histories import History, Position
from ckptdoctor.layouts.describe import Parts
from ckptdoctor.postmortem.causes.apart import apart
from ckptdoctor.postmortem.causes.seen import Scene
from ckptdoctor.postmortem.causes.weigh import weighed
from ckptdoctor.postmortem.details import look_closer
from ckptdoctor.postmortem.document import Autopsy, Worst
from ckptdoctor.postmortem.figures import Figures, Looking, measure
from ckptdoctor.postmortem.guide import guide
from ckptdoctor.postmortem.happened import headline
from ckptdoctor.postmortem.hashing import hashed
from ckptdoctor.postmortem.heat import heat_of
from ckptdoctor.postmortem.material import Material
from ckptdoctor.postmortem.order import Onset, onset_of, sentence
from ckptdoctor.postmortem.relative import Relative
from ckptdoctor.recovery.causes.course import RateCourse
from ckptdoctor.recovery.causes.evidence import evidence_of
from ckptdoctor.recovery.next_step import Asked, same_question
from ckptdoctor.recovery.plan import make_plan
from ckptdoctor.recovery.rewrite import Request
from ckptdoctor.report import RunReport
from ckptdoctor.runs.departure.course import Course, Trait
from ckptdoctor.runs.departure.departures import Departure, departures
from ckptdoctor.runs.departure.words import figure_at, in_words
from ckptdoctor.runs.discover import checkpoint_at
from ckptdoctor.runs.logs.watched import is_scale
from ckptdoctor.shell import command_line

__all__ = ["perform"]

_MOST_WORST = 10
_CLOSER = 3
_SHOWN = {
    Trait.NON_FINITE: Trait.NORM,
    Trait.BAD_STATE: Trait.NORM,
    Trait.BAD_AVERAGE: Trait.EMA,
}
"""What is drawn of a tensor that is not finite: what it was before."""
Stored = Callable[[Path], Mapping[str, Scalar] | None]


def perform(
    report: RunReport,
    stored: Stored,
    how: Looking | None = None,
    *,
    target: float | None = None,
    command: str = "",
    asked: Asked | None = None,
    several: bool = False,
) -> Autopsy:
    """What happened to a run.

    Args:
        report: of the run, ranked.
        stored: what a checkpoint stores beside tensors.
        how: options.
        target: of the metric, to estimate the time to.
        command: that the run was started with; "" for that in the log.
        asked: what the user asked, so that the commands of the report ask the same; None for the
            folder of the run.
        several: whether there are other runs among it.

    Raises:
        UsageError: the command is none.
    """
    how = how or Looking()
    relative = Relative(report.path)
    figures = measure(report.run, how)
    left = departures(figures.course)
    onset = onset_of(figures.course, left)
    if not how.quick:
        figures = _closer(report, figures, left)
    asked = asked or Asked(paths=(report.path,))
    question = same_question(report, asked, several=several)
    request = Request(target=target, command=command)
    plan = make_plan(report, request, stored=stored, asked=asked, several=several)
    place = next((one for one in report.ranking if one.usable), None)
    evidence = evidence_of(report, place, None, stored)
    rates = RateCourse.of(report.run).rates
    scene = Scene(
        figures=figures,
        onset=onset,
        left=left,
        evidence=evidence,
        rates=rates,
        files=_files_of(report, onset),
    )
    causes = tuple(weighed(plan.advice.causes, scene))
    files = hashed(_spoken_of(report, onset), relative)
    material = Material(
        report=report,
        plan=plan,
        evidence=evidence,
        figures=figures,
        left=left,
        onset=onset,
        causes=causes,
        apart=apart(plan.advice, causes),
        files=files,
        relative=relative,
        question=tuple(question),
    )
    going_on = report.next or _closer_look(report, onset)
    return Autopsy(
        name=report.name,
        headline=headline(material),
        first=sentence(figures.course, onset),
        next=relative.command(going_on),
        next_here=going_on,
        stands_out=onset.stands_out,
        causes=causes,
        apart=material.apart,
        sections=guide(material),
        worst=_worst(figures.course, left),
        heat=heat_of(figures.course, left),
        course=figures.course,
        departures=left,
        history=report.history,
        rates=rates,
        scales=_scales(report.history),
        files=files,
    )


def _closer(report: RunReport, figures: Figures, left: Sequence[Departure]) -> Figures:
    """The figures, with the spectral norms and dead rows of the tensors that left first."""
    names = list(dict.fromkeys(one.name for one in left if not one.is_buffer))[:_CLOSER]
    more = look_closer([one.path for one in report.run.saved], names)
    if not more.series:
        return figures
    course = replace(figures.course, series={**figures.course.series, **more.series})
    return replace(figures, course=course)


def _closer_look(report: RunReport, onset: Onset) -> str:
    """The command that shows what the first tensor did, where nothing else is to be done."""
    first = onset.first
    if first is None or first.place == 0 or not onset.stands_out:
        return ""
    before, after = report.run.saved[first.place - 1 : first.place + 1]
    return command_line("ckptdoctor", "diff", before.path, after.path, "--tensor", first.name)


def _worst(course: Course, left: Sequence[Departure]) -> tuple[Worst, ...]:
    """The first departure of each tensor, the first ones first."""
    found: dict[str, Worst] = {}
    for one in left:
        if one.name in found or len(found) == _MOST_WORST:
            continue
        trait = _SHOWN.get(one.trait, one.trait)
        count = len(course.moments)
        found[one.name] = Worst(
            name=one.name,
            trait=trait,
            values=tuple(figure_at(course, one.name, trait, place) for place in range(count)),
            place=one.place,
            words=in_words(course, one),
        )
    return tuple(found.values())


def _files_of(report: RunReport, onset: Onset) -> dict[str, str]:
    """The file of each tensor of the first checkpoint outside, where it is one of several."""
    if onset.first is None:
        return {}
    files = checkpoint_at(report.run.saved[onset.first.place].path)
    if files.is_single:
        return {}
    return {
        tensor.fqn: checkpoint.path.name
        for checkpoint, _ in Parts(files).read()
        for tensor in checkpoint.tensors
    }


def _spoken_of(report: RunReport, onset: Onset) -> list[Path]:
    """The last good one, and those around the first departure."""
    paths = [] if report.last_good is None else [report.last_good.path]
    if onset.first is not None:
        course = report.run.saved
        paths += [one.path for one in course[max(0, onset.first.place - 1) : onset.first.place + 1]]
    return paths


def _scales(history: History) -> list[tuple[Position, float]]:
    """The loss scale, as logs tell it."""
    return [
        (at, value)
        for at, values in sorted(history.values.items())
        for name, value in values.items()
        if is_scale(name) and math.isfinite(value)
    ]
