"""The smaller results as blocks: what a page and a notebook show of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ckptdoctor.checkpoint import TensorRecord
from ckptdoctor.difference import Difference
from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.metadata import count_text
from ckptdoctor.postmortem.document import Autopsy
from ckptdoctor.recovery.option import Option
from ckptdoctor.recovery.plan import Plan
from ckptdoctor.recovery.repair.flip import Repaired
from ckptdoctor.recovery.restored import Restored
from ckptdoctor.render.html.blocks import Block, Command, Grid, Heading, Line, page
from ckptdoctor.render.sections import BESIDE, Section, logs_words, sections
from ckptdoctor.render.text import bytes_text, number, plural, printable
from ckptdoctor.render.wording import (
    NOTHING_GOOD,
    brief,
    counts,
    epoch_of,
    label,
    summary,
    why_not_healthy,
)
from ckptdoctor.report import CheckpointReport, Place, Report
from ckptdoctor.shell import command_line
from ckptdoctor.survey import Chronicles

__all__ = [
    "autopsy_blocks",
    "diff_blocks",
    "history_blocks",
    "inspect_blocks",
    "inspect_html",
    "plan_blocks",
    "rank_blocks",
    "repaired_blocks",
    "restored_blocks",
]

_MOST_ROWS = 200
_TONES = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.INFO: "quiet"}
_TONE_OF = {
    Verdict.HEALTHY: "good",
    Verdict.SUSPECT: "warn",
    Verdict.SALVAGEABLE: "warn",
    Verdict.CORRUPT: "bad",
    Verdict.UNREADABLE: "bad",
}


def rank_blocks(report: Report) -> Iterator[Block]:
    """The result of ``rank``: each run from its best, with the reason for every place."""
    yield Line(text=summary(report))
    for section in sections(report):
        yield from _ranked(section)
    for note in report.notes:
        yield Line(label="note", text=brief(note, 600), tone="quiet")


def _ranked(section: Section) -> Iterator[Block]:
    if section.is_beside or section.name:
        yield Heading(text=BESIDE.capitalize() if section.is_beside else brief(section.name))
    if logs := logs_words(section.run):
        yield Line(text=brief(logs, 300), tone="quiet")
    if section.last_good is None and not section.is_beside:
        yield Line(text=NOTHING_GOOD, tone="bad")
    places = section.ranking[:_MOST_ROWS]
    yield Grid(
        head=("place", "checkpoint", "epoch", "metric", "verdict", "why here"),
        rows=[_place(place) for place in places],
        figures=frozenset({0, 2, 3}),
        hidden=len(section.ranking) - len(places),
    )
    if section.next:
        yield Command(label="Next", text=section.next)


def _place(place: Place) -> tuple[str, ...]:
    row = place.report
    return (
        str(place.rank),
        brief(row.path, 160),
        *_figures(row),
        row.verdict.value,
        brief(place.reason),
    )


def _figures(row: CheckpointReport) -> tuple[str, str]:
    epoch, metric = epoch_of(row), row.metadata.metric
    said = "" if metric is None else f"{brief(metric.name, 24)} {number(metric.value)}"
    return "" if epoch is None else count_text(epoch), said


def inspect_html(report: CheckpointReport, shown: Sequence[TensorRecord]) -> str:
    """The result of ``inspect`` as one HTML file, under the name of the checkpoint."""
    return page(brief(report.path.name or report.path, 200), tuple(inspect_blocks(report, shown)))


def inspect_blocks(report: CheckpointReport, shown: Sequence[TensorRecord]) -> Iterator[Block]:
    """The result of ``inspect``: the verdict, the tensors, then findings, parts and values.

    Args:
        report: with its details kept.
        shown: the tensors that were asked for, those with NaN or Inf first.
    """
    totals = report.tensors
    epoch, metric = _figures(report)
    facts = [
        report.verdict.value,
        report.format or "no known format",
        bytes_text(report.nbytes),
        plural(totals.count, "tensor"),
        f"epoch {epoch}" if epoch else "",
        metric,
        f"{totals.nan:,} NaN, {totals.inf:,} Inf",
    ]
    yield Line(text=" · ".join(filter(None, facts)), tone=_TONE_OF[report.verdict])
    said = why_not_healthy(report)
    if said:
        yield Line(text=brief(said, 600))
    if shown:
        rows = [_tensor(report, one) for one in shown[:_MOST_ROWS]]
        yield Heading(text="Tensors")
        yield Grid(
            head=("tensor", "dtype", "shape", "min", "max", "NaN", "Inf", "first bad"),
            rows=rows,
            figures=frozenset({3, 4, 5, 6}),
            tones=[_tensor_tone(report, one) for one in shown[:_MOST_ROWS]],
            hidden=len(shown) - len(rows),
        )
    if report.findings:
        yield Heading(text=f"Findings: {counts(report.findings)}")
        yield from _findings(report.findings)
    if report.parts:
        yield Heading(text="Files")
        yield Grid(
            head=("file", "role", "format", "size", "verdict"),
            rows=[
                (
                    brief(one.part.name, 160),
                    one.part.role.value,
                    one.format or "",
                    bytes_text(one.nbytes),
                    one.verdict.value,
                )
                for one in report.parts
            ],
            figures=frozenset({3}),
        )
    held = report.checkpoint
    if held is not None and held.scalars:
        values = [
            (brief(name, 160), brief(str(value), 200)) for name, value in held.scalars.items()
        ]
        yield Heading(text="Values beside the tensors")
        yield Grid(
            head=("name", "value"),
            rows=values[:_MOST_ROWS],
            hidden=max(0, len(values) - _MOST_ROWS),
        )


def _tensor(report: CheckpointReport, tensor: TensorRecord) -> tuple[str, ...]:
    stats = report.stats.get(tensor.fqn)
    shape = "×".join(map(str, tensor.shape)) or "scalar"
    name = brief(tensor.fqn, 200)
    if stats is None:
        return name, tensor.dtype, shape, "lost" if tensor.lost else "–", "", "", "", ""
    index = stats.first_bad_index
    return (
        name,
        tensor.dtype,
        shape,
        number(stats.min),
        number(stats.max),
        f"{stats.nan:,}" if stats.nan else "",
        f"{stats.inf:,}" if stats.inf else "",
        "" if index is None else str(list(index)),
    )


def _tensor_tone(report: CheckpointReport, tensor: TensorRecord) -> str:
    stats = report.stats.get(tensor.fqn)
    return "bad" if tensor.lost or (stats is not None and stats.non_finite) else ""


def _findings(findings: Sequence[Finding]) -> Iterator[Block]:
    for one in findings[:_MOST_ROWS]:
        where = "" if one.subject in ("", "run", "file") else f"`{brief(one.subject, 200)}`: "
        yield Line(
            label=f"{one.severity.label}: {label(one.code)}",
            text=f"{where}{brief(one.message)}",
            tone=_TONES[one.severity],
        )
        if one.remedy:
            yield Line(text=brief(one.remedy, 600), tone="quiet")


def plan_blocks(plan: Plan) -> Iterator[Block]:
    """The result of ``plan``: each option's command, what it changes, and why."""
    if not plan.options:
        yield Line(
            text="There is no checkpoint to go on from, and no command to start.", tone="bad"
        )
    for option in plan.options:
        yield from _option(option)
    for note in plan.notes:
        yield Line(label="note", text=brief(note, 600), tone="quiet")


