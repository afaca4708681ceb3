"""The restart: from the last good file, from an earlier one, or from nothing, as ready commands."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.errors import UsageError
from ckptdoctor.finding import Verdict
from ckptdoctor.history import History
from ckptdoctor.manifest import actions_of
from ckptdoctor.metadata import count_text
from ckptdoctor.places import place_of
from ckptdoctor.recovery.command_line import CommandLine, parse_command
from ckptdoctor.recovery.folders.frameworks import caution_of, framework_of, placed, taken_as
from ckptdoctor.recovery.lr_rules import Advice, advise
from ckptdoctor.recovery.next_step import clean_name, free_name, makes_folder
from ckptdoctor.recovery.own_checkpoints import OwnCheckpoints
from ckptdoctor.recovery.resume_argument import flag_in
from ckptdoctor.recovery.rewrite import Change, Request, Rewrite
from ckptdoctor.recovery.stored_command import stored_arguments, stored_command
from ckptdoctor.recovery.stored_rates import stores_rate, stores_schedule, what_stays
from ckptdoctor.recovery.timeline import Timeline, timeline_of
from ckptdoctor.recovery.warm_up import Facts, epoch_steps_of
from ckptdoctor.report import CheckpointReport, Place, Report, RunReport
from ckptdoctor.rules.rescue import rescue_option
from ckptdoctor.shell import command_line

__all__ = ["Option", "Plan", "make_plan"]

Stored = Callable[[Path], Mapping[str, Scalar] | None]
"""The scalars that a checkpoint stores, by path; None where that is not known."""

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
    epoch: int | float | None = None


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
    run: RunReport | None,
    request: Request,
    *,
    earlier: Report | None = None,
    stored: Stored = lambda _: None,
) -> Plan:
    """The ways to go on.

    Args:
        run: ranked, with its history; None where there are no checkpoints.
        request: what the user says.
        earlier: of an earlier run, ranked, for option B.
        stored: what a checkpoint stores: its learning rate, and maybe the arguments of the run.

    Raises:
        UsageError: the command that the user gives is none.
    """
    place = None if run is None else _best(run)
    history = None if run is None else run.history
    advice = advise(request.added, history)
    line, where, notes = _command(request, history, place, stored)
    copies = [] if run is None else [row for row in run.checkpoints if row.restored is not None]
    rows = () if run is None else run.checkpoints
    basis = _Basis(
        line=line,
        advice=advice,
        request=request,
        stored=stored,
        warm_up=next((framework_of(row.files).warm_up for row in rows if row.files), ""),
        copies=copies,
        rows=rows,
    )
    options = []
    if place is not None:
        sound = "the last good checkpoint" if place.usable else "what can be rescued"
        title = f"go on from {sound}"
        options.append(replace(_resuming("A", title, place, basis), recommended=True))
    before = _earlier(run, place, earlier)
    if before is not None:
        same = place is not None and before.report.path.parent == place.report.path.parent
        title = "go on from an earlier " + (
            "checkpoint of the run" if same else "run, from before the change"
        )
        options.append(_resuming("B", title, before, basis))
    fresh = _fresh(basis, None if place is None else place.report.path)
    if fresh is not None:
        options.append(replace(fresh, recommended=place is None))
    timeline = None
    if request.target is not None:
        start = None if place is None else place.report.metadata.epoch
        reached = None if start is None else math.ceil(start)
        timeline = timeline_of(history, reached, request.target)
    return Plan(
        options=tuple(options),
        advice=advice,
        command_from=where,
        timeline=timeline,
        notes=(*notes, *_notes(basis, before)),
    )


def _best(run: RunReport) -> Place | None:
    """The checkpoint to go on from; where none is sound, the newest that can be rescued."""
    sound = next((place for place in run.ranking if place.usable), None)
    if sound is not None:
        return sound
    places = {place.report.path: place for place in run.ranking}
    rescued = [row.path for row in run.checkpoints if rescue_option(row.findings)]
    return places[rescued[-1]] if rescued else None


def _command(
    request: Request, history: History | None, place: Place | None, stored: Stored
) -> tuple[CommandLine | None, str, list[str]]:
    """The command of the run, where it was found, and what is to be said of that."""
    if request.command:
        return parse_command(request.command), "--command", []
    notes = []
    if history is not None and history.commands:
        where = "the log"
        try:
            line = parse_command(history.commands[-1])
        except UsageError as error:
            told = str(error).removeprefix("--command: ")
            notes.append(f"the command in the log cannot be read: {told}")
        else:
            return line, where, ["the command is the last one in the log; --command names another"]
    found = "" if place is None else stored_command(stored(place.report.path) or {})
    if not found:
        return None, "", notes
    notes.append(
        "the command is made from the arguments stored in the checkpoint; put your script in the "
        "place of train.py"
    )
    return parse_command(found), "the arguments stored in the checkpoint", notes


def _earlier(run: RunReport | None, place: Place | None, earlier: Report | None) -> Place | None:
    """The best of an earlier run, else the next best before this one."""
    if earlier is not None:
        return next((one for one in earlier.ranking if one.usable), None)
    if place is None or run is None:
        return None
    moment = _moments(place.report)
    before = [
        one
        for one in run.ranking
        if one.usable and not one.caution and _is_before(_moments(one.report), moment)
    ]
    return max(before, key=lambda one: [at or 0 for at in _moments(one.report)], default=None)


def _moments(report: CheckpointReport) -> tuple[int | float | None, int | None]:
    """When a checkpoint was saved: its epoch, and its step."""
    return report.metadata.epoch, report.metadata.global_step


def _is_before(
    one: tuple[int | float | None, int | None], other: tuple[int | float | None, int | None]
) -> bool:
    """Whether the first was saved before the second, by the epoch where both have one."""
    for mine, yours in zip(one, other, strict=True):
        if mine is not None and yours is not None:
            return mine < yours
    return False


# -- the options ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Basis:
    """What every option is made from."""

    line: CommandLine | None
    advice: Advice
    request: Request
    stored: Stored
    warm_up: str = ""  # the flag of their framework
    copies: Sequence[CheckpointReport] = ()
    rows: Sequence[CheckpointReport] = ()
    written: set[Path] = field(default_factory=set)  # by the options so far

    def rewrite(self) -> Rewrite | None:
        """The command, to be changed; None where it is not known."""
        if self.line is None:
            return None
        return Rewrite(self.line, self.advice, self.request, OwnCheckpoints(self.rows))

    def facts(self, source: Path | None) -> Facts:
        """What is known of the training, to go on from this checkpoint."""
        scalars = (None if source is None else self.stored(source)) or {}
        return Facts(
            arguments=stored_arguments(scalars),
            epoch_steps=epoch_steps_of(self.rows),
            resumes_schedule=stores_schedule(scalars),
            flag=self.warm_up,
        )


def _resuming(name: str, title: str, place: Place, basis: _Basis) -> Option:
    """Going on from a checkpoint."""
    source, epoch = place.report.path, place.report.metadata.epoch
    rewrite = basis.rewrite()
    as_folder = rewrite is not None and rewrite.takes_folder(source)
    if as_folder:
        made: tuple[Path, str, list[str]] = (source, "", [])
    else:
        made = _checkpoint_to_resume(place, basis)
    resume, first, reasons = made
    warnings: list[str] = []
    command = first or command_line("ckptdoctor", "scan", source)
    if rewrite is not None:
        files, facts = place.report.files, basis.facts(source)
        usual = flag_in(facts.arguments) or ("" if files is None else framework_of(files).flag)
        inside = None if files is None or resume == source else placed(files, resume).checkpoint
        rewrite.resume_from(resume, source, usual, inside)
        rewrite.move_to_new_folder("recovery" if name == "A" else "earlier")
        rewrite.scale_rates(fresh=False)
        rewrite.warm_up(facts)
        command = _after(first, rewrite)
        warnings = rewrite.warnings
        if files is not None and (caution := caution_of(files)):
            warnings.append(caution)
    if as_folder and basis.advice.factor != 1.0:
        warnings.append(
            "the rate that scheduler.pt stores in that folder wins over the flag: resume from a "
            "copy of the folder without optimizer.pt and scheduler.pt to have the smaller one"
        )
    return Option(
        name=name,
        title=title + _when(place.report),
        recommended=False,
        command=command,
        changes=() if rewrite is None else tuple(rewrite.changes),
        reasons=(f"{source.name}: {place.reason}", *reasons, *_about_rate(basis.advice)),
        warnings=tuple(warnings),
        epoch=epoch,
    )


def _when(report: CheckpointReport) -> str:
    epoch, step = _moments(report)
    if epoch is not None:
        return f", epoch {count_text(epoch)}"
    return "" if step is None else f", step {step}"


def _after(first: str, rewrite: Rewrite) -> str:
    """The command, to be run only if the first one succeeds."""
    text = rewrite.text()
    if not first:
        return text
    return f"{first} && {{\n{text}\n}}" if rewrite.several else f"{first} && \\\n{text}"


def _checkpoint_to_resume(place: Place, basis: _Basis) -> tuple[Path, str, list[str]]:
    """The file to resume from, the command that makes it ("" if it is there), and why."""
    source, factor, files = place.report.path, basis.advice.factor, place.report.files
    taken = source if files is None else taken_as(files, source)
    if taken is not None and _SCALED & set(actions_of(source)):
        return taken, "", ["its stored learning rate was changed when it was restored"]
    copy = _copy_of(source, basis)
    if copy is not None:
        copy = (files and taken_as(files, copy)) or copy
        return copy, "", [f"{copy.name} was restored from {source.name} with this rate already"]
    reasons = []
    scalars = basis.stored(source)
    scale = factor != 1.0 and (scalars is None or stores_rate(scalars))
    if factor != 1.0 and not scale:
        reasons.append("it stores no learning rate: that of the flags holds")
        reasons += what_stays(scalars or {})
    rescue = "" if place.usable else rescue_option(place.report.findings)
    salvage = place.report.verdict is Verdict.SALVAGEABLE or bool(rescue)
    there = basis.line is not None or actions_of(source)
    if taken is not None and there and not scale and not salvage:
        return taken, "", reasons
    if taken is None:
        reasons.append(
            "the file that names the newest checkpoint names another; a copy has its own"
        )
    words: list[str | Path] = ["ckptdoctor", "restore", "--from", source]
    if rescue:
        words.append(rescue)
        reasons.append("its weights are broken, and what else is in the file makes them sound")
    if scale:
        words += ["--scale-lr", f"{factor:g}"]
        reasons.append(
            "resuming loads the learning rate that the checkpoint stores over that of the flags: "
            "--scale-lr changes the stored one"
        )
        reasons += what_stays(scalars or {})
    if salvage and not rescue:
        reasons.append("restore leaves out what is broken beside the weights")
    usual = clean_name(source, several=makes_folder(place.report.files))
    destination = free_name(usual, basis.written)
    basis.written.add(destination)
    if destination != usual:
        words += ["-o", destination]
    return destination, command_line(*words), reasons


def _copy_of(source: Path, basis: _Basis) -> Path | None:
    """A sound copy of a checkpoint whose rates were scaled as advised."""
    for row in basis.copies:
        made = row.restored
        if made is None or row.verdict is not Verdict.HEALTHY:
            continue
        same = place_of(made.source) == place_of(source)
        if same and made.scale is not None and math.isclose(made.scale, basis.advice.factor):
            return row.path
    return None


def _about_rate(advice: Advice) -> list[str]:
    if advice.factor == 1.0 and not advice.warmup_epochs:
        return [f"learning rate unchanged: {'; '.join(advice.reasons)}"]
    return [
        f"learning rate times {advice.in_words()}, a rule of thumb: {'; '.join(advice.reasons)}"
    ]


def _fresh(basis: _Basis, source: Path | None) -> Option | None:
    """From nothing, with settings that hold; None without a command to start."""
    rewrite = basis.rewrite()
    if rewrite is None:
        return None
    rewrite.resume_from_nothing()
    rewrite.move_to_new_folder("safe")
    rewrite.scale_rates(fresh=True)
    rewrite.warm_up(replace(basis.facts(source), resumes_schedule=False))
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
