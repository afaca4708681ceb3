"""Why the plan goes by another cause than the tensors tell of, where it does.

The plan asks rates, losses, settings and files, which take no time; tensors are read by an autopsy
alone. So the plan's causes stand among those of the autopsy, and its step is the one that is
recommended; where the tensors speak for another cause, that is said beside the step, once.
"""

from __future__ import annotations

from collections.abc import Sequence

from ckptdoctor.postmortem.causes.suspicion import KIND_OF, Kind, Suspicion
from ckptdoctor.recovery.causes.cause import Cause, CauseKind
from ckptdoctor.recovery.lr_rules import Advice

__all__ = ["apart"]

_OF_THE_RATE = frozenset({Kind.RATE, Kind.OWN_RATE, Kind.GROWTH, Kind.OVERFLOW})
"""What a lower rate helps against."""


def apart(advice: Advice, causes: Sequence[Suspicion]) -> str:
    """A sentence or two on what the plan goes by and the tensors; "" where that is the same.

    Args:
        advice: of the plan.
        causes: of the autopsy, the likeliest first.
    """
    told, top = next(iter(advice.causes), None), next(iter(causes), None)
    if told is None or top is None:
        return ""
    top = None if top.is_unlikely or top.title == CauseKind.UNKNOWN.value else top
    kind = None if told.kind is CauseKind.UNKNOWN else KIND_OF[told.kind]
    if kind is (None if top is None else top.kind):
        return ""
    step = "keeps the rate" if advice.factor == 1.0 else f"takes the rate times {advice.factor:g}"
    sentence = f"The plan asks rates, losses, settings and files: {_said(told)}, and it {step}. "
    if top is None:
        return f"{sentence}The tensors, which it does not look at, speak against that."
    sentence += "The tensors, which it does not look at, speak for the first cause told here"
    if top.word == "possible":
        return f"{sentence}, which is no more than possible."
    if advice.factor < 1.0 and top.kind not in _OF_THE_RATE:
        return f"{sentence}: once that is mended, the rate need not be lower."
    return f"{sentence}."


def _said(told: Cause) -> str:
    if told.kind is CauseKind.UNKNOWN:
        return "by these the cause is not known"
    return f"by these it is {told.kind.value} ({told.sure.word})"
