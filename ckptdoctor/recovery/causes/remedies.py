"""How much lower the rate has to be, from the rates that were seen.

The restart stays well below the rate at which it went wrong, with the highest rate that is ahead of
it. Where the run got worse for epochs, it was over the edge before that showed: then the last rate
at which all was well counts. Where the rate jumped, the one before the jump does. And a rate that
does not fall later ends at its peak, where noise costs score: it asks for more room. A stored
schedule that would raise the rate again is told to lower it: then the rate itself may stay as high
as it was while all was well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ckptdoctor.recovery.causes.cause import Remedy
from ckptdoctor.recovery.causes.evidence import Evidence

__all__ = ["HALF", "from_rates", "rule_of_thumb", "unchanged", "undone"]

HALF = 0.5
_WARMUP_EPOCHS = 5
_ROOM = 0.6  # of the rate at which it went wrong, for the peak of a schedule that falls later
_ROOM_WELL = 0.5  # of the last rate at which all was well, where it got worse by and by
_ROOM_BACK = 0.8  # of the rate before a jump
_ROOM_FLAT = 0.35
_RANGE = 1.5
_AS_GOOD_AS_ALL = 0.95


def from_rates(evidence: Evidence, *, jumped: bool) -> Remedy | None:
    """The factor that keeps the peak low enough; None where the rates are not known.

    Args:
        evidence: what is known.
        jumped: whether the rate was raised at once: then it goes back to what was healthy.
    """
    top = evidence.rates.ahead.top
    edge = _edge(evidence, jumped=jumped)
    if edge is None or top is None or not top > 0.0:
        return None
    decay = evidence.rates.ahead.decay
    most = 1.0 if decay is not None and jumped else HALF
    factor = _rounded(min(most, edge.room * edge.rate / top))
    if factor > _AS_GOOD_AS_ALL:
        factor = 1.0
    goes, stays = ("starts at", "it is") if decay is not None else ("rises to", "it stays at")
    side = "no higher than" if factor * top >= edge.rate else "below"
    return Remedy(
        factor=factor,
        low=_rounded(factor / _RANGE),
        high=_rounded(min(most, factor * _RANGE)),
        warmup_epochs=0 if jumped else _WARMUP_EPOCHS,
        reason=f"the schedule {goes} {top:.3g}; times {factor:g} {stays} {factor * top:.3g}, "
        f"{side} {edge.what}, {edge.rate:.3g}",
        decay=decay,
        forget=evidence.has_momentum and not jumped,
    )


@dataclass(frozen=True, slots=True)
class _Edge:
    """A rate to stay below, how far, and what it is."""

    rate: float
    room: float
    what: str


def _edge(evidence: Evidence, *, jumped: bool) -> _Edge | None:
    rates = evidence.rates
    well = rates.top_before if jumped else rates.well
    by_well = jumped or evidence.trouble.gradual or rates.bad is None
    rate = well if by_well else rates.bad
    if rate is None:
        return None
    cured = jumped and rates.ahead.decay is not None
    room = 1.0 if cured else _ROOM_BACK if jumped else _ROOM_WELL if by_well else _ROOM
    if not rates.ahead.falls:
        room = min(room, _ROOM_FLAT)
    what = "the last rate at which all was well" if by_well else "the rate at which it went wrong"
    return _Edge(rate, room, what)


def undone(evidence: Evidence) -> Remedy | None:
    """The factor that makes up for larger gradients; None where the rates tell more.

    They do where they ask for a smaller one, and where the run went wrong at once with further
    heads: at which rate is known then.
    """
    grown, trouble = evidence.grown, evidence.trouble
    known = evidence.rates.bad is not None and not trouble.gradual
    if grown is None or (known and not grown.exact):
        return None
    seen = from_rates(evidence, jumped=False)
    over = float(f"{1.0 / grown.times:.3g}")
    if seen is not None and seen.factor < over:
        return None
    factor = min(HALF, over)
    return Remedy(
        factor=factor,
        low=factor,
        high=_rounded(min(HALF, 1.0 / math.sqrt(grown.times))),
        warmup_epochs=_WARMUP_EPOCHS,
        reason=f"the rate was healthy with gradients as they were: one over {grown.times:.3g} "
        "makes up for larger ones",
        forget=evidence.has_momentum,
    )


def _rounded(value: float) -> float:
    """Two digits: nobody knows more."""
    return float(f"{value:.2g}")


def unchanged(reason: str) -> Remedy:
    """The rate as it was."""
    return Remedy(factor=1.0, low=HALF, high=1.0, warmup_epochs=0, reason=reason)


def rule_of_thumb(factor: float, low: float, high: float, reason: str) -> Remedy:
    """A factor that rests on what happened alone."""
    return Remedy(factor=factor, low=low, high=high, warmup_epochs=_WARMUP_EPOCHS, reason=reason)
