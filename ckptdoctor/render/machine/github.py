"""Reports as workflow commands of GitHub Actions: annotations on the run, and a last plain line.

GitHub shows ten annotations of a kind for a step and drops the rest: the worst come first, and the
findings of one file and code are folded into one.

Source: actions/runner, ActionCommand.cs: what starts a command, and how values are escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ckptdoctor.finding import Severity
from ckptdoctor.render.sections import last_good_words, prefix_of
from ckptdoctor.render.set_aside import settings_words
from ckptdoctor.render.wording import Folded, brief, folded, label, summary
from ckptdoctor.report import Report

__all__ = ["scan_github"]

_COMMAND = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_MAX_OF_A_KIND = 10
_MAX_NOTES = 3
_MOST_RUNS = 5


def scan_github(report: Report) -> str:
    """An annotation a line, errors first, then what it adds up to."""
    found = sorted(_located(report), key=lambda found: -found[2].first.severity)
    shown: Counter[Severity] = Counter()
    hidden = 0
    lines = []
    for path, run, group in found:
        shown[group.first.severity] += 1
        if shown[group.first.severity] <= _MAX_OF_A_KIND:
            lines.append(_annotation(path, run, group))
        else:
            hidden += 1
    lines.extend(
        f"::error title=ckptdoctor::{_value(f'the rule {crash.rule} failed on {crash.path}')}"
        for crash in report.crashes[:_MAX_OF_A_KIND]
    )
    lines.extend(f"::notice title=ckptdoctor::{_value(note)}" for note in report.notes[:_MAX_NOTES])
    lines.append(_last_line(report, hidden))
    return "\n".join(lines) + "\n"


def _located(report: Report) -> Iterator[tuple[str, str, Folded]]:
    """The findings with their file, those of a run with none, and what names the file's run."""
    several = (
        len(report.runs) > 1
    )  # then the subject is the name of a run, whatever files there are
    known = set() if several else {str(row.path) for row in report.checkpoints}
    for finding in report.findings:
        path = finding.subject if finding.subject in known else ""
        yield path, "", Folded(findings=(finding,))
    for row in report.checkpoints:
        for group in folded(row.findings):
            yield row.path.as_posix(), prefix_of(row, report), group


def _annotation(path: str, run: str, group: Folded) -> str:
    finding = group.first
    properties = f"title={_property(label(finding.code))}"
    if path:
        properties = f"file={_property(path)},{properties}"
    subject = "" if finding.subject in ("", "run", "file", path) else f"{finding.subject}: "
    more = f" (and {group.count - 1} more like it)" if group.count > 1 else ""
    message = _value(f"{run}{subject}{finding.message}") + more
    return f"::{_COMMAND[finding.severity]} {properties}::{message}"


def _last_line(report: Report, hidden: int) -> str:
    """The sum. No command may hide in it: the old syntax of them counts anywhere in a line."""
    line = f"ckptdoctor: {summary(report)}."
    if good := last_good_words(report, _MOST_RUNS):
        line += f" {good}"
    if words := settings_words(report.set_aside, report.settings, report.all_findings()):
        line += f" {words[:1].upper()}{words[1:]}."
    if hidden:
        line += f" {hidden} more not shown: GitHub takes ten of a kind."
    return line.replace("##[", "## [")


def _value(text: object) -> str:
    return brief(text, 500).replace("%", "%25")  # no line break outlives brief()


def _property(text: object) -> str:
    return _value(text).replace(":", "%3A").replace(",", "%2C")
