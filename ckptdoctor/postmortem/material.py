"""All that the guide of a run is made of."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.postmortem.causes.suspicion import Suspicion
from ckptdoctor.postmortem.document import Hashed
from ckptdoctor.postmortem.figures import Figures
from ckptdoctor.postmortem.order import Onset
from ckptdoctor.postmortem.relative import Relative
from ckptdoctor.recovery.causes.evidence import Evidence
from ckptdoctor.recovery.plan import Plan
from ckptdoctor.report import RunReport
from ckptdoctor.runs.departure.departures import Departure

__all__ = ["Material"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All that a guide is made of.

    Attributes:
        report: of the run, ranked.
        plan: the restart.
        evidence: of the trouble; None where there is none.
        figures: of the tensors.
        left: what left its past.
        onset: what it began with.
        causes: the likeliest first.
        apart: why the plan goes by another; "" where it does not.
        files: those that are spoken of, hashed.
        relative: how paths and commands are told.
        question: the words of a command that asks the same.
    """

    report: RunReport
    plan: Plan
    evidence: Evidence | None
    figures: Figures
    left: tuple[Departure, ...]
    onset: Onset
    causes: tuple[Suspicion, ...]
    apart: str
    files: tuple[Hashed, ...]
    relative: Relative
    question: tuple[str | Path, ...]
