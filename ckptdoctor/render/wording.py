"""What several outputs say in the same words: the sum, the verdict's mark, the finding in short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.histories import Clock, LogFacts
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import count_text
from ckptdoctor.render.text import bytes_text, plural, printable, shorten_middle
from ckptdoctor.report import CheckpointReport, Place, Report
from ckptdoctor.rules import ALL_RULES
from ckptdoctor.rules.added import added_rules

__all__ = [
    "MARK",
    "NOTHING",
    "NOTHING_GOOD",
    "Folded",
    "brief",
    "counted_by",
    "counts",
    "epoch_of",
    "folded",
    "form_words",
    "good_paths",
    "headline",
    "label",
    "newest",
    "other_codes",
    "place_of",
    "place_text",
    "reading_words",
    "restored_words",
    "summary",
    "values_words",
    "verdicts",
    "why_not_healthy",
    "worst",
]

MARK = {
    Verdict.HEALTHY: "✓",
    Verdict.SUSPECT: "?",
    Verdict.SALVAGEABLE: "~",
    Verdict.CORRUPT: "✗",
    Verdict.UNREADABLE: "!",
}
NOTHING = "gave no value of any epoch or step"
NOTHING_GOOD = "No checkpoint here is fit to go on from."
_LABELS = {rule.code: rule.label for rule in ALL_RULES}
_NOUNS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """The findings of one code and severity, in their order."""

    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        """The one that stands for all of them."""
        return self.findings[0]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.findings)


def summary(report: Report) -> str:
    """``6 checkpoints, 294 kB: 4 healthy, 2 corrupt``; of several runs how many."""
    rows = report.checkpoints
    if not rows:
        return "0 checkpoints"
    runs = f", {len(report.runs)} runs" if len(report.runs) > 1 else ""
    nbytes = bytes_text(sum(row.nbytes for row in rows))
    return f"{plural(len(rows), 'checkpoint')}{runs}, {nbytes}: {verdicts(rows)}"


def verdicts(rows: Iterable[CheckpointReport]) -> str:
    """How many of each: ``3 healthy, 2 corrupt``."""
    found = Counter(row.verdict for row in rows)
    return ", ".join(f"{found[verdict]} {verdict.value}" for verdict in Verdict if found[verdict])


def epoch_of(row: CheckpointReport) -> int | float | None:
    """The epoch by the contents, else by the name."""
    data = row.metadata
    return data.epoch if data.epoch is not None else data.name_epoch


def counted_by(rows: Sequence[CheckpointReport]) -> Clock:
    """What tells these checkpoints apart: their epochs, else their steps."""
    epochs = {epoch_of(row) for row in rows} - {None}
    steps = {row.metadata.global_step for row in rows} - {None}
    return Clock.STEP if len(epochs) < len(steps) and len(epochs) < _FEW else Clock.EPOCH


_FEW = 2


def place_text(row: CheckpointReport, clock: Clock) -> str:
    """The epoch of a checkpoint, or its step; "" where it is not known."""
    at = row.metadata.global_step if clock is Clock.STEP else epoch_of(row)
    return "" if at is None else count_text(at)


def good_paths(report: Report) -> frozenset[Path]:
    """The checkpoints to go on from, one a run."""
    found = (report.last_good, *(run.last_good for run in report.runs))
    return frozenset(good.path for good in found if good is not None)


def newest(
    rows: Sequence[CheckpointReport], good: Path | None, limit: int
) -> tuple[list[CheckpointReport], int]:
    """The last rows of a run, the last good one in any case; and how many are left out."""
    cut = max(0, len(rows) - limit)
    kept = [row for row in rows[:cut] if row.path == good]
    return [*kept, *rows[cut:]], cut - len(kept)


def place_of(report: Report) -> dict[Path, Place]:
    """The place of each checkpoint in the ranking, by its path; empty where none is ranked."""
    return {place.report.path: place for place in report.ranking}


def restored_words(row: CheckpointReport) -> str:
    """What a copy of ours was made from; "" for every other file."""
    if row.restored is None:
        return ""
    made, rates = row.restored, ""
    if made.averaged:
        return f"mean of {len(made.averaged)}, the newest {brief(made.source.name, 80)}"
    if made.set_lr is not None:
        rates = f", rate {made.set_lr:g}"
    elif made.scale not in (None, 1.0):
        rates = f", rates × {made.scale:g}"
    if made.decay is not None:
        rates += f", decay {made.decay:g}"
    return f"restored from {brief(made.source.name, 80)}{rates}"


def label(code: str) -> str:
    """A code with its name in two or three words: ``CD201 NaN in weights``."""
    said = _LABELS.get(code) or next((r.label for r in added_rules() if r.code == code), "")
    return f"{code} {brief(said, 40)}".rstrip()


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The highest severity."""
    return max((finding.severity for finding in findings), default=None)


