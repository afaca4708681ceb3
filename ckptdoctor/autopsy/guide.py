"""The recovery guide of one run, section by section: sentences with figures, commands, tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.autopsy.against import against
from ckptdoctor.autopsy.document import Command, Part, Section, Table
from ckptdoctor.autopsy.material import Material
from ckptdoctor.autopsy.order import decays_of, sentence, who_knew
from ckptdoctor.autopsy.prevention import for_good, timeline, to_watch
from ckptdoctor.autopsy.suspicions import suspicions_of
from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.metadata import count_text
from ckptdoctor.runs.departure.course import Trait
from ckptdoctor.runs.departure.words import in_words

__all__ = ["guide"]

_MOST_MODULES = 12
_MOST_GOOD = 6
_MOST_DECAYS = 3
_LAST = float("inf")


def guide(of: Material) -> tuple[Section, ...]:
    """The sections, in the order in which they are needed."""
    made = (
        ("happened", "What happened", _happened(of)),
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


def _happened(of: Material) -> Iterator[Part]:
    history, report = of.report.history, of.report
    say = history.clock.say
    told: list[tuple[float, str, str]] = []
    best = history.best
    if best is not None:
        told.append((best.at, say(best.at), f"best {history.metric}: {best.value:.4g}"))
    span = history.decline
    if span is not None:
        low = history.value_at(span.last)
        fell = "" if low is None else f", down to {low:.4g}"
        when = f"{say(span.first)} to {span.last:g}"
        told.append((span.first, when, f"{history.metric} declines{fell}"))
    if history.shift is not None:
        shift = history.shift
        words = f"{history.metric} falls from {shift.before:.4g} to {shift.after:.4g}"
        told.append((shift.at, say(shift.at), words))
    if history.collapse is not None:
        value = history.value_at(history.collapse)
        now = "" if value is None else f": {history.metric} is {value:.4g}"
        told.append((history.collapse, say(history.collapse), f"collapse{now}"))
    told += [(one.since, say(one.since), one.message) for one in history.alarms if one.lasting]
    first = of.onset.first
    if first is not None and of.onset.stands_out:
        words = f"{first.module} is the first module outside its own past"
        at = of.figures.course.moments[first.place].at
        told.append((_LAST if at is None else at, of.figures.course.say(first.place), words))
    if history.last_at is not None:
        told.append((history.last_at, say(history.last_at), "the last that is known of the run"))
    rows = dict.fromkeys((when, what) for _, when, what in sorted(told, key=lambda one: one[0]))
    if rows:
        yield Table(head=("when", "what"), rows=tuple(rows))
    counts = [
        f"{count} {verdict.value}"
        for verdict in Verdict
        if (count := sum(row.verdict is verdict for row in report.checkpoints))
    ]
    logs = ", ".join(path.name for path in history.logs) or "none"
    yield f"{len(report.checkpoints)} checkpoints: {', '.join(counts)}. Logs: {logs}."
    for finding in report.findings:
        if finding.severity >= Severity.WARNING and finding.code != "CD413":  # told below, exactly
            yield f"{finding.code}: {finding.message}."


def _first(of: Material) -> Iterator[Part]:
    course, onset = of.figures.course, of.onset
    if len(course.moments) < 2:
        yield "One checkpoint has no past: at least six are needed to judge by."
        return
    yield sentence(course, onset)
    if onset.first is None:
        return
    yield who_knew(course, onset)
    if onset.modules:
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
    if len(onset.modules) > _MOST_MODULES:
        yield f"{len(onset.modules) - _MOST_MODULES} more modules followed."
    for decay in decays_of(course, of.figures.optimizers)[:_MOST_DECAYS]:
        yield (
            f"The exp_avg_sq of {decay.name} decayed as beta2 to the number of steps from "
            f"{course.say(decay.first)} to {course.say(decay.last)} ({100 * decay.share:.0f} % of "
            "the pure decay): hardly a gradient reached it. A spike may follow, since the next one "
            "is divided by little (arXiv 2506.04805)."
        )


def _causes(of: Material) -> Iterator[Part]:
    ranked: list[tuple[int, str, list[str], list[str], list[str]]] = [
        (
            -one.sure,
            f"{one.title} ({one.sure.word})",
            list(one.reasons),
            list(one.against),
            list(one.todo),
        )
        for one in suspicions_of(of.figures, of.onset, of.left)
    ]
    for cause in of.plan.advice.causes:
        told = (
            [] if of.evidence is None else against(cause, of.evidence, of.figures.course, of.onset)
        )
        title = f"{cause.kind.value} ({cause.sure.word})"
        ranked.append((-cause.sure, title, list(cause.evidence), told, list(cause.todo)))
    ranked.sort(key=lambda one: one[0])
    for number, (_, title, reasons, counter, todo) in enumerate(ranked, start=1):
        rows = [("for", reason) for reason in reasons]
        rows += [("against", reason) for reason in counter or ["nothing that the files tell"]]
        rows += [("to do", words) for words in todo]
        yield Table(head=(f"{number}.", title), rows=tuple(rows))
    if not ranked:
        yield "Nothing went wrong that rates, losses, settings or tensors tell of."


def _now(of: Material) -> Iterator[Part]:
    history, report = of.report.history, of.report
    trouble = None if of.evidence is None else of.evidence.trouble
    if trouble is None and of.onset.first is None:
        yield "Nothing: let it go on."
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
    usable = sum(place.usable for place in of.report.ranking)
    yield f"{usable} of {len(of.report.ranking)} can be gone on from."


def _behind(of: Material, path: Path) -> str:
    """Whether a checkpoint was saved once the first module had left its past."""
    first = of.onset.first
    places = {one.path: place for place, one in enumerate(of.report.run.saved)}
    if first is None or places.get(path, -1) < first.place:
        return ""
    return f"; {of.figures.course.short(first.module)} is outside its past in it"


def _restart(of: Material) -> Iterator[Part]:
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
            rows += [("why", of.relative.command(reason)) for reason in option.reasons]
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
    if course.exact and Trait.SQUARES in course.series and of.figures.optimizers.beta2 is None:
        yield "Which beta2 the optimizer had is not stored, so decays could not be told apart."
    if of.plan.command_from == "":
        yield "The command that started the run is not known: --command '...' of plan takes it."
    yield "Gradients and activations are not in checkpoints; what is said of them is inferred."


def _proof(of: Material) -> Iterator[Part]:
    course, relative = of.figures.course, of.relative
    yield "All commands are to be run in the folder of the run; paths are told from there."
    yield Command(text="ckptdoctor autopsy ." + ("" if course.exact else " --quick"))
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
        yield Command(text="ckptdoctor history .")
    if of.files:
        rows = [(one.name, f"{one.nbytes}", one.sha256) for one in of.files]
        yield Table(head=("file", "bytes", "sha256"), rows=tuple(rows))
