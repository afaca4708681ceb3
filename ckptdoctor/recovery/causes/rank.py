"""The causes that the evidence speaks for, the likeliest first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from ckptdoctor.recovery.causes.cause import Cause, CauseKind, Remedy, Sure
from ckptdoctor.recovery.causes.evidence import Evidence
from ckptdoctor.recovery.causes.remedies import (
    HALF,
    by_what_happened,
    from_rates,
    rule_of_thumb,
    unchanged,
    undone,
)
from ckptdoctor.recovery.causes.said import of_additions, what_was_seen
from ckptdoctor.recovery.causes.settings import Setting, is_batch_size, is_fresh_optimizer
from ckptdoctor.recovery.causes.trouble import TroubleKind
from ckptdoctor.runs.optimizer_facts import ChangeKind

__all__ = ["causes_of"]

_NEAR_TOP = 0.9
_LOW = 0.5
_RISEN = 1.2
_MOST_SETTINGS = 4
_OVER_USUAL = 2.0


def causes_of(evidence: Evidence) -> tuple[Cause, ...]:
    """All that something speaks for; what nothing is known of comes last.

    Args:
        evidence: what is known.
    """
    found = [cause for judge in _JUDGES for cause in judge(evidence)]
    if not found:
        found = [_unknown(evidence)]
    return tuple(sorted(found, key=lambda cause: -cause.sure))


def _jumped(evidence: Evidence) -> Iterator[Cause]:
    """The rate was raised at once, and then it went wrong."""
    jump = evidence.rates.jump
    if jump is None:
        return
    say = evidence.history.clock.say
    growth = evidence.rates.growth
    rose = f"rose from {jump.before:.4g} to {jump.after:.4g}, times {jump.times:.3g}"
    told = [f"the learning rate {rose}, at {say(jump.at)}, and {evidence.trouble.said}"]
    if growth is not None:
        told.append(f"the stored schedule has {growth.name} = {growth.times:g}, which raises it")
    else:
        told += [f"a resume changed it: {change.message}" for change in evidence.resumed[:2]]
        told += [f"{one.in_words()}" for one in evidence.settings[:_MOST_SETTINGS]]
    soon = evidence.trouble.at == jump.at
    kind = CauseKind.RATE_JUMPED
    if any(change.kind is ChangeKind.SCHEDULE for change in evidence.resumed):
        kind = CauseKind.SCHEDULE_RESTARTED
    yield Cause(
        kind=kind,
        sure=Sure.CLEAR if soon and not evidence.unread else Sure.LIKELY,
        evidence=tuple(told),
        remedy=from_rates(evidence, jumped=True),
        todo=tuple(_in_the_script(evidence)),
    )


def _too_high(evidence: Evidence) -> Iterator[Cause]:
    """It went wrong at the highest rate so far, or near it."""
    rates = evidence.rates
    if rates.jump is not None or rates.bad is None or evidence.grown:
        return
    if rates.well is None and not _rises_on(evidence):
        return
    say, at = evidence.history.clock.say, evidence.trouble.began
    where = "" if at is None else f" at {say(at)}"
    top = rates.top_before or rates.well or 0.0
    rising = rates.bad >= top and rates.bad > rates.lowest_before * _RISEN
    if rising:
        told = f"the learning rate had risen to {rates.bad:.4g}{where}, above that of good epochs"
    elif rates.bad >= _NEAR_TOP * top and rates.lowest_before * _RISEN < top:
        told = f"the learning rate stood near its peak of {top:.4g}{where}: {rates.bad:.4g}"
    else:
        return
    yield Cause(
        kind=CauseKind.RATE_TOO_HIGH,
        sure=Sure.LIKELY,
        evidence=(told, *_supporting(evidence)),
        remedy=from_rates(evidence, jumped=False),
        todo=(*_in_the_script(evidence), *_clipping(evidence)),
    )


def _rises_on(evidence: Evidence) -> bool:
    """Whether a schedule that began at nothing had only begun to rise where it went wrong."""
    bad, top = evidence.rates.bad, evidence.rates.ahead.top
    return bad is not None and top is not None and top > bad * _RISEN and evidence.trouble.is_death


def _gradients_grew(evidence: Evidence) -> Iterator[Cause]:
    """A resume made the gradients larger, and the rate stayed."""
    grown, rates = evidence.grown, evidence.rates
    if grown is None or rates.jump is not None:
        return
    told = [f"{grown.in_words()}, and the learning rate stayed"]
    if evidence.trouble.began is not None and rates.bad is not None:
        at = evidence.history.clock.say(evidence.trouble.began)
        told.append(f"it was {rates.bad:.4g} at {at}")
    yield Cause(
        kind=CauseKind.GRADIENTS_GREW,
        sure=Sure.LIKELY,
        evidence=(*told, *_supporting(evidence)),
        remedy=undone(evidence) or from_rates(evidence, jumped=False),
        todo=tuple(_clipping(evidence)),
    )


def _in_the_script(evidence: Evidence) -> Iterator[str]:
    """What raises the rate where no schedule that is stored does."""
    for flag in evidence.raised_by:
        yield (
            f"no schedule that is stored raises the rate: {flag} of the script may, and no "
            "checkpoint can hold another: change it in the command"
        )


def _clipping(evidence: Evidence) -> Iterator[str]:
    """The norm to clip gradients at, where it is known what is usual."""
    if evidence.usual_norm is not None:
        most = f"{_OVER_USUAL * evidence.usual_norm:.2g}"
        yield (
            f"clip gradients at {most}, twice their usual norm: "
            f"torch.nn.utils.clip_grad_norm_(model.parameters(), {most})"
        )


def _supporting(evidence: Evidence) -> Iterator[str]:
    growth = evidence.rates.growth
    if growth is not None:
        yield f"the stored schedule has {growth.name} = {growth.times:g}, which raises it"
    if evidence.trouble.gradual:
        yield f"it got worse before {evidence.trouble.said}"
    if evidence.overflowed:
        yield "the loss scale fell to its end"
    others = [one for one in evidence.settings if not _is_grown(one, evidence)]
    for one in others[:_MOST_SETTINGS]:
        yield one.in_words()


def _is_grown(setting: Setting, evidence: Evidence) -> bool:
    return evidence.grown is not None and setting == evidence.grown.setting


def _lost_optimizer(evidence: Evidence) -> Iterator[Cause]:
    """The run was resumed without the optimizer, or with another."""
    if evidence.unread:
        yield _unread_optimizer(evidence)
        return
    fresh = [one for one in evidence.settings if is_fresh_optimizer(one.name) and one.after]
    changes = [
        change
        for change in evidence.resumed
        if change.kind in (ChangeKind.SCHEDULE, ChangeKind.FAMILY, ChangeKind.GROUPS)
    ]
    if not fresh and not changes:
        return
    told = [one.in_words() for one in fresh] + [change.message for change in changes[:2]]
    only_schedule = not fresh and all(change.kind is ChangeKind.SCHEDULE for change in changes)
    kind = CauseKind.SCHEDULE_RESTARTED if only_schedule else CauseKind.OPTIMIZER_LOST
    if only_schedule and evidence.rates.jump is not None:
        return  # told as the jump that it is
    yield Cause(
        kind=kind,
        sure=Sure.LIKELY,
        evidence=tuple(told),
        remedy=from_rates(evidence, jumped=False) or _half("a fresh optimizer at the full rate"),
        todo=("load the states of optimizer and schedule when resuming",),
    )


def _unread_optimizer(evidence: Evidence) -> Cause:
    """A switch of the command left unread what the checkpoint stores."""
    told = [f"{evidence.unread} leaves the optimizer of the checkpoint unread"]
    told += [change.message for change in evidence.resumed[:2]]
    return Cause(
        kind=CauseKind.OPTIMIZER_LOST,
        sure=Sure.CLEAR,
        evidence=tuple(told),
        remedy=unchanged(
            "the stored optimizer and its schedule, which were healthy, are loaded now"
        ),
    )


def _batch_size(evidence: Evidence) -> Iterator[Cause]:
    """Smaller batches at the same rate are more steps, and noisier ones.

    Larger ones are fewer steps, and none of them is longer, unless the loss is summed.
    """
    for one in evidence.settings:
        times = one.times
        if not is_batch_size(one.name) or times is None or times == 1.0:
            continue
        if times > 1.0 and not evidence.summed:
            continue
        summed = ", and the loss is summed over it" if times > 1.0 else ""
        yield Cause(
            kind=CauseKind.BATCH_SIZE,
            sure=Sure.LIKELY,
            evidence=(f"{one.in_words()}{summed}, and the learning rate stayed",),
            remedy=_smaller(times) if times < 1.0 else _of_summed(times),
        )


def _smaller(times: float) -> Remedy:
    factor = min(HALF, times)
    return Remedy(
        factor=factor,
        low=factor / 2,
        high=min(HALF, math.sqrt(times)),
        warmup_epochs=0,
        reason=f"the rate goes with the size of the batch, which is {times:.3g} of what it was",
    )


def _of_summed(times: float) -> Remedy:
    """A gradient that grew with the batch is a rate that grew with it; its square root holds."""
    return Remedy(
        factor=float(f"{min(HALF, 1.0 / math.sqrt(times)):.2g}"),
        low=min(HALF, 1.0 / times),
        high=HALF,
        warmup_epochs=0,
        reason=f"the gradient of a summed loss is {times:.3g} times what it was, as the batch is; "
        "the square root of that is what steps may grow by",
    )


def _weights_replaced(evidence: Evidence) -> Iterator[Cause]:
    """The weights are others at once, and no larger: those that diverge grow."""
    jump = evidence.replaced
    if jump is None or evidence.rates.jump is not None:
        return
    apart = jump.distance
    told = (
        f"behind {jump.since.path.name} the weights moved by {apart.relative:.3g} of their norm "
        f"({apart.farthest} most), where an epoch moved them by {jump.usual:.2g} before, and are "
        "no larger than they were"
    )
    yield Cause(
        kind=CauseKind.WEIGHTS_REPLACED,
        sure=Sure.LIKELY,
        evidence=(told,),
        remedy=by_what_happened(evidence),
        todo=(_WHAT_REPLACES,),
    )


_WHAT_REPLACES = (
    "look for what resets or loads weights there: reset_parameters, load_state_dict with "
    "strict=False, layers that are frozen from then on"
)


def _overflow(evidence: Evidence) -> Iterator[Cause]:
    """The loss scale fell to its end."""
    if not evidence.overflowed:
        return
    yield Cause(
        kind=CauseKind.OVERFLOW,
        sure=Sure.POSSIBLE,
        evidence=("the loss scale was halved until nothing was left of it",),
        remedy=from_rates(evidence, jumped=False) or _half("gradients overflowed half precision"),
        todo=("bfloat16 (torch.autocast with dtype=torch.bfloat16) needs no loss scale",),
    )


def _poisoned(evidence: Evidence) -> Iterator[Cause]:
    """What stands beside the weights holds NaN, and they did not, or not yet."""
    if evidence.moments_first:
        told = f"{evidence.moments_first} holds NaN in the optimizer, and none in its weights"
        yield Cause(
            kind=CauseKind.POISONED_MOMENTS,
            sure=Sure.CLEAR,
            evidence=(f"{told}: gradients that are NaN leave both",),
            remedy=unchanged("the weights themselves learned well at this rate"),
        )
    if not evidence.state_alone:
        return
    yield Cause(
        kind=CauseKind.POISONED_STATE,
        sure=Sure.CLEAR,
        evidence=(
            "the weights are finite in every file; the average or running statistics are not",
        ),
        remedy=unchanged("the weights themselves learned well at this rate"),
    )


def _broken_saving(evidence: Evidence) -> Iterator[Cause]:
    """Nothing is wrong but the files."""
    if evidence.trouble.kind is TroubleKind.DAMAGE:
        yield Cause(
            kind=CauseKind.BROKEN_SAVING,
            sure=Sure.CLEAR,
            evidence=(evidence.trouble.said,),
            remedy=unchanged("the training itself went well"),
            todo=(_SAVES_WHOLE,),
        )


_SAVES_WHOLE = (
    "safe_save of ckptdoctor.guard, in place of torch.save, writes a file whole or leaves the old "
    "one"
)


def _event(evidence: Evidence) -> Iterator[Cause]:
    """It went wrong while the rate was lower than it had been without harm."""
    rates, trouble = evidence.rates, evidence.trouble
    if rates.jump is not None or rates.bad is None or rates.top_before is None or evidence.grown:
        return
    by_and_by = trouble.gradual or trouble.kind is TroubleKind.DECLINE
    if by_and_by or rates.bad >= _NEAR_TOP * rates.top_before:
        return
    told = (
        f"the learning rate was {rates.bad:.4g} then, and {rates.top_before:.4g} had done no harm "
        "before"
    )
    shifted = trouble.kind is TroubleKind.SHIFT
    yield Cause(
        kind=CauseKind.DATA_CHANGED if shifted else CauseKind.BAD_BATCH,
        sure=Sure.LIKELY if rates.bad < _LOW * rates.top_before else Sure.POSSIBLE,
        evidence=(told,),
        remedy=by_what_happened(evidence),
        todo=(*_AGAINST_EVENTS[shifted], *(() if shifted else _clipping(evidence))),
    )


_AGAINST_EVENTS = {
    False: (
        "a bad batch comes again at the same place: leave it out, or another seed for the order",
        "guard.step(loss) of ckptdoctor.guard, in place of optimizer.step(), drops such a step",
    ),
    True: ("compare data, targets and loss of before and after: what changed stays changed",),
}


def _half(reason: str) -> Remedy:
    return rule_of_thumb(HALF, 0.4, 0.6, reason)


def _unknown(evidence: Evidence) -> Cause:
    told = list(what_was_seen(evidence))
    if evidence.rates.bad is None:
        told.append("no learning rate is known from that time")
    told += [one.in_words() for one in evidence.settings[:_MOST_SETTINGS]]
    return Cause(
        kind=CauseKind.UNKNOWN,
        sure=Sure.POSSIBLE,
        evidence=tuple(told),
        remedy=by_what_happened(evidence),
    )


_JUDGES: tuple[Callable[[Evidence], Iterator[Cause]], ...] = (
    _jumped,
    _gradients_grew,
    _poisoned,
    _batch_size,
    _weights_replaced,
    _too_high,
    _lost_optimizer,
    _overflow,
    _broken_saving,
    _event,
    of_additions,
)
