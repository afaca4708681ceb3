"""One way to go on, as a command that is ready to run: from a checkpoint, or from nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.finding import Verdict
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import actions_of
from ckptdoctor.metadata import count_text
from ckptdoctor.places import place_of
from ckptdoctor.recovery.causes.cause import CauseKind, Sure
from ckptdoctor.recovery.causes.settings import Setting, planned_epochs
from ckptdoctor.recovery.command_line import CommandLine
from ckptdoctor.recovery.folders.frameworks import caution_of, framework_of, placed, taken_as
from ckptdoctor.recovery.lr_rules import Advice
from ckptdoctor.recovery.next_step import clean_name, free_name, makes_folder
from ckptdoctor.recovery.own_checkpoints import OwnCheckpoints
from ckptdoctor.recovery.resume_argument import flag_in
from ckptdoctor.recovery.rewrite import Change, Request, Rewrite
from ckptdoctor.recovery.stored_command import stored_arguments
from ckptdoctor.recovery.stored_growth import Growth, growth_of, growths_of
from ckptdoctor.recovery.stored_rates import stores_rate, stores_schedule, what_stays
from ckptdoctor.recovery.stored_rise import rise_of
from ckptdoctor.recovery.warm_up import Facts, epoch_steps_of, warm_up_of
from ckptdoctor.report import CheckpointReport, Place
from ckptdoctor.rules.rescue import rescue_option
from ckptdoctor.shell import command_line

__all__ = ["Basis", "Option", "Stored", "fresh", "moments", "resuming"]

Stored = Callable[[Path], Mapping[str, Scalar] | None]
"""The scalars that a checkpoint stores, by path; None where that is not known."""

_SCALED = frozenset({"scale-lr", "set-lr", "lr-decay"})
_MOST_CAUSES = 3
_FIFTH = 5


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
class Basis:
    """What every option is made from."""

    line: CommandLine | None
    advice: Advice
    request: Request
    stored: Stored
    settings: tuple[Setting, ...] = ()  # that differ from those of the sound checkpoint
    warm_up: str = ""  # the flag of their framework
    copies: Sequence[CheckpointReport] = ()
    rows: Sequence[CheckpointReport] = ()
    written: set[Path] = field(default_factory=set)  # by the options so far

    def rewrite(self) -> Rewrite | None:
        """The command, to be changed; None where it is not known."""
        if self.line is None:
            return None
        return Rewrite(self.line, self.advice, self.request, OwnCheckpoints(self.rows))

    def growths(self, source: Path | None) -> tuple[Growth, ...]:
        """The schedules that a checkpoint stores and that are to lower the rate from now on."""
        if source is None or self.advice.decay is None:
            return ()
        return tuple(growths_of(self.stored(source) or {}))

    def warm_up_stored(self, report: CheckpointReport) -> float | None:
        """The epochs over which the schedule of a copy is to rise anew; None for no such.

        A fifth of the epochs that are left at most: the rest is to train at the full rate.
        """
        epochs, epoch = self.advice.warmup_epochs, report.metadata.epoch
        if not epochs or self.line is None or makes_folder(report.files):
            return None
        facts = self.facts(report.path, epoch)
        if not warm_up_of(self.line, epochs, facts).stored:
            return None
        total = planned_epochs(facts.arguments, self.line)
        if total is None or epoch is None:
            return float(epochs)
        return float(max(1, min(epochs, (total - epoch) // _FIFTH)))

    def facts(self, source: Path | None, epoch: float | None = None) -> Facts:
        """What is known of the training, to go on from this checkpoint."""
        scalars = (None if source is None else self.stored(source)) or {}
        return Facts(
            arguments=stored_arguments(scalars),
            epoch_steps=epoch_steps_of(self.rows),
            resumes_schedule=stores_schedule(scalars),
            flag=self.warm_up,
            rise=rise_of(scalars, epoch),
        )


def resuming(name: str, title: str, place: Place, basis: Basis) -> Option:
    """Going on from a checkpoint."""
    source, epoch = place.report.path, place.report.metadata.epoch
    rewrite, grown = basis.rewrite(), basis.growths(source)
    as_folder = rewrite is not None and rewrite.takes_folder(source)
    if as_folder:
        made: tuple[Path, str, list[str]] = (source, "", [])
    else:
        made = _checkpoint_to_resume(place, basis)
    resume, first, reasons = made
    warnings: list[str] = []
    command = first or command_line("ckptdoctor", "scan", source)
    if rewrite is not None:
        files, facts = place.report.files, basis.facts(source, epoch)
        stored = flag_in(facts.arguments)
        theirs = "" if files is None else framework_of(files).flag
        usual = rewrite.spelled(stored) if stored else theirs
        inside = None if files is None or resume == source else placed(files, resume).checkpoint
        rewrite.resume_from(resume, source, usual, inside)
        rewrite.move_to_new_folder("recovery" if name == "A" else "earlier")
        if _was_unread(basis.advice):
            rewrite.load_optimizer()
            rewrite.schedule_as_before(basis.settings)
        rewrite.scale_rates(fresh=False)
        rewrite.stop_growth(grown)
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
    causes = _about_cause(basis.advice)
    return Option(
        name=name,
        title=title + _when(place.report),
        recommended=False,
        command=command,
        changes=(
            *(_stored_change(one, basis.advice) for one in grown),
            *(() if rewrite is None else rewrite.changes),
        ),
        reasons=(
            f"{source.name}: {place.reason}",
            *causes[:1],
            _about_rate(basis.advice),
            *causes[1:],
            *_beside_the_rate(basis.advice),
            *reasons,
        ),
        warnings=tuple(warnings),
        epoch=epoch,
    )


def _stored_change(growth: Growth, advice: Advice) -> Change:
    """What the copy stores in place of a factor that raises the rate."""
    return Change(
        flag=growth.path,
        before=f"{growth.times:g}",
        after=f"{advice.decay:g}",
        reason="stored in the checkpoint: above 1 it raises the rate",
    )


def _when(report: CheckpointReport) -> str:
    epoch, step = moments(report)
    if epoch is not None:
        return f", epoch {count_text(epoch)}"
    return "" if step is None else f", step {step}"


def _after(first: str, rewrite: Rewrite) -> str:
    """The command, to be run only if the first one succeeds."""
    text = rewrite.text()
    if not first:
        return text
    return f"{first} && {{\n{text}\n}}" if rewrite.several else f"{first} && \\\n{text}"


def _checkpoint_to_resume(place: Place, basis: Basis) -> tuple[Path, str, list[str]]:
    """The file to resume from, the command that makes it ("" if it is there), and why."""
    source, files = place.report.path, place.report.files
    taken = source if files is None else taken_as(files, source)
    if taken is not None and _SCALED & set(actions_of(source)):
        return taken, "", ["its stored learning rate was changed when it was restored"]
    warm_up = basis.warm_up_stored(place.report)
    copy = _copy_of(source, basis, warmed=warm_up is not None)
    if copy is not None:
        copy = (files and taken_as(files, copy)) or copy
        return copy, "", [f"{copy.name} was restored from {source.name} with this rate already"]
    edits, reasons = _edits_of_rates(basis.stored(source), basis.advice)
    if warm_up is not None:
        edits += ["--warm-up", f"{warm_up:g}"]
        reasons.append(
            "the script has no flag for a warm-up: --warm-up writes one into the stored schedule"
        )
    rescue = "" if place.usable else rescue_option(place.report.findings)
    salvage = place.report.verdict is Verdict.SALVAGEABLE or bool(rescue)
    there = basis.line is not None or actions_of(source)
    if taken is not None and there and not edits and not salvage:
        return taken, "", reasons
    if taken is None:
        reasons.append(
            "the file that names the newest checkpoint names another; a copy has its own"
        )
    words: list[str | Path] = ["ckptdoctor", "restore", "--from", source]
    if rescue:
        words.append(rescue)
        reasons.append("its weights are broken, and what else is in the file makes them sound")
    words += edits
    if salvage and not rescue:
        reasons.append("restore leaves out what is broken beside the weights")
    usual = clean_name(source, several=makes_folder(place.report.files))
    destination = free_name(usual, basis.written)
    basis.written.add(destination)
    if destination != usual:
        words += ["-o", destination]
    return destination, command_line(*words), reasons


def _edits_of_rates(
    scalars: Mapping[str, Scalar] | None, advice: Advice
) -> tuple[list[str], list[str]]:
    """What ``restore`` has to do to the stored rates and their schedule, as words, and why."""
    words, reasons, factor = [], [], advice.factor
    if factor != 1.0 and (scalars is None or stores_rate(scalars)):
        words += ["--scale-lr", f"{factor:g}"]
        reasons.append(
            "resuming loads the learning rate that the checkpoint stores over that of the flags: "
            "--scale-lr changes the stored one"
        )
    elif factor != 1.0:
        reasons.append("it stores no learning rate: that of the flags holds")
    if factor != 1.0:
        reasons += what_stays(scalars or {})
    grown = growth_of(scalars or {})
    if advice.decay is not None and grown is not None:
        words += ["--lr-decay", f"{advice.decay:g}"]
        reasons.append(
            f"resuming loads {grown.name} = {grown.times:g} that the checkpoint stores over that "
            "of the flags: --lr-decay changes the stored one"
        )
    if advice.forget and scalars is not None and stores_rate(scalars):
        words.append("--reset-optimizer")
        reasons.append(
            "the momentum that the checkpoint stores was gathered on the way over the edge: "
            "--reset-optimizer lets it begin anew"
        )
    return words, reasons


def _copy_of(source: Path, basis: Basis, *, warmed: bool) -> Path | None:
    """A sound copy of a checkpoint whose rates were scaled as advised."""
    for row in basis.copies:
        made = row.restored
        if made is None or row.verdict is not Verdict.HEALTHY:
            continue
        same = place_of(made.source) == place_of(source) and made.decay == basis.advice.decay
        same = same and ("reset-optimizer" in made.actions) >= basis.advice.forget
        same = same and ("warm-up" in made.actions) is warmed
        if same and made.scale is not None and math.isclose(made.scale, basis.advice.factor):
            return row.path
    return None


def _was_unread(advice: Advice) -> bool:
    """Whether it went wrong because the stored optimizer was not loaded, and now it can be."""
    clear = [cause.kind for cause in advice.causes if cause.sure is Sure.CLEAR]
    return CauseKind.OPTIMIZER_LOST in clear


def _about_cause(advice: Advice) -> list[str]:
    """Why it went wrong, as far as that is known."""
    return [f"cause: {cause.in_words()}" for cause in advice.causes[:_MOST_CAUSES]]


def _beside_the_rate(advice: Advice) -> list[str]:
    """What to do that no flag does."""
    return list(dict.fromkeys(do for one in advice.causes[:_MOST_CAUSES] for do in one.todo))


def _about_rate(advice: Advice) -> str:
    if advice.factor == 1.0 and not advice.warmup_epochs:
        return f"learning rate unchanged: {'; '.join(advice.reasons)}"
    return f"learning rate times {advice.in_words()}: {'; '.join(advice.reasons)}"


def fresh(basis: Basis, source: Path | None) -> Option | None:
    """From nothing, with settings that hold; None without a command to start."""
    advice = _of_the_start(basis.advice)
    rewrite = replace(basis, advice=advice).rewrite()
    if rewrite is None:
        return None
    rewrite.resume_from_nothing()
    rewrite.move_to_new_folder("safe")
    reason = _about_rate(advice)
    if rewrite.stop_growth(basis.growths(source)):
        reason = "learning rate unchanged: it was healthy until the schedule raised it"
    elif _was_unread(basis.advice) and rewrite.schedule_as_before(basis.settings):
        reason = "learning rate as it was before the resume"
    else:
        rewrite.scale_rates(fresh=True)
    rewrite.warm_up(replace(basis.facts(source), resumes_schedule=False))
    return Option(
        name="C",
        title="start afresh with safe settings",
        recommended=False,
        command=rewrite.text(),
        changes=tuple(rewrite.changes),
        reasons=("for when no checkpoint can be trusted", reason),
        warnings=tuple(rewrite.warnings),
    )


def _of_the_start(advice: Advice) -> Advice:
    """The advice for a start at which no stored optimizer helps: the strongest of all causes."""
    if not _was_unread(advice):
        return advice
    others = [cause.remedy for cause in advice.causes if cause.remedy is not None]
    strongest = min(others, key=lambda remedy: remedy.factor)
    return replace(
        advice,
        factor=strongest.factor,
        low=strongest.low,
        high=strongest.high,
        warmup_epochs=strongest.warmup_epochs,
        reasons=(strongest.reason,),
    )


def moments(report: CheckpointReport) -> tuple[int | float | None, int | None]:
    """When a checkpoint was saved: its epoch, and its step."""
    return report.metadata.epoch, report.metadata.global_step
