"""The restart: from the last good file, from an earlier one, or from nothing, as ready commands."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.finding import Verdict
from ckptdoctor.history import History
from ckptdoctor.manifest import actions_of
from ckptdoctor.recovery.choose import clean_name
from ckptdoctor.recovery.command_line import CommandLine, parse_command
from ckptdoctor.recovery.lr_rules import Advice, advise
from ckptdoctor.recovery.rewrite import Change, Request, Rewrite
from ckptdoctor.recovery.stored_command import stored_command
from ckptdoctor.recovery.timeline import Timeline, timeline_of
from ckptdoctor.report import Place, Report

__all__ = ["Option", "Plan", "make_plan"]

_SCALED = frozenset({"scale-lr", "set-lr"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to go on.

    Attributes:
        name: A, B or C.
        title: what it does.
        recommended: whether to take this one.
        command: ready for a shell; more than one, joined by ``&&``, where a file is made first.
        changes: what is changed in the user's command.
        reasons: why this is an option, and why the rate.
        warnings: what it cannot vouch for.
        epoch: that of the checkpoint it goes on from; None for a fresh start.
    """

    name: str
    title: str
    recommended: bool
    command: str
    changes: tuple[Change, ...]
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    epoch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The options, and what they rest on.

    Attributes:
        options: those that there are, A before B before C.
        advice: on the learning rate.
        command_from: where the command was found, in words; "" where there is none.
        timeline: to the target; None where no target was named.
        notes: what would make the plan better.
    """

    options: tuple[Option, ...]
    advice: Advice
    command_from: str
    timeline: Timeline | None
    notes: tuple[str, ...] = ()


def make_plan(
    report: Report,
    request: Request,
    *,
    earlier: Report | None = None,
    scalars: Mapping[str, Scalar] | None = None,
) -> Plan:
    """The ways to go on.

    Args:
        report: of the run, ranked, with its history.
        request: what the user says.
        earlier: of an earlier run, ranked, for option B.
        scalars: of the checkpoint to go on from, where the arguments of the run may be stored.

    Raises:
        UsageError: the command is none.
    """
    place = next((place for place in report.ranking if place.usable), None)
    history = _history(report, place)
    advice = advise(request.added, history)
    command, where = _command(request, history, scalars or {})
    line = parse_command(command) if command else None
    basis = _Basis(line=line, advice=advice, request=request)
    options = []
    if place is not None:
        title = "go on from the last good checkpoint"
        options.append(replace(_resuming("A", title, place, basis), recommended=True))
    before = _earlier(report, place, earlier)
    if before is not None:
        title = "go on from an earlier checkpoint, from before the change"
        options.append(_resuming("B", title, before, basis))
    fresh = _fresh(basis)
    if fresh is not None:
        options.append(replace(fresh, recommended=place is None))
    timeline = None
    if request.target is not None:
        start = None if place is None else place.report.metadata.epoch
        timeline = timeline_of(history, start, request.target)
    return Plan(
        options=tuple(options),
        advice=advice,
        command_from=where,
        timeline=timeline,
        notes=tuple(_notes(basis, before)),
    )


def _history(report: Report, place: Place | None) -> History | None:
    """That of the folder to go on from, else the longest."""
    if place is not None:
        for history in report.histories:
            if history.folder == place.report.path.parent and (history.points or history.values):
                return history
    return max(report.histories, key=lambda one: len(one.points), default=None)


def _command(
    request: Request, history: History | None, scalars: Mapping[str, Scalar]
) -> tuple[str, str]:
    """The command of the run, and where it was found."""
    if request.command:
        return request.command, "--command"
    if history is not None and history.commands:
        return history.commands[-1], "the log"
    stored = stored_command(scalars)
    return (stored, "the arguments stored in the checkpoint") if stored else ("", "")


def _earlier(report: Report, place: Place | None, earlier: Report | None) -> Place | None:
    """The best of an earlier run, else of another folder, else the next best before this one."""
    if earlier is not None:
        return next((one for one in earlier.ranking if one.usable), None)
    if place is None:
        return None
    usable = [one for one in report.ranking if one.usable and not one.caution]
    epoch = place.report.metadata.epoch
    others = [one for one in usable if one.report.path.parent != place.report.path.parent]
    before = [
        one
        for one in usable
        if epoch is not None
        and one.report.metadata.epoch is not None
        and one.report.metadata.epoch < epoch
    ]
    newest = sorted(before, key=lambda one: -(one.report.metadata.epoch or 0))
    return next(iter((*others, *newest)), None)


# -- the options ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    """What every option is made from."""

    line: CommandLine | None
    advice: Advice
    request: Request

    def rewrite(self) -> Rewrite | None:
        """The command, to be changed; None where it is not known."""
        return None if self.line is None else Rewrite(self.line, self.advice, self.request)


def _resuming(name: str, title: str, place: Place, basis: _Basis) -> Option:
    """Going on from a checkpoint."""
    source, epoch = place.report.path, place.report.metadata.epoch
    resume, first, reasons = _checkpoint_to_resume(place, basis.advice)
    rewrite = basis.rewrite()
    if rewrite is not None:
        rewrite.resume_from(resume, source)
        rewrite.move_to_new_folder("recovery" if name == "A" else "earlier")
        rewrite.scale_rates(fresh=False)
        rewrite.warm_up()
    commands = [part for part in (first, rewrite.text() if rewrite is not None else "") if part]
    return Option(
        name=name,
        title=title + ("" if epoch is None else f", epoch {epoch}"),
        recommended=False,
        command=" && \\\n".join(commands)
        or f"ckptdoctor restore --from {shlex.quote(str(source))}",
        changes=() if rewrite is None else tuple(rewrite.changes),
        reasons=(f"{source.name}: {place.reason}", *reasons, *_about_rate(basis.advice)),
        warnings=() if rewrite is None else tuple(rewrite.warnings),
        epoch=epoch,
    )


def _checkpoint_to_resume(place: Place, advice: Advice) -> tuple[Path, str, list[str]]:
    """The file to resume from, the command that makes it ("" if it is there), and why."""
    source = place.report.path
    if _SCALED & set(actions_of(source)):
        return source, "", ["its stored learning rate was changed when it was restored"]
    salvage = place.report.verdict is Verdict.SALVAGEABLE
    if advice.factor == 1.0 and not salvage:
        return source, "", []
    destination = _free_name(clean_name(source))
    command = f"ckptdoctor restore --from {shlex.quote(str(source))}"
    reasons = []
    if advice.factor != 1.0:
        command += f" --scale-lr {advice.factor:g}"
        reasons.append(
            "resuming loads the learning rate that the checkpoint stores over that of the flags: "
            "--scale-lr changes the stored one"
        )
    if salvage:
        reasons.append("restore leaves out what is broken beside the weights")
    if destination != clean_name(source):
        command += f" -o {shlex.quote(str(destination))}"
    return destination, command, reasons


def _free_name(path: Path) -> Path:
    """The path, or with a number where something is there."""
    number, free = 2, path
    while free.exists():
        free = path.with_name(f"{path.stem}_{number}{path.suffix}")
        number += 1
    return free


def _about_rate(advice: Advice) -> list[str]:
    if advice.factor == 1.0 and not advice.warmup_epochs:
        return [f"learning rate unchanged: {'; '.join(advice.reasons)}"]
    return [
        f"learning rate times {advice.in_words()}, a rule of thumb: {'; '.join(advice.reasons)}"
    ]


def _fresh(basis: _Basis) -> Option | None:
    """From nothing, with settings that hold; None without a command to start."""
    rewrite = basis.rewrite()
    if rewrite is None:
        return None
    rewrite.resume_from_nothing()
    rewrite.move_to_new_folder("safe")
    rewrite.scale_rates(fresh=True)
    rewrite.warm_up()
    return Option(
        name="C",
        title="start afresh with safe settings",
        recommended=False,
        command=rewrite.text(),
        changes=tuple(rewrite.changes),
        reasons=("for when no checkpoint can be trusted", *_about_rate(basis.advice)),
        warnings=tuple(rewrite.warnings),
    )


def _notes(basis: _Basis, before: Place | None) -> list[str]:
    """What would make the plan better."""
    notes, line = [], basis.line
    if line is None:
        notes.append(
            "the command of the run is not known: --command '...' has it rewritten, ready to start"
        )
    if before is None:
        notes.append("option B needs another checkpoint: --earlier FOLDER names an earlier run")
    if line is not None and not basis.request.added:
        switches = [name for name in ("deep-supervision", "ema") if line.find(name)]
        notes += [f"if --{name} is what you added, say --added {name}" for name in switches]
    return notes
