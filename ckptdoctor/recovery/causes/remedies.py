"""How much lower the rate has to be, from the rates that were seen.

The restart stays well below the rate at which it went wrong, with the highest rate that is ahead of
it. SGD diverges at once past an edge that the curvature sets, and learns best not far below it.
Where it did not diverge, but sank to the loss of a net that has learned nothing, as a classifier
does, whose gradients are bounded, nothing tells how far past the edge that was. Adam's kind divides
its steps by the size of the gradient: it does not diverge, it only learns worse and worse, and its
metric falls at many times the rate that is best, as a range test of rates shows it. So its restart
stays an order of magnitude below. Where the run got worse for epochs, or its training loss made no
headway any more, it was over the edge before that showed: then the last rate before counts. Where
the rate jumped, the one before the jump does. And a rate that does not fall later ends at its peak,
where noise costs score: it asks for more room. A stored schedule that would raise the rate again is
told to lower it: then the rate itself may stay as high as it was while all was well.
"""

from __future__ import annotations

import math
from dataclasses import replace

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.causes.cause import Remedy
from ckptdoctor.recovery.causes.evidence import Evidence, Rates
from ckptdoctor.recovery.causes.trouble import TroubleKind

__all__ = [
    "HALF",
    "by_what_happened",
    "from_rates",
    "of_a_start",
    "rule_of_thumb",
    "unchanged",
    "undone",
]

HALF = 0.5
_WARMUP_EPOCHS = 5
_ROOM = 0.6  # of the rate at which it went wrong, for the peak of a schedule that falls later
_ROOM_WELL = 0.5  # of the last rate at which all was well, where it got worse by and by
_ROOM_ADAPTIVE = 0.1  # of the rate at which it went wrong, for Adam's kind, as of a range test
_ROOM_WELL_ADAPTIVE = 0.25
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
    return _below_edge(evidence, _edge(evidence, jumped=jumped), jumped=jumped)


def of_a_start(evidence: Evidence) -> Remedy | None:
    """What a start afresh asks for, where nothing was learned up to the checkpoint; None elsewhere.

    The rates up to there were too high already, for weights that were new.
    """
    rate = evidence.trained_at
    if not evidence.taught_nothing or rate is None:
        return None
    room = _ROOM_ADAPTIVE if evidence.is_adaptive else _ROOM
    room = room if evidence.rates.ahead.falls else min(room, _ROOM_FLAT)
    return _below_edge(evidence, _Edge(rate, room, _NOTHING), jumped=False)


_NOTHING = "a rate at which nothing was learned"


def _below_edge(evidence: Evidence, edge: _Edge | None, *, jumped: bool) -> Remedy | None:
    top = evidence.rates.ahead.top
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
    edge = _before_jump(evidence.rates) if jumped else _below(evidence)
    if edge is None or evidence.rates.ahead.falls:
        return edge
    return replace(edge, room=min(edge.room, _ROOM_FLAT))


_WELL = "the last rate at which all was well"


def _before_jump(rates: Rates) -> _Edge | None:
    """The rate before it jumped; as high as that, where the schedule that raised it is mended."""
    if rates.top_before is None:
        return None
    return _Edge(rates.top_before, _ROOM_BACK if rates.ahead.decay is None else 1.0, _WELL)


def _below(evidence: Evidence) -> _Edge | None:
    """Where it was surely not too high yet, as far as rates and losses tell."""
    rates = evidence.rates
    well, bad = rates.well, rates.bad
    headway = None if evidence.grown else rates.headway  # what makes gradients larger adds loss
    room, below = (
        (_ROOM_ADAPTIVE, _ROOM_WELL_ADAPTIVE) if evidence.is_adaptive else (_ROOM, _ROOM_WELL)
    )
    if well is None:
        return None if bad is None else _Edge(bad, room, _WRONG)
    if headway is not None and headway < well:
        return _Edge(headway, below, _HEADWAY)
    if evidence.trouble.gradual or bad is None or (evidence.sank and not evidence.is_adaptive):
        return _Edge(well, below, _WELL)
    return _Edge(bad, room, _WRONG)


_WRONG = "the rate at which it went wrong"
_HEADWAY = "the last rate at which the training loss made headway"


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


def by_what_happened(evidence: Evidence) -> Remedy:
    """The rule of thumb of what was seen."""
    trouble = evidence.trouble
    if trouble.kind in (TroubleKind.COLLAPSE, TroubleKind.FILES):
        text = f"{trouble.said}: about half of the rate, with a warm-up"
        return rule_of_thumb(HALF, 0.4, 0.6, text)
    return rule_of_thumb(0.8, 0.75, 0.85, f"{trouble.said}: 20 % less, with a warm-up")


def rule_of_thumb(factor: float, low: float, high: float, reason: str) -> Remedy:
    """A factor that rests on what happened alone."""
    return Remedy(factor=factor, low=low, high=high, warmup_epochs=_WARMUP_EPOCHS, reason=reason)
