"""Reports as GitHub-flavoured Markdown: for a pull request's comment, or the summary of a job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ckptdoctor.checkpoint import TensorRecord, TensorStats
from ckptdoctor.finding import Finding
from ckptdoctor.metadata import count_text
from ckptdoctor.render.paths import shorten_apart
from ckptdoctor.render.sections import BESIDE, Section, logs_words, sections
from ckptdoctor.render.set_aside import settings_words
from ckptdoctor.render.text import bytes_text, markdown_cell, number, plural, printable
from ckptdoctor.render.wording import (
    MARK,
    NOTHING_GOOD,
    Folded,
    brief,
    counts,
    epoch_of,
    folded,
    newest,
    restored_words,
    summary,
    why_not_healthy,
)
from ckptdoctor.report import CheckpointReport, Report

__all__ = ["inspect_markdown", "scan_markdown"]

_TABLE_CHARS = 25_000
_SECTIONS_CHARS = 32_000
_DETAILS_CHARS = 25_000
"""GitHub takes comments of 65,536 characters; what does not fit is counted."""
_MAX_ROWS = 100
_MAX_RUN_FINDINGS = 10
_MAX_NOTES = 10
_MAX_COMMAND_CHARS = 1000
_MAX_TENSORS = 100
_NAME_CHARS = 160


def scan_markdown(report: Report) -> str:
    """The sum; for each run its last good checkpoint, its next command and its rows; findings."""
    found = sections(report)
    text = f"### ckptdoctor: {summary(report)}\n\n"
    if not report.checkpoints:
        text += "Nothing to examine.\n\n"
    room = _TABLE_CHARS // max(1, len(found))
    parts = [_section(section, room) for section in found]
    if len(report.runs) > 1:
        taken, left_out = _fitting(parts, _SECTIONS_CHARS)
        text += taken
        if left_out:
            text += f"… and {plural(left_out, 'more run')}\n\n"
    else:
        text += "".join(parts)
    text += _notes(report)
    files = [row for row in report.checkpoints if row.findings]
    details, left_out = _fitting((_details(row) for row in files), _DETAILS_CHARS)
    text += details
    if left_out:
        text += f"… and the findings of {plural(left_out, 'more file')}\n"
    return text.rstrip("\n") + "\n"


def inspect_markdown(
    report: CheckpointReport, shown: Sequence[TensorRecord], *, everything: bool
) -> str:
    """One checkpoint: what it is, its findings, and its tensors.

    Args:
        report: with its details kept.
        shown: the tensors that were asked for, non-finite ones first.
        everything: list them all, not only the first hundred.
    """
    text = f"### {MARK[report.verdict]} {_code(report.path)}\n\n{_facts(report)}\n\n"
    text += "".join(_finding(group) for group in folded(report.findings))
    listed = shown if everything else shown[:_MAX_TENSORS]
    if listed:
        text += "\n| tensor | dtype | shape | min | max | NaN | Inf | first bad |\n"
        text += "|---|---|---|---:|---:|---:|---:|---|\n"
        text += "".join(_tensor(tensor, report.stats.get(tensor.fqn)) for tensor in listed)
    if len(listed) < len(shown):
        text += f"\n… and {plural(len(shown) - len(listed), 'more tensor')}\n"
    return text.rstrip("\n") + "\n"


def _section(section: Section, room: int) -> str:
    """A run: what to go on from, the command, what is wrong with it, its checkpoints."""
    if section.is_beside:
        text = f"**{BESIDE.capitalize()}:**\n\n"
    else:
        text = f"#### {_code(section.name, _NAME_CHARS)}\n\n" if section.name else ""
        text += _answer(section) + _run_findings(section)
    return text + (_table(section, room) if section.rows else "")


def _answer(section: Section) -> str:
    """What to go on from, the logs that were believed, and the command."""
    good, logs = section.last_good, logs_words(section.run)
    if not section.rows:
        return ""
    if good is None:
        text = f"**{NOTHING_GOOD}**" + (f" ({markdown_cell(logs)})" if logs else "")
        return f"{text}\n\n"
    reason = "; ".join(filter(None, [brief(good.reason), logs]))
    text = f"**Last good:** {_code(good.path)} ({markdown_cell(reason)})\n\n"
    command = section.next
    if command and len(command) <= _MAX_COMMAND_CHARS:  # a command that is cut is no command
        text += f"**Next:**\n\n```sh\n{command}\n```\n\n"
    return text


def _run_findings(section: Section) -> str:
    """What concerns the run as a whole."""
    lines = [_finding(group) for group in folded(section.findings)[:_MAX_RUN_FINDINGS]]
    return "".join(lines) + ("\n" if lines else "")


def _notes(report: Report) -> str:
    """What was not understood or not believed, and our own bugs."""
    lines = [f"- Note: {markdown_cell(brief(note, 500))}\n" for note in report.notes[:_MAX_NOTES]]
    if len(report.notes) > _MAX_NOTES:
        lines.append(f"- … and {len(report.notes) - _MAX_NOTES} more notes\n")
    if words := settings_words(report.set_aside, report.settings, report.all_findings()):
        lines.append(f"- {markdown_cell(words[:1].upper() + words[1:])}\n")
    if report.crashes:
        checks = plural(len(report.crashes), "check")
        lines.append(f"- **{checks} of our own failed**: the result is not complete\n")
    return "".join(lines) + ("\n" if lines else "")


def _table(section: Section, room: int) -> str:
    rows, left_out = newest(section.rows, section.good_path, _MAX_ROWS)
    names = shorten_apart([printable(row.path) for row in rows], _NAME_CHARS)
    lines = [
        _row(row, name, is_good=row.path == section.good_path)
        for row, name in zip(rows, names, strict=True)
    ]
    body, cut = _fitting(lines, room)
    text = "| | checkpoint | epoch | metric | verdict | why |\n|---|---|---:|---:|---|---|\n" + body
    if left_out + cut:
        text += f"\n… and {plural(left_out + cut, 'more checkpoint')}\n"
    return text + "\n"


def _row(row: CheckpointReport, name: str, *, is_good: bool) -> str:
    epoch, metric = epoch_of(row), row.metadata.metric
    name = _code(name)
    why = "; ".join(filter(None, [why_not_healthy(row), markdown_cell(restored_words(row))]))
    if is_good:
        name, why = f"**{name}**", f"{why} ← last good".lstrip()
    cells = [
        MARK[row.verdict],
        name,
        "" if epoch is None else count_text(epoch),
        "" if metric is None else f"{markdown_cell(brief(metric.name, 40))} {number(metric.value)}",
        row.verdict.value,
        why,
    ]
    return f"| {' | '.join(cells)} |\n"


def _details(row: CheckpointReport) -> str:
    """The findings of a file, folded away."""
    lines = "".join(_finding(group) for group in folded(row.findings))
    title = f"{_code(row.path)}: {counts(row.findings)}"
    return f"<details><summary>{title}</summary>\n\n{lines}\n</details>\n\n"


def _finding(group: Folded) -> str:
    finding = group.first
    more = f" (and {group.count - 1} more like it)" if group.count > 1 else ""
    return (
        f"- **{finding.code}** {finding.severity.label}: {_subject(finding)}"
        f"{markdown_cell(brief(finding.message))}{more}\n"
    )


def _subject(finding: Finding) -> str:
    return (
        "" if finding.subject in ("", "run", "file") else f"{_code(finding.subject, _NAME_CHARS)}: "
    )


def _facts(report: CheckpointReport) -> str:
    epoch, metric, totals = epoch_of(report), report.metadata.metric, report.tensors
    facts = [
        f"**{report.verdict.value}**",
        report.format or "no known format",
        bytes_text(report.nbytes),
        plural(totals.count, "tensor"),
        f"{totals.nan} NaN, {totals.inf} Inf",
    ]
    if epoch is not None:
        facts.append(f"epoch {count_text(epoch)}")
    if metric is not None:
        facts.append(f"{markdown_cell(brief(metric.name, 40))} {number(metric.value)}")
    return " · ".join(facts)


def _tensor(tensor: TensorRecord, stats: TensorStats | None) -> str:
    figures = ["lost" if tensor.lost else "–", "", "", "", ""]
    if stats is not None:
        index = stats.first_bad_index
        figures = [
            *(number(stats.min), number(stats.max), str(stats.nan or ""), str(stats.inf or "")),
            "" if index is None else markdown_cell(brief(list(index), 40)),
        ]
    shape = brief("×".join(map(str, tensor.shape)) or "scalar", 40)
    return f"| {' | '.join([_code(tensor.fqn, _NAME_CHARS), tensor.dtype, shape, *figures])} |\n"


def _code(text: object, width: int = 300) -> str:
    """A name, in the type of code: no backticks, because a name may hold some."""
    return f"<code>{markdown_cell(brief(text, width))}</code>"


def _fitting(pieces: Iterable[str], room: int) -> tuple[str, int]:
    """The first pieces that fit into so many characters, and how many did not."""
    taken: list[str] = []
    left_out = 0
    for piece in pieces:
        room -= len(piece)
        if room >= 0:
            taken.append(piece)
        else:
            left_out += 1
    return "".join(taken), left_out
