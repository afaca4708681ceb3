"""What is done with findings: counted, counted at another severity, or set aside and said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field, replace
from pathlib import Path

from ckptdoctor.finding import Aside, Finding, SetAside, Severity, Weighed
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.report import CheckpointReport, Place, Report, RunReport, findings_of
from ckptdoctor.selection.codes import longest
from ckptdoctor.selection.path_patterns import is_meant

__all__ = ["GUARDED", "Listed", "OfPath", "Policy", "settled", "settled_runs"]

GUARDED = frozenset({"CD106"})
"""What runs code is set aside only by who starts the program, or by a file that they name."""

Accepts = Callable[[Finding, CheckpointReport | RunReport], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Codes that stand somewhere.

    Attributes:
        codes: and beginnings of codes.
        where: they stand.
        is_found: whether in a file that nobody named.
    """

    codes: tuple[str, ...]
    where: str
    is_found: bool = False

    def reach(self, code: str) -> int:
        """How exactly a code is named; 0 where it is not."""
        return 0 if self.is_found and code in GUARDED else longest(code, self.codes)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfPath:
    """Codes that are ignored in some files.

    Attributes:
        pattern: of their paths.
        folder: that it is meant from.
        listed: the codes.
    """

    pattern: str
    folder: Path
    listed: Listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the user wants.

    Attributes:
        select: what alone counts; None for everything.
        ignore: what does not count; where both name a code, the more exact wins.
        severity: by codes, how much they matter.
        of_paths: what does not count in some files.
        accepts: whether a finding stands in the baseline; None without one.
        baseline: where that lies.
    """

    select: Listed | None = None
    ignore: Listed | None = None
    severity: tuple[tuple[Listed, Severity], ...] = ()
    of_paths: tuple[OfPath, ...] = ()
    accepts: Accepts | None = field(default=None, repr=False)
    baseline: str = ""

    def judged(
        self, findings: Iterable[Finding], owner: CheckpointReport | RunReport
    ) -> tuple[tuple[Finding, ...], tuple[SetAside, ...]]:
        """Those that count, worst first, and those that are set aside."""
        kept, aside = [], []
        for finding in findings:
            weighed = self._weighed(finding)
            verdict = self._aside(weighed, owner)
            if verdict is None:
                kept.append(weighed)
            else:
                aside.append(SetAside(finding=weighed, why=verdict[0], by=verdict[1]))
        return tuple(sorted(kept, key=lambda finding: -finding.severity)), tuple(aside)

    def _weighed(self, finding: Finding) -> Finding:
        reach, _, level, where = max(
            (
                (one.reach(finding.code), at, level, one.where)
                for at, (one, level) in enumerate(self.severity)
            ),
            default=(0, 0, finding.severity, ""),
        )
        if not reach or level == finding.severity:
            return finding
        return replace(finding, severity=level, weighed=Weighed(was=finding.severity, by=where))

    def _aside(
        self, finding: Finding, owner: CheckpointReport | RunReport
    ) -> tuple[Aside, str] | None:
        if self.accepts is not None and self.accepts(finding, owner):
            return Aside.ACCEPTED, self.baseline  # first: what is ignored as well is not stale
        selected = 0
        if self.select is not None:
            selected = self.select.reach(finding.code)
            if not selected and not (self.select.is_found and finding.code in GUARDED):
                return Aside.NOT_SELECTED, self.select.where
        ignored = 0 if self.ignore is None else self.ignore.reach(finding.code)
        if self.ignore is not None and ignored and ignored >= selected:
            return Aside.IGNORED, self.ignore.where
        for one in self.of_paths:
            if one.listed.reach(finding.code) and is_meant(one.pattern, owner.path, one.folder):
                return Aside.IGNORED, f"{one.pattern} in {one.listed.where}"
        return None


def settled(report: Report, policy: Policy) -> Report:
    """The report with what counts; verdicts, ranking and next commands stay as they are."""
    rows = {row.path: _row(row, policy) for row in report.checkpoints}

    def places(ranking: tuple[Place, ...]) -> tuple[Place, ...]:
        return tuple(replace(one, report=rows.get(one.report.path, one.report)) for one in ranking)

    runs = tuple(
        replace(
            run,
            checkpoints=tuple(rows.get(row.path, row) for row in run.checkpoints),
            ranking=places(run.ranking),
        )
        for run in settled_runs(report.runs, policy)
    )
    return replace(
        report,
        checkpoints=tuple(rows[row.path] for row in report.checkpoints),
        runs=runs,
        ranking=places(report.ranking),
        findings=findings_of(runs, several=report.has_several) if runs else report.findings,
    )


def settled_runs(runs: Sequence[RunReport], policy: Policy) -> tuple[RunReport, ...]:
    """The runs with those findings about them that count."""
    found = []
    for run in runs:
        kept, aside = policy.judged(run.findings, run)
        found.append(replace(run, findings=kept, set_aside=aside))
    return tuple(found)


def _row(row: CheckpointReport, policy: Policy) -> CheckpointReport:
    kept, aside = policy.judged(row.findings, row)
    return replace(row, findings=kept, set_aside=aside)
