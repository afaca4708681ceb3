"""What is right: the module, the tensor, and the time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ckptdoctor.diagnose import Examination
from ckptdoctor.finding import Severity
from ckptdoctor.postmortem.causes.suspicion import Kind
from ckptdoctor.postmortem.figures import Looking, measure
from ckptdoctor.postmortem.perform import perform
from ckptdoctor.runs.departure.departures import Departure, departures
from ckptdoctor.runs.discover import discover
from ckptdoctor.survey import survey
from ckptdoctor.tasks.stored import stored_scalars
from tests.benchmarks.first_bad.faults import Faulty
from tests.benchmarks.first_bad.nets import CLASSES

__all__ = ["Outcome", "alarms", "collapse_of", "judge", "share"]

_KEY = "model_state_dict."
_CAUSES = {
    "rate": {Kind.OWN_RATE},
    "bad batch": {Kind.BATCH, Kind.BAD_STEP},
    "bit flip": {Kind.ELEMENT},
    "frozen norm": {Kind.FROZEN},
    "overflow": {Kind.GROWTH, Kind.OVERFLOW},
}
"""The causes that are true of a fault. A bad batch may leave nothing but NaN."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a training with a fault.

    Attributes:
        run: the training.
        first: what the autopsy says it began with; None where it says nothing.
        sampled: the same by what a scan keeps alone, which is what CD413 goes by.
        collapse: the epoch from which on nothing was left of what was learned; None without one.
        warned: the epoch of CD413; None where there is none.
        cause: what sort of cause the autopsy ranks first; None where it knows none.
    """

    run: Faulty
    first: Departure | None
    sampled: Departure | None
    collapse: int | None
    warned: int | None
    cause: Kind | None

    @property
    def is_right_cause(self) -> bool:
        """Whether the cause that is ranked first is the one that was made."""
        return self.cause in _CAUSES[self.run.kind]

    @property
    def is_early(self) -> bool:
        """Whether the warning came a checkpoint before the collapse, or more."""
        return self.collapse is not None and self.warned is not None and self.warned < self.collapse

    def is_right_module(self, found: Departure | None) -> bool:
        """Whether that is the module that the fault lies in."""
        return found is not None and found.module.removeprefix(_KEY) == self.run.module

    def is_right_tensor(self, found: Departure | None) -> bool:
        """Whether it is the tensor as well; of a frozen norm, one of its statistics."""
        if found is None or not self.is_right_module(found):
            return False
        name = found.name.removeprefix(_KEY)
        of_norm = self.run.kind == "frozen norm" and "running_" in name
        return of_norm or name == self.run.tensor


def collapse_of(scores: Sequence[float]) -> int | None:
    """The epoch from which on the accuracy never came back over half of what was learned."""
    best = max(scores)
    least = 1 / CLASSES + 0.5 * (best - 1 / CLASSES)
    above = [epoch for epoch, score in enumerate(scores) if score >= least]
    last = above[-1] if above else -1
    return last + 1 if last + 1 < len(scores) else None


def judge(folder: Path, run: Faulty, scores: Sequence[float]) -> Outcome:
    """Look at what the training left behind."""
    report = survey(discover([folder]), Examination(jobs=1))
    (one,) = report.runs
    autopsy = perform(one, stored_scalars, Looking(jobs=1))
    found = autopsy.departures
    warned = [finding for finding in one.findings if finding.code == "CD413"]
    at = warned[0].evidence["position"] if warned else None
    sampled = one.run.departures
    return Outcome(
        run=run,
        first=found[0] if found else None,
        sampled=sampled[0] if sampled else None,
        collapse=collapse_of(scores),
        warned=at if isinstance(at, int) else None,
        cause=autopsy.causes[0].kind if autopsy.causes else None,
    )


def alarms(folder: Path) -> list[str]:
    """What a healthy training is accused of, by the autopsy or by CD413."""
    report = survey(discover([folder]), Examination(jobs=1))
    (one,) = report.runs
    found = [
        f"{left.name} at {left.place}: {left.trait.value}"
        for left in departures(measure(one.run, Looking(jobs=1)).course)
    ]
    return found + [
        finding.message
        for finding in one.findings
        if finding.code == "CD413" and finding.severity >= Severity.WARNING
    ]


def share(part: int, whole: int) -> float:
    """In percent; NaN of nothing."""
    return 100.0 * part / whole if whole else math.nan
