"""What happened to a run: in one sentence, and by epoch or step."""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.finding import Severity, Verdict
from ckptdoctor.histories import AlarmKind
from ckptdoctor.postmortem.document import Part, Table
from ckptdoctor.postmortem.material import Material

__all__ = ["happened", "headline"]

_LAST = float("inf")
_TOLD = {
    AlarmKind.DECLINE: "CD401",
    AlarmKind.COLLAPSE: "CD402",
    AlarmKind.SHIFT: "CD412",
}
"""What is told of the metric itself, where it is known: as alarm and as finding."""
_LOGGED = {AlarmKind.EXPLOSION: "CD403", AlarmKind.NON_FINITE: "CD404"}


def headline(of: Material) -> str:
    """What happened, in one sentence: the metric, then what went wrong, then what did not."""
    report, history, first = of.report, of.report.history, of.onset.first
    best, metric = history.best, history.metric
    count = len(report.checkpoints)
    parts: list[str] = []
    if best is not None:
        at = history.clock.say(best.at)
        parts.append(f"{metric} was best at {at} ({best.value:.4g})")
    elif of.evidence is None:
        parts.append(f"{count} checkpoint{'s' * (count > 1)}, and no metric is known")
    if of.evidence is not None:
        parts.append(of.evidence.trouble.said)
        return "; ".join(parts) + "."
    bad = [row for row in report.checkpoints if row.verdict is not Verdict.HEALTHY]
    found = (one for row in bad for one in row.findings)
    worst = next((one for one in found if one.severity >= Severity.WARNING), None)
    if worst is not None:
        parts.append(
            f"{len(bad)} of {count} checkpoints are not healthy: {worst.subject}: {worst.message}"
        )
    if first is not None:
        fallen = (
            f"{metric} has not fallen for good since, as far as is known"
            if best is not None
            else ""
        )
        left = f"{first.module} left its past at {of.figures.course.say(first.place)}"
        parts.append(f"{left}, and {fallen}" if fallen else left)
    if worst is None and first is None:
        parts.append("nothing went wrong that the metric or the files tell of")
    return "; ".join(parts) + "."


def happened(of: Material) -> Iterator[Part]:
    """A table of what happened and when, the checkpoints and logs, and what rules found."""
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
    known = {
        AlarmKind.DECLINE: span is not None,
        AlarmKind.COLLAPSE: history.collapse is not None,
        AlarmKind.SHIFT: history.shift is not None,
    }
    alarms = [one for one in history.alarms if one.lasting and not known.get(one.kind, False)]
    told += [(one.since, say(one.since), one.message) for one in alarms]
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
    heard = {code for kind, code in _TOLD.items() if known[kind]}
    heard |= {code for kind, code in _LOGGED.items() if any(one.kind is kind for one in alarms)}
    heard.add("CD413")  # told below, exactly
    logs = ", ".join(path.name for path in history.logs) or "none"
    total = len(report.checkpoints)
    yield f"{total} checkpoint{'s' * (total > 1)}: {', '.join(counts)}. Logs: {logs}."
    for finding in report.findings:
        if finding.severity >= Severity.WARNING and finding.code not in heard:
            yield f"{finding.code}: {finding.message}."
