"""Which checkpoint to restore from: the one asked for if it is sound, or why it is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ckptdoctor.errors import RestoreError
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import count_text
from ckptdoctor.recovery.next_step import clean_name, makes_folder
from ckptdoctor.report import Place, Report, RunReport
from ckptdoctor.rules.rescue import rescue_command
from ckptdoctor.shell import command_line

__all__ = ["Moment", "choose", "sound_beside"]

_MOST_ALTERNATIVES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The time of a run that is asked for.

    Attributes:
        number: of the epoch or the step.
        unit: ``epoch`` or ``step``, the option that asks.
    """

    number: int
    unit: str = "epoch"

    def of(self, place: Place) -> int | float | None:
        """Where a checkpoint stands, in this unit."""
        return _epoch(place) if self.unit == "epoch" else place.report.metadata.global_step

    def __str__(self) -> str:
        return f"{self.unit} {self.number}"


def choose(
    run: RunReport | None,
    *,
    moment: Moment | None,
    destination: Path | None,
    beside: Sequence[Place] = (),
) -> Place:
    """The best place of a run's ranking, or the best of an epoch or a step.

    Args:
        run: ranked; None where there is none.
        moment: the epoch or the step wanted; None for the best of all.
        destination: never a source of itself.
        beside: files that belong to no run, to say why none of them is taken.

    Raises:
        RestoreError: there is no sound checkpoint of that moment, or none at all; the message names
            the nearest, with the command for each.
    """
    ranking = (*(() if run is None else run.ranking), *beside)
    places = [
        place for place in ranking if not _is(place.report.path, destination or _clean(place))
    ]
    wanted = places if moment is None else [p for p in places if moment.of(p) == moment.number]
    usable = [place for place in wanted if place.usable]
    if usable:
        return usable[0]
    written = [p for p in ranking if p.usable and p not in places]
    if moment is None and written:
        raise RestoreError(f"{written[0].report.path} is the best there is: resume from it")
    if moment is None:
        raise RestoreError("no checkpoint here is fit to go on from", *_reasons(places))
    what = (
        f"no checkpoint of {moment} is sound" if wanted else f"there is no checkpoint of {moment}"
    )
    if not wanted and all(moment.of(place) is None for place in places):
        what = f"none of these checkpoints says its {moment.unit}: name one with --from"
        sound = [place for place in places if place.usable]
        raise RestoreError(what, *_alternatives(sound[:_MOST_ALTERNATIVES]))
    nearest = _nearest(places, moment)
    raise RestoreError(what, *_reasons(wanted), *_alternatives(nearest[:_MOST_ALTERNATIVES]))


def _clean(place: Place) -> Path:
    report = place.report
    return clean_name(report.path, several=makes_folder(report.files))


def _nearest(places: Sequence[Place], moment: Moment) -> list[Place]:
    """Those to go on from, the nearest first; behind them those that the run speaks against."""
    return sorted(
        (place for place in places if place.usable and moment.of(place) is not None),
        key=lambda place: (
            bool(place.caution),
            abs((moment.of(place) or 0) - moment.number),
            moment.of(place) or 0,
        ),
    )


def sound_beside(report: Report) -> list[str]:
    """The best checkpoints of each run of a folder, with the command that takes each."""
    good = [
        place
        for run in report.runs
        for place in [one for one in run.ranking if one.usable and not one.caution][
            :_MOST_ALTERNATIVES
        ]
    ]
    return _alternatives(good) if good else []


def _is(path: Path, other: Path) -> bool:
    return path.absolute() == other.absolute()


def _epoch(place: Place) -> int | float | None:
    data = place.report.metadata
    return data.epoch if data.epoch is not None else data.name_epoch


def _reasons(places: Sequence[Place]) -> list[str]:
    lines = []
    for place in places[:5]:
        lines.append(f"  {place.report.path}: {place.reason}")
        command = rescue_command(place.report.path, place.report.findings)
        lines += [f"    {command}"] if command else []
    return lines


def _alternatives(places: Sequence[Place]) -> list[str]:
    """The nearest, and below each the command that takes it."""
    if not places:
        return ["and no other checkpoint here is: look into an earlier run"]
    lines = ["Sound ones:"]
    for place in places:
        path = place.report.path
        epoch = _epoch(place)
        which = path.name if epoch is None else f"epoch {count_text(epoch)}, {path.name}"
        lines.append(f"  {which}: {place.reason}")
        lines.append("    " + command_line("ckptdoctor", "restore", "--from", path))
    return lines
