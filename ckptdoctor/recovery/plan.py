"""The restart: from the last good file, from an earlier one, or from nothing, as ready commands."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.errors import UsageError
from ckptdoctor.histories import History
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.average_worth import worth_averaging
from ckptdoctor.recovery.causes.cause import CauseKind
from ckptdoctor.recovery.causes.evidence import Evidence, evidence_of
from ckptdoctor.recovery.causes.harmed import may_be_harmed
from ckptdoctor.recovery.causes.rank import causes_of
from ckptdoctor.recovery.causes.remedies import of_a_start
from ckptdoctor.recovery.causes.trouble import Trouble
from ckptdoctor.recovery.command_line import CommandLine, parse_command, without_others
from ckptdoctor.recovery.folders.frameworks import framework_of
from ckptdoctor.recovery.lr_rules import Advice, advise, as_told
from ckptdoctor.recovery.next_step import Asked, same_question
from ckptdoctor.recovery.option import Basis, Option, Stored, fresh, moments, resuming
from ckptdoctor.recovery.resume_argument import plain_flag
from ckptdoctor.recovery.rewrite import Request
from ckptdoctor.recovery.save_interval import save_advice
from ckptdoctor.recovery.stored_command import stored_command
from ckptdoctor.recovery.timeline import Timeline, timeline_of
from ckptdoctor.report import Place, Report, RunReport
from ckptdoctor.rules.rescue import rescue_option
from ckptdoctor.shell import command_line

__all__ = ["Plan", "make_plan"]

_STORED = "the arguments stored in the checkpoint"
_KEEP = ("--scale-lr", "1")


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
    asked: Asked | None = None,
    several: bool = False,
) -> Plan:
    """The ways to go on.

    Args:
        run: ranked, with its history; None where there are no checkpoints.
        request: what the user says.
        earlier: of an earlier run, ranked, for option B.
        stored: what a checkpoint stores: its learning rate, and maybe the arguments of the run.
        asked: which files the user named, so that a printed command asks the same.
        several: whether there are other runs beside this one.

    Raises:
        UsageError: the command that the user gives is none, or lacks a flag that the user names.
    """
    stored = functools.cache(stored)  # several ask it of the same file, and it reads
    place = None if run is None else _best(run)
    history = None if run is None else run.history
    line, where, notes = _command(request, history, place, stored)
    _refuse_unknown(request.lr_flags, line)
    typed = None if where == _STORED else line
    evidence = None if run is None else evidence_of(run, place, typed, stored, request.added)
    trouble = None if evidence is None else evidence.trouble
    advice = advise(
        request.added,
        () if evidence is None else causes_of(evidence),
        restarts=0 if history is None else history.restarts,
    )
    if request.factor is not None:
        advice = as_told(advice, request.factor)
    copies = [] if run is None else [row for row in run.checkpoints if row.restored is not None]
    rows = () if run is None else run.checkpoints
    basis = Basis(
        line=line,
        advice=advice,
        request=request,
        stored=stored,
        settings=() if evidence is None else evidence.settings,
        warm_up=next((framework_of(row.files).warm_up for row in rows if row.files), ""),
        copies=copies,
        rows=rows,
    )
    options = []
    if place is not None:
        sound = "the last good checkpoint" if place.usable else "what can be rescued"
        title = f"go on from {sound}"
        first = replace(resuming("A", title, place, basis), recommended=True)
        if line is not None and (harm := _harm(evidence, advice, place)):
            first = replace(first, warnings=(*first.warnings, harm))
        options.append(first)
    before = _earlier(run, place, earlier)
    if before is not None:
        same = place is not None and before.report.path.parent == place.report.path.parent
        title = "go on from an earlier " + (
            "checkpoint of the run" if same else "run, from before the change"
        )
        options.append(resuming("B", title, before, basis))
    from_nothing = replace(basis, advice=_of_a_start(evidence, advice, request))
    anew = fresh(from_nothing, None if place is None else place.report.path)
    if anew is not None:
        options.append(replace(anew, recommended=place is None))
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
        notes=(
            *notes,
            *_notes(basis, before),
            *([] if run is None else _beyond(run, basis, trouble, _Question(asked, several))),
        ),
    )


def _best(run: RunReport) -> Place | None:
    """The checkpoint to go on from; where none is sound, the newest that can be rescued."""
    sound = next((place for place in run.ranking if place.usable), None)
    if sound is not None:
        return sound
    places = {place.report.path: place for place in run.ranking}
    rescued = [row.path for row in run.checkpoints if rescue_option(row.findings)]
    return places[rescued[-1]] if rescued else None


def _harm(evidence: Evidence | None, advice: Advice, place: Place) -> str:
    """What rates that were too high may have done to a checkpoint; "" where nothing tells."""
    if evidence is None:
        return ""
    return may_be_harmed(evidence, advice.causes, place.report.metadata.epoch)


def _of_a_start(evidence: Evidence | None, advice: Advice, request: Request) -> Advice:
    """The advice for weights that are new: the same, but where the rate was too high for those."""
    first = next(iter(advice.causes), None)
    remedy = None if evidence is None or request.factor is not None else of_a_start(evidence)
    if remedy is None or first is None or first.kind is not CauseKind.RATE_TOO_HIGH:
        return advice
    if remedy.factor >= advice.factor or first.remedy is None:
        return advice
    return replace(
        advice,
        factor=remedy.factor,
        low=remedy.low,
        high=remedy.high,
        reasons=(remedy.reason,),
    )


_ANOTHER = "--command names another"
_MOST_CHARS = 60


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
            logged = parse_command(history.commands[-1])
            line = parse_command(without_others(history.commands[-1])) if logged.others else logged
        except UsageError as error:
            told = str(error).removeprefix("--command: ")
            notes.append(f"the command in the log cannot be read: {told}")
        else:
            left = _told(one for one in logged.others if one not in line.others)
            also = f"; what it ran besides is left out: {left}" if left else ""
            if history.commands[-1].endswith("\\"):
                also += "; it breaks off there"
            if line.others:
                also += f"; it also runs {_told(line.others)}: read it before you paste it"
            return line, where, [f"the command is the last one in the log{also}; {_ANOTHER}"]
    found = "" if place is None else stored_command(stored(place.report.path) or {})
    if not found:
        return None, "", notes
    notes.append(
        "the command is made from the arguments stored in the checkpoint; put your script in the "
        "place of train.py"
    )
    return parse_command(found), _STORED, notes


def _refuse_unknown(lr_flags: Sequence[str], line: CommandLine | None) -> None:
    """Refuse a flag for the learning rate that the command does not have.

    Raises:
        UsageError: there is one.
    """
    if line is None:
        return
    for name in lr_flags:
        if not any(flag.value is not None for flag in line.find(plain_flag(name))):
            has = [flag.written for flag in line.flags if flag.value is not None]
            raise UsageError(
                f"--lr-flag {name}: the command has no such flag with a value; "
                + (f"it has {', '.join(has)}" if has else "it has none at all")
            )


def _told(commands: Iterable[str]) -> str:
    return ", ".join(one[:_MOST_CHARS] for one in commands)


def _earlier(run: RunReport | None, place: Place | None, earlier: Report | None) -> Place | None:
    """The best of an earlier run, else the next best before this one."""
    if earlier is not None:
        return next((one for one in earlier.ranking if one.usable), None)
    if place is None or run is None:
        return None
    moment = moments(place.report)
    before = [
        one
        for one in run.ranking
        if one.usable and not one.caution and _is_before(moments(one.report), moment)
    ]
    return max(before, key=lambda one: [at or 0 for at in moments(one.report)], default=None)


def _is_before(
    one: tuple[int | float | None, int | None], other: tuple[int | float | None, int | None]
) -> bool:
    """Whether the first was saved before the second, by the epoch where both have one."""
    for mine, yours in zip(one, other, strict=True):
        if mine is not None and yours is not None:
            return mine < yours
    return False


@dataclass(frozen=True, slots=True)
class _Question:
    """What was asked, so that a printed command asks the same."""

    asked: Asked | None
    several: bool

    def words(self, run: RunReport) -> list[str | Path]:
        """Of a command that means this run."""
        return same_question(run, self.asked or Asked(), several=self.several)


def _beyond(
    run: RunReport, basis: Basis, trouble: Trouble | None, question: _Question
) -> Iterator[str]:
    """What else may help this run."""
    notes = (
        _on_the_rate(run, basis, question),
        save_advice(run, trouble),
        worth_averaging(run, question.asked, several=question.several),
    )
    yield from filter(None, notes)


def _on_the_rate(run: RunReport, basis: Basis, question: _Question) -> str:
    """How to keep the rate, where something else may have been the cause; "" elsewhere."""
    advice = basis.advice
    unsure = advice.causes and not advice.causes[0].is_rate and advice.factor < 1.0
    if not unsure or basis.request.factor is not None:
        return ""
    words = [*question.words(run), *basis.request.words(), *_KEEP]
    again = command_line("ckptdoctor", "plan", *words)
    return f"the rate may not be the cause. To keep it, once another is mended:  {again}"


def _notes(basis: Basis, before: Place | None) -> list[str]:
    """What would make the plan better."""
    notes, line = [], basis.line
    if line is None:
        notes.append(
            "the command of the run is not known: --command '...' has it rewritten, ready to start"
        )
    if before is None:
        notes.append("option B needs another checkpoint: --earlier FOLDER names an earlier run")
    told = any(cause.kind is CauseKind.GRADIENTS_GREW for cause in basis.advice.causes)
    if line is not None and not basis.request.added and not told:
        switches = [name for name in ("deep-supervision", "ema") if line.find(name)]
        notes += [f"if --{name} is what you added, say --added {name}" for name in switches]
    return notes
