"""How much smaller the learning rate of a restart should be. Rules of thumb, with their reasons.

What adds gradient flow asks for a smaller rate: deep supervision about three quarters, together
with an average of the weights 0.7, stronger augmentation 0.85 to 0.9. A larger batch allows a
larger one. All of that comes on top of what the cause asks for (:mod:`ckptdoctor.recovery.causes`),
and 0.8 once more where a run goes wrong again after a restart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.added import Added, Addition
from ckptdoctor.recovery.causes.cause import Cause, Remedy
from ckptdoctor.recovery.causes.remedies import HALF

__all__ = ["Advice", "advise", "as_told"]

_AS_GOOD_AS_ALL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do with the learning rate.

    Attributes:
        factor: to multiply it with.
        low, high: the range of factors that the rules leave.
        warmup_epochs: to add; 0 for none.
        reasons: why, a sentence each.
        causes: of what went wrong, the likeliest first; () where nothing did.
        decay: what a stored schedule that raises the rate has to multiply it with, or None.
        forget: whether the optimizer is to begin with empty moments.
    """

    factor: float
    low: float
    high: float
    warmup_epochs: int
    reasons: tuple[str, ...]
    causes: tuple[Cause, ...] = ()
    decay: float | None = None
    forget: bool = False

    def in_words(self) -> str:
        """``0.75 (range 0.7 to 0.8)``."""
        span = "" if self.low == self.high else f" (range {self.low:g} to {self.high:g})"
        return f"{self.factor:g}{span}"


def advise(added: Sequence[Addition], causes: Sequence[Cause] = (), *, restarts: int = 0) -> Advice:
    """The factor for the learning rate, its range, and why.

    What was added makes the remedy stronger, never weaker: it comes on top of what the likeliest
    cause asks for.

    Args:
        added: what the user changed before it went wrong.
        causes: why it went wrong, the likeliest first; none where nothing did.
        restarts: how often the run was begun again before.
    """
    remedy = _remedy(causes)
    parts = [_of_addition(one, added, faulty=bool(causes)) for one in added]
    known = [part for part in parts if part is not None]
    if remedy is not None:
        known = [_upon(remedy, known, causes[0])]
        if restarts and not causes[0].is_rate and remedy.factor < 1.0:
            known.append(_AGAIN)
    if not known:
        reasons = ("nothing asks for another",)
        return Advice(factor=1.0, low=1.0, high=1.0, warmup_epochs=0, reasons=reasons)
    return Advice(
        factor=_rounded(math.prod(part.factor for part in known)),
        low=_rounded(math.prod(part.low for part in known)),
        high=_rounded(math.prod(part.high for part in known)),
        warmup_epochs=max(part.warmup_epochs for part in known),
        reasons=tuple(reason for part in known for reason in part.reasons),
        causes=tuple(causes),
        decay=_decay(causes),
        forget=remedy is not None and remedy.forget,
    )


def as_told(advice: Advice, factor: float) -> Advice:
    """The advice with a factor that the user chose."""
    return replace(
        advice,
        factor=factor,
        low=factor,
        high=factor,
        warmup_epochs=0 if factor >= 1.0 else advice.warmup_epochs,
        reasons=("as you said",),
    )


def _likeliest(causes: Sequence[Cause]) -> list[Remedy]:
    """Those of the likeliest cause, and of others that are as likely."""
    return [
        cause.remedy
        for cause in causes
        if cause.remedy is not None and cause.sure is causes[0].sure
    ]


def _remedy(causes: Sequence[Cause]) -> Remedy | None:
    """That of the likeliest cause; of several as likely ones the strongest."""
    return min(_likeliest(causes), key=lambda remedy: remedy.factor, default=None)


def _decay(causes: Sequence[Cause]) -> float | None:
    """What a schedule that raises the rate has to multiply it with; None for no such."""
    decays = [remedy.decay for remedy in _likeliest(causes) if remedy.decay is not None]
    return min(decays, default=None)


def _upon(remedy: Remedy, additions: Sequence[Advice], cause: Cause) -> Advice:
    """What a cause asks for, with what was added.

    Rates that were seen were seen with the addition at work: what they tell holds for it.
    """
    factor, low, high = (
        math.prod(part.factor for part in additions),
        math.prod(part.low for part in additions),
        math.prod(part.high for part in additions),
    )
    reasons: tuple[str, ...] = (
        remedy.reason,
        *(reason for part in additions for reason in part.reasons),
    )
    if cause.is_rate and remedy.factor <= HALF:
        factor, low, high = min(1.0, HALF * factor / remedy.factor), 1.0, 1.0
        if factor > _AS_GOOD_AS_ALL:
            factor, reasons = 1.0, (remedy.reason,)
    return Advice(
        factor=remedy.factor * factor,
        low=min(remedy.low, remedy.factor) * low,
        high=remedy.high * high,
        warmup_epochs=remedy.warmup_epochs,
        reasons=reasons,
    )


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _of_addition(one: Addition, added: Sequence[Addition], *, faulty: bool) -> Advice | None:
    what = {each.what for each in added}
    match one.what:
        case Added.DEEP_SUPERVISION if Added.EMA in what:
            return _advice(0.7, 0.7, 0.7, "deep supervision with an EMA: 30 % less")
        case Added.DEEP_SUPERVISION:
            return _advice(0.75, 0.7, 0.8, "deep supervision adds gradient flow: 20 to 30 % less")
        case Added.EMA if Added.DEEP_SUPERVISION in what:
            return None  # said above
        case Added.EMA:
            return _advice(1.0, 1.0, 1.0, "an EMA alone asks for no other learning rate")
        case Added.AUGMENTATION:
            return _advice(0.875, 0.85, 0.9, "stronger augmentation: 10 to 15 % less")
        case Added.BATCH_SIZE:
            return _of_batch(one.times, faulty=faulty)


def _of_batch(times: float, *, faulty: bool) -> Advice:
    low, high = min(1.0, times), max(1.0, times)
    if faulty and times > 1:
        text = f"{times:g} times the batch would allow up to {times:g} times the rate, "
        return _advice(1.0, low, high, text + "but not in a restart after a fault")
    text = f"{times:g} times the batch: the square root of that, up to linear with SGD"
    return _advice(math.sqrt(times), low, high, text)


def _advice(
    factor: float, low: float, high: float, reason: str, *, warmup_epochs: int = 0
) -> Advice:
    return Advice(factor=factor, low=low, high=high, warmup_epochs=warmup_epochs, reasons=(reason,))


_AGAIN = _advice(
    0.8,
    0.75,
    0.85,
    "it went wrong again after a restart: 20 % less once more",
    warmup_epochs=5,
)
