"""Which checkpoints of a run are averaged: the last good ones, or the good ones of a range."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ckptdoctor.errors import RestoreError, UsageError
from ckptdoctor.finding import Severity
from ckptdoctor.histories import Clock, Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import count_text
from ckptdoctor.report import CheckpointReport, Place, RunReport
from ckptdoctor.runs.families import name_of
from ckptdoctor.runs.member import Member

__all__ = ["Averaging", "Chosen", "choose_average", "read_averaging"]

_FORM = re.compile(r"(\d{1,18})(?:\s*(?:-|\.\.)\s*(\d{1,18}))?")
_FEWEST = 2
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Averaging:
    """What the user wants averaged: so many, or those of a range.

    Attributes:
        count: the last so many good ones; None for a range.
        first, last: of a range, both included, by the clock of the run.
        until: the epoch or the step to go back to, both of which may be told; None for the end.
        unit: ``epoch`` or ``step`` of ``until``.
    """

    count: int | None = None
    first: int = 0
    last: int = 0
    until: int | None = None
    unit: str = "epoch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What is averaged.

    Attributes:
        newest: that which everything but the weights is taken from.
        others: the rest, the newest last.
        notes: what is left out and why, and that there are fewer than were asked for.
    """

    newest: CheckpointReport
    others: tuple[CheckpointReport, ...]
    notes: tuple[str, ...] = ()


def read_averaging(text: str, *, until: int | None = None, unit: str = "epoch") -> Averaging:
    """``5``, or ``70-88``.

    Raises:
        UsageError: it is neither, or says nothing that could be averaged.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise UsageError(
            f"--average {text}: say how many of the last good checkpoints, such as 5, or a range "
            "of epochs, such as 70-88"
        )
    first, last = int(found[1]), None if found[2] is None else int(found[2])
    if last is None:
        if first < _FEWEST:
            raise UsageError(f"--average {text}: a mean takes at least 2 checkpoints")
        return Averaging(count=first, until=until, unit=unit)
    if until is not None:
        raise UsageError(f"--average {text} and --{unit} both say where to end: give one of them")
    if last <= first:
        raise UsageError(f"--average {text}: the range ends before a second checkpoint")
    return Averaging(first=first, last=last)


def choose_average(run: RunReport | None, wanted: Averaging) -> Chosen:
    """The checkpoints to average.

    A good one is fit to go on from; nothing in the run speaks against its score; its weights are
    no jump away from the others; it is no copy of another. Where files are numbered, the numbered
    ones count: ``best.pth`` and ``last.pth`` are saved at other intervals.

    Args:
        run: ranked; None where there is none.
        wanted: what the user wants.

    Raises:
        RestoreError: there are fewer than two good ones; with what is left out and why.
    """
    if run is None:
        raise RestoreError(
            "there is no run here to average: the files are of different models, or one by one. "
            "Name those that are meant"
        )
    members = [member for member in _series(run) if _is_asked_for(member, run, wanted)]
    reasons = _reasons(members, run)
    good: list[Member] = []
    passed: list[str] = []
    for member in reversed(members):
        if len(good) == wanted.count:
            break
        if reason := reasons.get(member.path):
            passed.append(f"{member.path.name}: {reason}")
        else:
            good.append(member)
    left = [f"left out: {line}" for line in passed[:_SHOWN]]
    left += [f"left out: {len(passed) - _SHOWN} more"] if len(passed) > _SHOWN else []
    if len(good) < _FEWEST:
        raise RestoreError(_too_few(len(good), run, wanted), *(f"  {line}" for line in left))
    if wanted.count is not None and len(good) < wanted.count:
        left.append(f"{wanted.count} were asked for, {len(good)} are good: these are averaged")
    rows = {row.path: row for row in run.checkpoints}
    newest, *others = (rows[member.path] for member in good)
    return Chosen(newest=newest, others=tuple(others[::-1]), notes=tuple(left))


def _series(run: RunReport) -> Sequence[Member]:
    """The checkpoints of the run in order: those with a number, if there are several."""
    course = list(run.run.course)
    numbered = [member for member in course if name_of(member.path).numbers]
    return numbered if len(numbered) >= _FEWEST else course


def _is_asked_for(member: Member, run: RunReport, wanted: Averaging) -> bool:
    data = member.metadata
    if wanted.count is None:
        at = run.run.position(data)
        return at is not None and wanted.first <= at <= wanted.last
    if wanted.until is None:
        return True
    reached = data.epoch if wanted.unit == "epoch" else data.global_step
    return reached is not None and reached <= wanted.until


# -- what is left out ----------------------------------------------------------------------------


def _reasons(members: Sequence[Member], run: RunReport) -> Mapping[Path, str]:
    """By path, why a checkpoint is not averaged."""
    places = {place.report.path: place for place in run.ranking}
    superseded = {point.at for point in run.history.superseded}
    usual = _usual([places[member.path] for member in members])
    found: dict[Path, str] = {}
    for member in members:
        place = places[member.path]
        found[member.path] = (
            _unfit(place)
            or _odd(place, usual)
            or (
                "of an attempt that a restart left behind" if _at(member, run) in superseded else ""
            )
        )
    for twin, kept in _twins([m for m in members if not found[m.path]], places):
        found[twin.path] = f"the same weights as {kept.path.name}"
    return found


def _at(member: Member, run: RunReport) -> Position | None:
    return run.run.position(member.metadata)


def _unfit(place: Place) -> str:
    if not place.usable:
        return place.reason
    return place.caution


def _usual(places: Sequence[Place]) -> set[tuple[str, str]]:
    """What is odd in all of them alike, such as a layer that was dead from the start."""
    odd = [set(_oddities(place.report)) for place in places if place.usable]
    return set.intersection(*odd) if odd else set()


def _odd(place: Place, usual: set[tuple[str, str]]) -> str:
    for finding in place.report.findings:
        if (finding.code, finding.subject) in set(_oddities(place.report)) - usual:
            return f"{finding.code} {finding.message}"
    return ""


def _oddities(row: CheckpointReport) -> Iterator[tuple[str, str]]:
    """What makes weights suspect: as they are, or by where they lie among those of the run."""
    for finding in row.findings:
        of_weights = finding.code.startswith("CD2") or finding.code == "CD410"
        if of_weights and finding.severity >= Severity.WARNING:
            yield finding.code, finding.subject


def _twins(
    members: Sequence[Member], places: Mapping[Path, Place]
) -> Iterator[tuple[Member, Member]]:
    """Each checkpoint with the weights of another, and that other, which holds the most state."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        if member.weights_id:
            groups.setdefault(member.weights_id, []).append(member)
    for same in groups.values():
        kept = max(same, key=lambda member: places[member.path].report.nbytes)
        yield from ((member, kept) for member in same if member is not kept)


def _too_few(good: int, run: RunReport, wanted: Averaging) -> str:
    clock = run.history.clock
    where = ""
    if wanted.count is None:
        word = "steps" if clock is Clock.STEP else "epochs"
        where = f" of the {word} {wanted.first} to {wanted.last}"
    elif wanted.until is not None:
        where = f" up to {wanted.unit} {count_text(wanted.until)}"
    many = "no checkpoint" if not good else "one checkpoint alone"
    return f"{run.name}: {many}{where} is good, and a mean takes two"
