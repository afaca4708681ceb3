"""How much smaller the learning rate of a restart should be. Rules of thumb, with their reasons.

What adds gradient flow asks for a smaller rate: deep supervision about three quarters, together
with an average of the weights 0.7, stronger augmentation 0.85 to 0.9. A larger batch allows a
larger one. Where the cause is not known, what happened decides: a decline 0.8, a collapse 0.5, both
with five epochs of warm-up; and 0.8 once more where a run goes wrong again after a restart.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ckptdoctor.errors import UsageError
from ckptdoctor.history import AlarmKind, History

__all__ = ["Added", "Addition", "Advice", "advise", "parse_added"]

_WARMUP_EPOCHS = 5
_MOST_TIMES = 1e6
_BATCH = re.compile(r"^batch-size:x?(\d+(?:\.\d+)?)$")


class Added(enum.Enum):
    """What was added to a run before it went wrong."""

    DEEP_SUPERVISION = "deep-supervision"
    EMA = "ema"
    AUGMENTATION = "augmentation"
    BATCH_SIZE = "batch-size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """One thing that was added; ``times`` is by how much the batch grew."""

    what: Added
    times: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do with the learning rate.

    Attributes:
        factor: to multiply it with.
        low, high: the range of factors that the rules leave.
        warmup_epochs: to add; 0 for none.
        reasons: why, a sentence each.
    """

    factor: float
    low: float
    high: float
    warmup_epochs: int
    reasons: tuple[str, ...]

    def in_words(self) -> str:
        """``0.75 (range 0.7 to 0.8)``."""
        span = "" if self.low == self.high else f" (range {self.low:g} to {self.high:g})"
        return f"{self.factor:g}{span}"


def parse_added(texts: Sequence[str]) -> tuple[Addition, ...]:
    """What ``--added`` names.

    Args:
        texts: ``deep-supervision``, ``ema``, ``augmentation`` or ``batch-size:X2``; several may be
            joined by commas.

    Raises:
        UsageError: one is none of these.
    """
    found = []
    for text in ",".join(texts).split(","):
        name = text.strip().lower().replace("_", "-")
        batch = _BATCH.match(name)
        if batch is not None and 0 < float(batch[1]) <= _MOST_TIMES:
            found.append(Addition(what=Added.BATCH_SIZE, times=float(batch[1])))
        elif name in ("deep-supervision", "ema", "augmentation"):
            found.append(Addition(what=Added(name)))
        elif name:
            raise UsageError(
                f"--added {text!r}: known are deep-supervision, ema, augmentation and "
                "batch-size:X2 (for twice the batch)"
            )
    return tuple(found)


def advise(added: Sequence[Addition], history: History | None) -> Advice:
    """The factor for the learning rate, its range, and why.

    Args:
        added: what the user changed before it went wrong.
        history: what happened; None where nothing is known.
    """
    fault = _fault(history)
    parts = [_of_addition(one, added, faulty=fault is not None) for one in added]
    known = [part for part in parts if part is not None]
    if not known and fault is not None:
        known = [fault]
    again = _again(history)
    if again is not None:
        known.append(again)
    if not known:
        return Advice(
            factor=1.0, low=1.0, high=1.0, warmup_epochs=0, reasons=("nothing asks for another",)
        )
    return Advice(
        factor=_rounded(math.prod(part.factor for part in known)),
        low=_rounded(math.prod(part.low for part in known)),
        high=_rounded(math.prod(part.high for part in known)),
        warmup_epochs=max(part.warmup_epochs for part in known),
        reasons=tuple(reason for part in known for reason in part.reasons),
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


def _fault(history: History | None) -> Advice | None:
    """What happened, where nobody knows why."""
    if history is None:
        return None
    kinds = {alarm.kind for alarm in history.alarms if alarm.lasting}
    if history.collapse is not None or kinds & {AlarmKind.EXPLOSION, AlarmKind.NON_FINITE}:
        text = "the run collapsed: about half of the rate, with a warm-up"
        return _advice(0.5, 0.4, 0.6, text, warmup_epochs=_WARMUP_EPOCHS)
    if history.decline is not None:
        span = history.decline
        text = (
            f"the metric declined from {history.clock.say(span.first)}: 20 % less, with a warm-up"
        )
        return _advice(0.8, 0.75, 0.85, text, warmup_epochs=_WARMUP_EPOCHS)
    if history.shift is not None:
        text = (
            f"the metric fell at {history.clock.say(history.shift.at)}: 20 % less, with a warm-up"
        )
        return _advice(0.8, 0.75, 0.85, text, warmup_epochs=_WARMUP_EPOCHS)
    return None


def _again(history: History | None) -> Advice | None:
    """It went wrong again after a restart."""
    if history is None or not history.restarts or _fault(history) is None:
        return None
    text = "it went wrong again after a restart: 20 % less once more"
    return _advice(0.8, 0.75, 0.85, text, warmup_epochs=_WARMUP_EPOCHS)


def _advice(
    factor: float, low: float, high: float, reason: str, *, warmup_epochs: int = 0
) -> Advice:
    return Advice(factor=factor, low=low, high=high, warmup_epochs=warmup_epochs, reasons=(reason,))
