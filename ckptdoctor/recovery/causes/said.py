"""What the user says was added, as a cause, with how far log and files go along with it."""

from __future__ import annotations

from collections.abc import Iterator

from ckptdoctor.recovery.added import Added, Addition
from ckptdoctor.recovery.causes.cause import Cause, CauseKind, Sure
from ckptdoctor.recovery.causes.evidence import Evidence
from ckptdoctor.recovery.causes.remedies import by_what_happened
from ckptdoctor.recovery.causes.trouble import TroubleKind

__all__ = ["of_additions", "what_was_seen"]

_LOWER = 0.9
_OF_TRAINING = frozenset(
    {TroubleKind.COLLAPSE, TroubleKind.SHIFT, TroubleKind.DECLINE, TroubleKind.FILES}
)


def of_additions(evidence: Evidence) -> Iterator[Cause]:
    """What was added, where it may do harm and the rate was not lowered for it.

    Nothing tells from when on it was there, so that it is no more than possible. What a resume
    changed in the settings is another cause, and a surer one.
    """
    known = [text for one in evidence.added if (text := _in_words(one))]
    starts = evidence.starts
    if not known or evidence.grown or evidence.trouble.kind not in _OF_TRAINING:
        return
    if evidence.state_alone or (starts and starts[-1] < _LOWER * starts[0]):
        return
    stayed = len(starts) > 1 and starts[0] == starts[-1]
    rate = (
        f"the rate still starts from {starts[0]:.4g}"
        if stayed
        else "nothing tells of a rate that was lowered for it"
    )
    yield Cause(
        kind=CauseKind.ADDED,
        sure=Sure.POSSIBLE,
        evidence=(f"you say that {', and that '.join(known)}", rate),
        remedy=by_what_happened(evidence),
    )


def _in_words(one: Addition) -> str:
    """What it does to the gradients; "" where that is nothing that asks for a lower rate."""
    match one.what:
        case Added.DEEP_SUPERVISION:
            return "deep supervision was added, whose losses make gradients larger"
        case Added.AUGMENTATION:
            return "augmentation was added, which makes gradients differ more"
        case Added.BATCH_SIZE if one.times < 1.0:
            return f"the batch is {one.times:.3g} of what it was, which makes gradients differ more"
        case _:
            return ""


def what_was_seen(evidence: Evidence) -> Iterator[str]:
    """What happened, in the order of time, and what that rules out."""
    rates, trouble = evidence.rates, evidence.trouble
    yield trouble.said
    if trouble.gradual and trouble.is_death:
        yield "it got worse by and by before"
    if evidence.loss_rose:
        yield "the training loss rose as well, which is no overfitting"
    if rates.well is not None and rates.bad is not None and rates.bad < rates.well:
        yield f"the learning rate was falling meanwhile, from {rates.well:.4g} to {rates.bad:.4g}"
