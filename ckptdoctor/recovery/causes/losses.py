"""What training losses and the norms of gradients tell of the trouble."""

from __future__ import annotations

import math
import statistics

from ckptdoctor.histories import History, Position
from ckptdoctor.metadata.metric_names import Split, split_of
from ckptdoctor.recovery.causes.trouble import Trouble
from ckptdoctor.recovery.causes.unrest import last_headway
from ckptdoctor.runs.trend.named import is_loss, is_norm

__all__ = ["headway", "loss_rose", "sank", "taught_nothing", "usual_norm"]

_FEWEST_NORMS = 3
_FEWEST_LATER = 3
_DIVERGES = 2.0


def usual_norm(history: History, trouble: Trouble) -> float | None:
    """The median norm of the gradients while all was well."""
    norms = [
        value
        for at, values in history.values.items()
        if trouble.well is not None and at <= trouble.well
        for name, value in values.items()
        if is_norm(name) and math.isfinite(value) and value > 0.0
    ]
    return statistics.median(norms) if len(norms) >= _FEWEST_NORMS else None


def headway(history: History, trouble: Trouble) -> Position | None:
    """The last position while all was well at which the training loss was the lowest so far."""
    well = trouble.well
    return last_headway([one for one in _losses(history) if well is not None and one[0] <= well])


def _losses(history: History) -> list[tuple[Position, float]]:
    """The training loss by position, the smallest of several."""
    return [
        (at, min(known))
        for at, values in sorted(history.values.items())
        if (known := [value for name, value in values.items() if _is_training_loss(name)])
    ]


def loss_rose(history: History, trouble: Trouble) -> bool:
    """Whether the training loss rose behind the last position at which all was well."""
    well, at = trouble.well, trouble.at
    if well is None or at is None:
        return False
    known = [(place, loss) for place, loss in _losses(history) if math.isfinite(loss)]
    before = [loss for place, loss in known if place <= well]
    meanwhile = [loss for place, loss in known if well < place < at]
    return bool(before and meanwhile) and min(meanwhile) > before[-1] < meanwhile[-1]


def sank(history: History, trouble: Trouble) -> bool:
    """Whether the loss where it went wrong was no multiple of that of later or earlier epochs."""
    began, at = trouble.began, trouble.at
    if began is None or at is None or not trouble.is_death:
        return False
    losses = _losses(history)
    before = [loss for place, loss in losses if place < began]
    fall = [loss for place, loss in losses if began <= place <= at]
    level = _level_behind(history, at)
    if not before or not fall or level is None:
        return False
    return max(fall) <= _DIVERGES * level and level <= _DIVERGES * max(before)


def taught_nothing(history: History, trouble: Trouble, last: Position | None) -> bool:
    """Whether the training loss was no lower up to a place than behind the death."""
    if last is None or trouble.at is None or not trouble.is_death:
        return False
    before = [loss for place, loss in _losses(history) if place <= last]
    level = _level_behind(history, trouble.at)
    return bool(before) and level is not None and min(before) >= level


def _level_behind(history: History, at: Position) -> float | None:
    """The usual training loss behind a place; None where too few are known or one is no number."""
    later = [loss for place, loss in _losses(history) if place > at]
    told = len(later) >= _FEWEST_LATER and all(map(math.isfinite, later))
    return statistics.median(later) if told else None


def _is_training_loss(name: str) -> bool:
    return is_loss(name) and split_of(name) is not Split.VALIDATION
