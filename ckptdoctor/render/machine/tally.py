"""What reports add up to, however many there are; they are not kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ckptdoctor.finding import Aside, SetAside, Severity, Verdict
from ckptdoctor.report import Crash, LastGood, Report

__all__ = ["Ignored", "Tally"]


class Ignored:
    """How many findings do not count, by code and by reason."""

    def __init__(self, found: Iterable[SetAside] = ()) -> None:
        self.codes: Counter[str] = Counter()
        self.why: Counter[Aside] = Counter()
        self.add(found)

    def add(self, found: Iterable[SetAside]) -> None:
        """Count more of them."""
        for one in found:
            self.codes[one.finding.code] += 1
            self.why[one.why] += 1


class Tally:
    """The sum of reports on the runs of one examination.

    Attributes:
        checkpoints: how many were examined.
        runs: to how many runs they belong.
        verdicts: how many checkpoints have each.
        ignored: the findings that do not count.
        lowered: by code, the findings that count less by the user's wish.
        notes: what was not understood, or not believed, a sentence each.
        settings: the file that the user's settings were read from; "" where there is none.
        crashes: our own bugs.
        last_good, next: those of the only run; None and "" where there are several.
    """

    def __init__(self) -> None:
        self.checkpoints = 0
        self.runs = 0
        self.verdicts: Counter[Verdict] = Counter()
        self.ignored = Ignored()
        self.lowered: Counter[str] = Counter()
        self.notes: dict[str, None] = {}
        self.settings = ""
        self.crashes: list[Crash] = []
        self.last_good: LastGood | None = None
        self.next = ""
        self._worst: Severity | None = None

    @classmethod
    def of(cls, report: Report) -> Tally:
        """What one report adds up to."""
        tally = cls()
        tally.add(report)
        return tally

    def add(self, report: Report) -> None:
        """Count another report."""
        self.checkpoints += len(report.checkpoints)
        self.verdicts.update(row.verdict for row in report.checkpoints)
        self.ignored.add(report.set_aside)
        self.lowered.update(one.code for one in report.all_findings() if one.is_lowered)
        self.notes |= dict.fromkeys(report.notes)
        self.settings = report.settings or self.settings
        self.crashes += report.crashes
        is_first = not self.runs
        self.runs += len(report.runs)
        if report.runs or report.last_good is not None:
            is_only = is_first and self.runs <= 1
            self.last_good = _good(report) if is_only else None
            self.next = report.runs[0].next if is_only and report.runs else ""
        worst = report.worst()
        if worst is not None:
            self._worst = worst if self._worst is None else max(worst, self._worst)

    def worst(self) -> Severity | None:
        """The highest severity of any finding."""
        return self._worst


def _good(report: Report) -> LastGood | None:
    return report.runs[0].last_good if report.is_part and report.runs else report.last_good
