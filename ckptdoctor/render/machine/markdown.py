"""Reports as GitHub-flavoured Markdown: for a pull request's comment, or the summary of a job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ckptdoctor.checkpoint import TensorRecord, TensorStats
from ckptdoctor.finding import Finding
from ckptdoctor.metadata import count_text
from ckptdoctor.render.text import bytes_text, markdown_cell, number, plural
from ckptdoctor.render.wording import (
    MARK,
    NOTHING_GOOD,
    Folded,
    brief,
    counts,
    epoch_of,
    folded,
    headline,
    is_last_good,
    newest,
    summary,
)
from ckptdoctor.report import CheckpointReport, Report

__all__ = ["inspect_markdown", "scan_markdown"]

_TABLE_CHARS = 30_000
_DETAILS_CHARS = 25_000
"""GitHub takes comments of 65,536 characters; what does not fit is counted."""
_MAX_ROWS = 100
_MAX_RUN_FINDINGS = 10
_MAX_COMMAND_CHARS = 1000
_MAX_TENSORS = 100


def scan_markdown(report: Report) -> str:
    """The sum, the last good checkpoint, the next command, a row a checkpoint, the findings."""
    text = f"### ckptdoctor: {summary(report)}\n\n{_answer(report)}{_run_findings(report)}"
    if report.checkpoints:
        text += _table(report)
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


def _answer(report: Report) -> str:
    """What to go on from, and the command."""
    good = report.last_good
    if good is None:
        return f"**{NOTHING_GOOD}**\n\n" if report.checkpoints else "Nothing to examine.\n\n"
    text = f"**Last good:** {_code(good.path)} ({markdown_cell(brief(good.reason))})\n\n"
    command = report.next
    if command and len(command) <= _MAX_COMMAND_CHARS:  # a command that is cut is no command
        text += f"**Next:**\n\n```sh\n{command}\n```\n\n"
    return text


def _run_findings(report: Report) -> str:
    """What concerns the run as a whole, and our own bugs."""
    lines = [_finding(group) for group in folded(report.findings)[:_MAX_RUN_FINDINGS]]
    if report.crashes:
        checks = plural(len(report.crashes), "check")
        lines.append(f"- **{checks} of our own failed**: the result is not complete\n")
    return "".join(lines) + ("\n" if lines else "")


def _table(report: Report) -> str:
    rows, left_out = newest(report, _MAX_ROWS)
    body, cut = _fitting((_row(row, report) for row in rows), _TABLE_CHARS)
    text = "| | checkpoint | epoch | metric | verdict | why |\n|---|---|---:|---:|---|---|\n" + body
    if left_out + cut:
        text += f"\n… and {plural(left_out + cut, 'more checkpoint')}\n"
    return text + "\n"


def _row(row: CheckpointReport, report: Report) -> str:
    epoch, metric = epoch_of(row), row.metadata.metric
    name, why = _code(row.path, 160), headline(row.findings)
    if is_last_good(row, report):
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
    return "" if finding.subject in ("", "run", "file") else f"{_code(finding.subject, 160)}: "


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
    return f"| {' | '.join([_code(tensor.fqn, 160), tensor.dtype, shape, *figures])} |\n"


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