def folded(findings: Iterable[Finding]) -> list[Folded]:
    """The findings with those of one code and severity in one, worst first."""
    groups: dict[tuple[str, Severity], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.code, finding.severity), []).append(finding)
    ordered = sorted(groups.values(), key=lambda group: -group[0].severity)
    return [Folded(findings=tuple(group)) for group in ordered]


_PART_CHARS = 24


def headline(findings: Sequence[Finding]) -> str:
    """The worst code in words, how often it was found, and how many other codes there are.

    Notes are no reason for a verdict: where there are only notes it is empty.
    """
    serious = _serious(findings)
    if not serious:
        return ""
    same_grade = [group for group in serious if group.first.severity is serious[0].first.severity]
    weights = [group for group in same_grade if group.first.code.startswith("CD2")]
    chosen = (weights or same_grade)[0]
    others = other_codes(findings)
    times = f" ×{chosen.count}" if chosen.count > 1 else ""
    return _in_short(chosen) + times + (f" +{others}" if others else "")


def why_not_healthy(row: CheckpointReport) -> str:
    """Why a checkpoint is not healthy, in the width of a column; "" for one that is, with no code.

    A verdict stands upon findings that the user set aside or lowered as well, and upon what is not
    in the file.
    """
    said = headline(row.findings)
    if said or row.verdict is Verdict.HEALTHY:
        return said
    aside = folded(one.finding for one in row.set_aside)
    known = [*folded(row.findings), *aside]
    weighed = [group for group in known if _once(group.first) >= Severity.WARNING]
    if weighed:
        return label(weighed[0].first.code) + (" (set aside)" if weighed[0] in aside else "")
    if not row.has_weights:
        return "no model weights" if row.tensors.count else "no tensors"
    return label(known[0].first.code) if known else ""


def _once(finding: Finding) -> Severity:
    """How serious a finding was before the user gave it another severity."""
    return finding.severity if finding.weighed is None else finding.weighed.was


def other_codes(findings: Sequence[Finding]) -> int:
    """How many codes there are beside the one that the headline names: its ``+1``."""
    return max(0, len({group.first.code for group in _serious(findings)}) - 1)


def _serious(findings: Sequence[Finding]) -> list[Folded]:
    return folded(one for one in findings if one.severity >= Severity.WARNING)


def _in_short(group: Folded) -> str:
    """The code in words; of a part that is missing, which one."""
    first = group.first
    if group.count > 1 or first.evidence.get("is_there") is not False:
        return label(first.code)
    name = first.subject.rpartition("/")[2]
    return f"{first.code} no {shorten_middle(printable(name), _PART_CHARS)}"


def counts(findings: Iterable[Finding]) -> str:
    """``2 errors, 1 note``; "" for none."""
    found = Counter(finding.severity for finding in findings)
    return ", ".join(plural(found[kind], noun) for kind, noun in _NOUNS.items() if found[kind])


def brief(text: object, width: int = 300) -> str:
    """Text from a file, printable, its middle left out where it is too long to read."""
    return shorten_middle(printable(text), width)


def reading_words(log: LogFacts) -> str:
    """What a log without a metric holds, and how to choose one of its values."""
    name, read = printable(log.path.name), form_words(log)
    if not log.names:
        return f"{name} was read as {read or 'a log'}; it {log.reason or NOTHING}"
    return (
        f"{name} was read as {read}; it holds {values_words(log)}; "
        f"--metric NAME --mode max (or min) judges by one of them"
    )


def form_words(log: LogFacts) -> str:
    """As what a log was read, and in which encoding."""
    return ", ".join(filter(None, (log.form, log.encoding)))


def values_words(log: LogFacts) -> str:
    """The names of the first values that a log holds, and how many more there are."""
    more = f" and {len(log.names) - _MOST_VALUES} more" if len(log.names) > _MOST_VALUES else ""
    return printable(", ".join(log.names[:_MOST_VALUES])) + more


_MOST_VALUES = 8
