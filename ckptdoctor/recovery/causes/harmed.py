"""Whether a start afresh may end higher than the last good checkpoint, at the price of few epochs.

A checkpoint that was the best so far, before a rate that was too high killed the run, may have been
trained at rates that were too high already. What they did to its weights, no lower rate mends.
"""

from __future__ import annotations

from ckptdoctor.recovery.causes.cause import Cause, CauseKind
from ckptdoctor.recovery.causes.evidence import Evidence

__all__ = ["may_be_harmed"]

_FEW = 0.25


def may_be_harmed(evidence: Evidence, causes: tuple[Cause, ...], epoch: float | None) -> str:
    """A sentence on what the checkpoint may have come to; "" where nothing speaks for that.

    Args:
        evidence: what is known.
        causes: the likeliest first.
        epoch: of the checkpoint; None where that is not known.
    """
    first, planned, rates = next(iter(causes), None), evidence.planned, evidence.rates
    if first is None or first.kind is not CauseKind.RATE_TOO_HIGH or first.remedy is None:
        return ""
    if epoch is None or planned is None or not 0 < epoch <= _FEW * planned:
        return ""
    top, seen = rates.ahead.top, evidence.trained_at
    peak = None if top is None else first.remedy.factor * top
    if evidence.taught_nothing:
        why = "its training loss was no lower than later, when nothing was learned any more"
    elif peak is not None and seen is not None and seen > peak:
        why = f"it was trained at rates up to {seen:.3g}, above the {peak:.3g} that are planned now"
    else:
        return ""
    return (
        f"{why}: its weights may not come back from that. C, a start afresh at a lower rate, "
        f"costs {epoch:g} epoch{'s' * (epoch != 1)}, and may end higher"
    )