def _option(option: Option) -> Iterator[Block]:
    mark = " (recommended)" if option.recommended else ""
    yield Heading(text=f"{option.name}: {printable(option.title)}{mark}")
    yield Command(text="\n".join(map(printable, option.command.split("\n"))))
    for warning in option.warnings:
        yield Line(text=brief(warning, 600), tone="warn")
    if option.changes:
        yield Grid(
            head=("changed", "from", "to", "why"),
            rows=[
                (
                    brief(change.flag),
                    brief(change.before or ""),
                    brief(change.after or ""),
                    brief(change.reason, 600),
                )
                for change in option.changes
            ],
        )
    for reason in option.reasons:
        yield Line(text=brief(reason, 600))


def restored_blocks(done: Restored) -> Iterator[Block]:
    """The result of ``restore``: what was written, from what, and what was changed."""
    head = "wrote" if done.verified else "would write"
    tone = "good" if done.verified else ""
    yield Line(label=head, text=printable(done.destination), tone=tone)
    epoch = "" if done.epoch is None else f", epoch {count_text(done.epoch)}"
    yield Line(label="from", text=f"{printable(done.source)}{epoch}")
    for action in done.actions:
        yield Line(label=action.name, text=brief(action.message, 600))
        if action.notice:
            yield Line(text=brief(action.notice, 600), tone="warn")
    if done.sha256:
        yield Line(label="sha256", text=done.sha256, tone="quiet")
    if done.resume:
        yield Line(label="Resume", text=printable(done.resume))
    if done.verified:
        yield Command(
            label="Check it any time", text=command_line("ckptdoctor", "scan", done.destination)
        )


