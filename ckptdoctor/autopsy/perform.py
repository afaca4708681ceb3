"""The trunk of ``autopsy``: measure, judge, say why, and write the guide."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.autopsy.details import look_closer
from ckptdoctor.autopsy.document import Autopsy, Worst
from ckptdoctor.autopsy.figures import Figures, Looking, measure
from ckptdoctor.autopsy.guide import guide
from ckptdoctor.autopsy.hashing import hashed
from ckptdoctor.autopsy.heat import heat_of
from ckptdoctor.autopsy.material import Material
from ckptdoctor.autopsy.order import Onset, onset_of, sentence
from ckptdoctor.autopsy.relative import Relative
from ckptdoctor.checkpoint import Scalar
from ckptdoctor.histories import History, Position
from ckptdoctor.recovery.causes.course import RateCourse
from ckptdoctor.recovery.causes.evidence import Evidence, evidence_of
from ckptdoctor.recovery.next_step import Asked
from ckptdoctor.recovery.plan import make_plan
from ckptdoctor.recovery.rewrite import Request
from ckptdoctor.report import RunReport
from ckptdoctor.runs.departure.course import Course, Trait
from ckptdoctor.runs.departure.departures import Departure, departures
from ckptdoctor.runs.departure.words import figure_at, in_words
from ckptdoctor.runs.logs.pairs import is_scale

__all__ = ["perform"]

_MOST_WORST = 10
_CLOSER = 3
Stored = Callable[[Path], Mapping[str, Scalar] | None]


def perform(
    report: RunReport,
    stored: Stored,
    how: Looking | None = None,
    *,
    target: float | None = None,
    command: str = "",
) -> Autopsy:
    """What happened to a run.

    Args:
        report: of the run, ranked.
        stored: what a checkpoint stores beside tensors.
        how: options.
        target: of the metric, to estimate the time to.
        command: that the run was started with; "" for that in the log.

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
    asked = Asked(paths=(report.path,))
    plan = make_plan(report, Request(target=target, command=command), stored=stored, asked=asked)
    place = next((one for one in report.ranking if one.usable), None)
    evidence = evidence_of(report, place, None, stored)
    files = hashed(_spoken_of(report, onset), relative)
    material = Material(
        report=report,
        plan=plan,
        evidence=evidence,
        figures=figures,
        left=left,
        onset=onset,
        files=files,
        relative=relative,
    )
    return Autopsy(
        name=report.name,
        headline=_headline(report, evidence),
        first=sentence(figures.course, onset),
        next=relative.command(report.next),
        next_here=report.next,
        sections=guide(material),
        worst=_worst(figures.course, left),
        heat=heat_of(figures.course, left),
        course=figures.course,
        departures=left,
        history=report.history,
        rates=RateCourse.of(report.run).rates,
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


def _headline(report: RunReport, evidence: Evidence | None) -> str:
    history = report.history
    best = history.best
    parts = []
    if best is not None:
        parts.append(
            f"{history.metric} was best at {history.clock.say(best.at)} ({best.value:.4g})"
        )
    if evidence is not None:
        parts.append(evidence.trouble.said)
    elif not parts:
        parts.append(f"{len(report.checkpoints)} checkpoints, and no metric is known")
    if evidence is None:
        parts.append("nothing went wrong that the metric or the files tell of")
    return "; ".join(parts) + "."


def _worst(course: Course, left: Sequence[Departure]) -> tuple[Worst, ...]:
    """The first departure of each tensor, the first ones first."""
    found: dict[str, Worst] = {}
    for one in left:
        if one.name in found or len(found) == _MOST_WORST:
            continue
        is_bad = one.trait in (Trait.NON_FINITE, Trait.BAD_STATE)
        trait = Trait.NORM if is_bad else one.trait
        count = len(course.moments)
        found[one.name] = Worst(
            name=one.name,
            trait=trait,
            values=tuple(figure_at(course, one.name, trait, place) for place in range(count)),
            place=one.place,
            words=in_words(course, one),
        )
    return tuple(found.values())


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
