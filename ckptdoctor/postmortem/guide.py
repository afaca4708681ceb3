"""The recovery guide of one run, section by section: sentences with figures, commands, tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.metadata import count_text
from ckptdoctor.postmortem.document import Command, Part, Section, Table
from ckptdoctor.postmortem.happened import happened
from ckptdoctor.postmortem.material import Material
from ckptdoctor.postmortem.order import decays_of, sentence, who_knew
from ckptdoctor.postmortem.prevention import for_good, timeline, to_watch
from ckptdoctor.recovery.next_step import clean_name, free_name
from ckptdoctor.runs.departure.course import Trait
from ckptdoctor.runs.departure.past import FEWEST
from ckptdoctor.runs.departure.words import in_words

__all__ = ["guide"]

_MOST_MODULES = 12
_MOST_GOOD = 6
_MOST_DECAYS = 3


def guide(of: Material) -> tuple[Section, ...]:
    """The sections, in the order in which they are needed."""
    made = (
        ("happened", "What happened", happened(of)),
        ("first", "What went bad first", _first(of)),
        ("causes", "Why", _causes(of)),
        ("now", "What to do now", _now(of)),
        ("good", "What is still good", _good(of)),
        ("restart", "How to restart", _restart(of)),
        ("prevention", "What to change for good", for_good(of)),
        ("watch", "What to watch in the first epochs", to_watch(of)),
        ("timeline", "How long it takes", timeline(of)),
        ("unknown", "What is not known", _unknown(of)),
        ("proof", "How to have every figure again", _proof(of)),
    )
    sections = (Section(key=key, title=title, parts=tuple(parts)) for key, title, parts in made)
    return tuple(section for section in sections if section.parts)


def _first(of: Material) -> Iterator[Part]:
    course, onset = of.figures.course, of.onset
    yield sentence(course, onset)
    if onset.first is None:
        return
    yield who_knew(course, onset)
    if onset.modules and onset.stands_out:
        rows = [
            (
                str(number),
                course.say(one.place),
                course.short(one.module),
                in_words(course, one),
            )
            for number, one in enumerate(onset.modules[:_MOST_MODULES], start=1)
        ]
        yield Table(head=("", "when", "module", "what it did"), rows=tuple(rows))
    if onset.stands_out and len(onset.modules) > _MOST_MODULES:
        yield f"{len(onset.modules) - _MOST_MODULES} more modules followed."
    for decay in decays_of(course, of.figures.optimizers)[:_MOST_DECAYS]:
        yield (
            f"The exp_avg_sq of {decay.name} decayed as beta2 to the number of steps from "
            f"{course.say(decay.first)} to {course.say(decay.last)} ({100 * decay.share:.0f} % of "
            "the pure decay): hardly a gradient reached it. A spike may follow, since the next one "
            "is divided by little (arXiv 2506.04805)."
        )


def _causes(of: Material) -> Iterator[Part]:
    for number, one in enumerate(of.causes, start=1):
        rows = [("for", reason) for reason in one.reasons or ["nothing that the files tell"]]
        rows += [("against", words) for words in one.against or ["nothing that the files tell"]]
        rows += [("to do", words) for words in one.todo if not one.is_unlikely]
        yield Table(head=(f"{number}.", f"{one.title} ({one.word})"), rows=tuple(rows))
    if of.causes:
        return
    if of.evidence is None and of.onset.first is None:
        yield "Nothing went wrong that rates, losses, settings or tensors tell of."
    else:
        yield "Not known: rates, losses, settings and tensors speak for no cause."


def _now(of: Material) -> Iterator[Part]:
    history, report = of.report.history, of.report
    trouble = None if of.evidence is None else of.evidence.trouble
    if trouble is None and of.onset.first is None:
        little = len(of.figures.course.moments) <= FEWEST and not history.metric
        yield (
            "Nothing is known to be wrong; but neither a metric nor enough of a past is known."
            if little
            else "Nothing: let it go on."
        )
        return
    if trouble is not None:
        yield f"Stop the training if it still runs: {trouble.said}, and it has not come back."
        yield Command(text="ckptdoctor gpu")
        yield "shows which process holds the memory of the GPU, and how to free it."
    elif of.onset.first is not None:
        at = of.figures.course.say(of.onset.first.place)
        yield (
            f"{of.onset.first.module} left its past at {at}; {history.metric or 'the metric'} has "
            "not fallen since, as far as is known. Look at the cause before the run goes on."
        )
    if report.next:
        yield Command(text=of.relative.command(report.next))


def _good(of: Material) -> Iterator[Part]:
    rows = []
    for place in of.report.ranking[:_MOST_GOOD]:
        data = place.report.metadata
        when = "" if data.epoch is None else count_text(data.epoch)
        rows.append(
            (
                str(place.rank),
                of.relative.path(place.report.path),
                when,
                place.report.verdict.value,
                place.reason + _behind(of, place.report.path),
            )
        )
    if rows:
        yield Table(head=("", "checkpoint", "epoch", "verdict", "why"), rows=tuple(rows))
    else:
        yield "No checkpoint of this run could be read."
    usable = [place for place in of.report.ranking if place.usable]
    doubtful = sum(bool(place.caution) for place in usable)
    but = f"; of {doubtful} of them the score speaks against it" if doubtful else ""
    yield f"{len(usable)} of {len(of.report.ranking)} can be gone on from{but}."


def _behind(of: Material, path: Path) -> str:
    """Whether a checkpoint was saved once the first module had left its past."""
    first = of.onset.first
    places = {one.path: place for place, one in enumerate(of.report.run.saved)}
    if first is None or places.get(path, -1) < first.place:
        return ""
    return f"; {of.figures.course.short(first.module)} is outside its past in it"


def _before_it_began(of: Material) -> Iterator[Part]:
    """The newest sound checkpoint ahead of the first departure, where A goes on from behind it."""
    first, option = of.onset.first, next(iter(of.plan.options), None)
    chosen = next((one for one in of.report.ranking if one.usable), None)
    if first is None or option is None or chosen is None or not of.onset.stands_out:
        return
    places = {one.path: place for place, one in enumerate(of.report.run.saved)}
    if option.name != "A" or places.get(chosen.report.path, -1) < first.place:
        return
    usable = {one.report.path for one in of.report.ranking if one.usable}
    sound = [path for path, place in places.items() if place < first.place and path in usable]
    if not sound:
        return
    yield (
        f"Mind: {of.figures.course.short(first.module)} is outside its past in the checkpoint of "
        f"A. The newest one that is sound and was saved before is {of.relative.path(sound[-1])}:"
    )
    clean = clean_name(sound[-1])  # options A and B take this name
    target = free_name(clean.with_name(f"{clean.stem}_before{clean.suffix}"))
    yield Command(
        text=of.relative.words("ckptdoctor", "restore", "--from", sound[-1], "-o", target)
    )


def _restart(of: Material) -> Iterator[Part]:
    yield from _before_it_began(of)
    if of.apart:
        yield of.apart
    for option in of.plan.options:
        mark = ", recommended" if option.recommended else ""
        yield f"{option.name}{mark}: {option.title}."
        yield Command(text=of.relative.command(option.command))
        rows = [
            (
                f"{change.flag}",
                f"{change.before or '–'} to {change.after or 'nothing'}: {change.reason}",
            )
            for change in option.changes
        ]
        if option.recommended:
            reasons = (one for one in option.reasons if not one.startswith("cause: "))  # told above
            rows += [("why", of.relative.command(reason)) for reason in reasons]
        rows += [("mind", of.relative.command(warning)) for warning in option.warnings]
        if rows:
            yield Table(head=("", "what is changed, and why"), rows=tuple(rows))
    for note in of.plan.notes:
        yield of.relative.command(note) + "."


def _unknown(of: Material) -> Iterator[Part]:
    course, history = of.figures.course, of.report.history
    if not history.metric:
        yield "No metric is known: neither the files nor a log tell of one."
    if not history.logs:
        yield "No log was found: what happened between two checkpoints is not known."
    if not course.exact and len(course.moments) > 1:
        yield (
            "Only a few elements of each tensor were looked at (--quick): figures are estimates, "
            "and the optimizer's states were left out."
        )
    if course.exact and not any(Trait(one) in course.series for one in ("squares", "momentum")):
        yield "The files hold no state of the optimizer that could be assigned to its parameters."
    span, first = history.decline, of.onset.first
    began = None if first is None else course.moments[first.place].at
    if span is not None and (began is None or began > span.last):
        yield (
            f"Why {history.metric} declined from {history.clock.say(span.first)} to "
            f"{span.last:g} is not known: no tensor left its past by then, as far as the "
            "checkpoints tell."
        )
    if course.exact and Trait.SQUARES in course.series and of.figures.optimizers.beta2 is None:
        yield "Which beta2 the optimizer had is not stored, so decays could not be told apart."
    if of.plan.command_from == "":
        yield "The command that started the run is not known: --command '...' of plan takes it."
    yield "Gradients and activations are not in checkpoints; what is said of them is inferred."


def _proof(of: Material) -> Iterator[Part]:
    course, relative = of.figures.course, of.relative
    yield "All commands are to be run in the folder of the run; paths are told from there."
    quick = () if course.exact or len(course.moments) < 2 else ("--quick",)
    yield Command(text=relative.words("ckptdoctor", "autopsy", *of.question, *quick))
    first = of.onset.first
    paths = [one.path for one in of.report.run.saved]
    if first is not None and first.place > 0:
        words = ["ckptdoctor diff", *map(relative.quoted, paths[first.place - 1 : first.place + 1])]
        yield Command(text=f"{' '.join(words)} --tensor {relative.word(first.name)}")
        yield "shows how far that tensor moved; its largest element and its NaN:"
        tensor = relative.word(first.name)
        yield Command(
            text=f"ckptdoctor inspect {relative.quoted(paths[first.place])} --tensor {tensor}"
        )
    if of.report.history.points:
        yield Command(text=relative.words("ckptdoctor", "history", *of.question))
    if of.files:
        rows = [(one.name, f"{one.nbytes}", one.sha256) for one in of.files]
        yield Table(head=("file", "bytes", "sha256"), rows=tuple(rows))