def repaired_blocks(done: Repaired) -> Iterator[Block]:
    """The result of ``repair``: which bits were wrong, how sure that is, and the new file."""
    if done.sound:
        yield Line(text=f"{printable(done.source)}: every checksum fits", tone="good")
        return
    for line in done.refused:
        yield Line(text=printable(line), tone="bad")
    if not done.refused:
        head = "wrote" if done.written else "would write"
        yield Line(
            label=head, text=printable(done.destination), tone="good" if done.written else ""
        )
        sure = "" if done.certainty is None else done.certainty.value
        bits, spans = plural(len(done.flips), "flipped bit"), plural(len(done.spans), "span")
        given = f", {spans} by the parity" if done.spans else ""
        yield Line(text=f"{bits}{given}: {sure}")
    for witness in done.witnesses:
        yield Line(text=brief(witness, 600), tone="quiet")


def diff_blocks(found: Difference) -> Iterator[Block]:
    """The result of ``diff``: the layers that moved most, what is new or gone, the findings."""
    yield Line(text=f"{printable(found.a)} to {printable(found.b)}")
    if found.identical:
        yield Line(text=f"identical: {plural(len(found.tensors), 'tensor')}", tone="good")
        return
    yield from _findings(found.findings)
    moved = [one for one in found.layers().items() if one[1].changed]
    moved.sort(key=lambda one: (one[1].new_nan + one[1].new_inf, one[1].relative), reverse=True)
    if moved:
        yield Grid(
            head=("layer", "moved by", "changed", "new NaN", "new Inf"),
            rows=[
                (
                    brief(name, 200),
                    number(layer.relative),
                    f"{layer.changed:,} of {layer.numel:,}",
                    str(layer.new_nan or ""),
                    str(layer.new_inf or ""),
                )
                for name, layer in moved[:_MOST_ROWS]
            ],
            figures=frozenset({1, 2, 3, 4}),
            hidden=max(0, len(moved) - _MOST_ROWS),
        )
    names = {
        "added": found.added,
        "removed": found.removed,
        "lost": found.lost,
        "reshaped": [one.fqn for one in found.reshaped],
    }
    for what, which in names.items():
        if which:
            yield Line(label=what, text=brief(", ".join(which), 600))
    for change in found.changes:
        text = f"{brief(str(change.before), 100)} to {brief(str(change.after), 100)}"
        yield Line(label=brief(change.key, 100), text=text)


def history_blocks(found: Chronicles) -> Iterator[Block]:
    """The result of ``history``: of each run the best, what went wrong, and the next command."""
    if not found.runs:
        yield Line(text="No epoch of a metric is known here.")
    for run in found.runs:
        one = run.history
        name = f"{brief(run.name)}: " if len(found.runs) > 1 else ""
        yield Heading(text=f"{name}{brief(one.metric, 60)}")
        best = one.best
        facts = [
            f"{plural(len(one.points), one.clock.word)} known",
            "" if best is None else f"best {number(best.value)} at {one.clock.say(best.at)}",
            "" if one.decline is None else f"declining from {one.clock.say(one.decline.first)} on",
            "" if one.collapse is None else f"collapsed at {one.clock.say(one.collapse)}",
        ]
        yield Line(text="; ".join(filter(None, facts)))
        yield from _findings(run.findings)
        if run.next:
            yield Command(label="Next", text=run.next)
        points = one.points[-_MOST_ROWS:]
        yield Grid(
            head=(one.clock.word, "value", "from", "file"),
            rows=[
                (
                    f"{point.at}",
                    number(point.value),
                    point.source.value,
                    "" if point.path is None else brief(point.path.name, 80),
                )
                for point in points
            ],
            figures=frozenset({0, 1}),
            hidden=len(one.points) - len(points),
        )
    for note in found.notes:
        yield Line(label="note", text=brief(note, 600), tone="quiet")


def autopsy_blocks(found: Autopsy) -> Iterator[Block]:
    """The result of ``autopsy`` in short: its two sentences, the next command, the worst."""
    yield Heading(text=f"Autopsy of {brief(found.name)}")
    yield Line(text=brief(found.headline, 600))
    if found.first:
        yield Line(text=brief(found.first, 600))
    if found.next_here:
        yield Command(label="Next", text=found.next_here)
    if found.worst:
        yield Grid(
            head=("tensor", "what it did"),
            rows=[(brief(one.name, 200), brief(one.words, 300)) for one in found.worst],
        )
    yield Line(text="`.to_html()` is the whole report.", tone="quiet")
