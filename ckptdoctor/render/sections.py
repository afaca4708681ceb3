"""A report in sections: each run with what concerns it alone, then the files that lie beside."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.render.paths import names_apart
from ckptdoctor.render.text import plural
from ckptdoctor.render.wording import brief, folded, label
from ckptdoctor.report import CheckpointReport, LastGood, Place, Report, RunReport

__all__ = [
    "BESIDE",
    "Section",
    "folder_of_run",
    "last_good_words",
    "logs_words",
    "prefix_of",
    "sections",
    "what_is_wrong",
]

BESIDE = "beside, in no run"
_MOST_LOGS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A run, or what lies beside all of them.

    Attributes:
        name: the run's, where there are several; "" for the only one.
        run: None for what lies beside, and in a report of files alone.
        rows: its checkpoints in the order of the run.
        ranking: the same from best to worst.
        findings: about the run as a whole.
        last_good: the checkpoint to go on from.
        next: the command to go on with; "" where all is well.
        is_beside: whether these files belong to no run while there is one.
    """

    name: str = ""
    run: RunReport | None = None
    rows: tuple[CheckpointReport, ...] = ()
    ranking: tuple[Place, ...] = ()
    findings: tuple[Finding, ...] = ()
    last_good: LastGood | None = None
    next: str = ""
    is_beside: bool = False

    @property
    def good_path(self) -> Path | None:
        """That of the checkpoint to go on from."""
        return None if self.last_good is None else self.last_good.path

    @property
    def is_well(self) -> bool:
        """Whether there is nothing to do about it."""
        return self.last_good is not None and not self.next


def sections(report: Report) -> list[Section]:
    """The runs in their order, then the files that lie beside; one section for files alone."""
    if not report.runs:
        alone = Section(
            rows=report.checkpoints,
            ranking=report.ranking,
            findings=report.findings,
            last_good=report.last_good,
        )
        return [alone] if report.checkpoints or report.findings else []
    several = len(report.runs) > 1
    found = [
        Section(
            name=run.name if several else "",
            run=run,
            rows=run.checkpoints,
            ranking=run.ranking,
            findings=run.findings,
            last_good=run.last_good,
            next=run.next,
        )
        for run in report.runs
    ]
    if report.strays:
        ranking = tuple(place for place in report.ranking if place.report.run is None)
        found.append(Section(name=BESIDE, rows=report.strays, ranking=ranking, is_beside=True))
    return found


def prefix_of(row: CheckpointReport, report: Report) -> str:
    """``stage1: `` before what is said of a file, where there are several runs."""
    return f"{row.run}: " if len(report.runs) > 1 and row.run is not None else ""


def folder_of_run(finding: Finding, report: Report) -> Path | None:
    """The folder of the run that a finding of the report is about; None where there is one run."""
    if len(report.runs) < 2:
        return None
    return next((run.path for run in report.runs if run.name == finding.subject), None)


# -- words ---------------------------------------------------------------------------------------


def logs_words(run: RunReport | None) -> str:
    """``log: train.log``: what was believed; "" where there was none."""
    logs = [] if run is None else [brief(name, 40) for name in names_apart(run.logs)]
    if not logs:
        return ""
    more = f" and {len(logs) - _MOST_LOGS} more" if len(logs) > _MOST_LOGS else ""
    return f"log{'s' if len(logs) > 1 else ''}: {', '.join(logs[:_MOST_LOGS])}{more}"


def last_good_words(report: Report, most: int) -> str:
    """The last good checkpoint of every run in a sentence; of many runs a count."""
    if len(report.runs) < 2:
        if report.last_good is not None:
            return f"Last good: {brief(report.last_good.path)}."
        return "None is fit to go on from." if report.checkpoints else ""
    known = [(run.name, run.last_good) for run in report.runs if run.last_good is not None]
    if not known:
        return "None is fit to go on from."
    if len(report.runs) > most:
        return f"{len(known)} of {len(report.runs)} runs have a good checkpoint."
    lacking = [brief(run.name, 80) for run in report.runs if run.last_good is None]
    words = [f"of {brief(name, 80)}: {brief(good.path)}" for name, good in known]
    words += [f"of {', '.join(lacking)}: none"] if lacking else []
    return f"Last good {'; '.join(words)}."


def what_is_wrong(section: Section) -> str:
    """The worst of a run in words: what it went through as a whole, else what its files hold."""
    serious = folded(f for f in section.findings if f.severity >= Severity.WARNING)
    if serious and serious[0].first.severity is Severity.ERROR:
        return label(serious[0].first.code)
    bad = [row for row in section.rows if row.verdict not in (Verdict.HEALTHY, Verdict.SUSPECT)]
    if bad:
        worst = label(folded(bad[0].findings)[0].first.code) if bad[0].findings else ""
        return f"{worst or bad[0].verdict.value}, {plural(len(bad), 'file')}"
    return label(serious[0].first.code) if serious else ""
