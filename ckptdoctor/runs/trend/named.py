"""What the values of a log are by their names: losses, rates, norms of gradients."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping

from ckptdoctor import metadata
from ckptdoctor.histories import History, Position
from ckptdoctor.runs.logs.watched import is_scale

__all__ = ["is_loss", "is_norm", "is_rate", "is_telling", "rate_of", "rates_of"]

_RATE = re.compile(r"(^|[^a-z])(lr|learning[_ -]?rate)([^a-z]|$)", re.IGNORECASE)
_LOSS = re.compile(r"(?:^|[/ ])loss[_/ ](?!scale|weight|fn|type|coef|ratio)\w+$", re.IGNORECASE)


@functools.lru_cache(maxsize=1024)  # each is asked of every value of a log
def is_loss(name: str) -> bool:
    """Whether a value of a log is a loss, a part of one (``LOSS NER``) and what is said of one."""
    return (
        metadata.is_loss(name)
        or name.lower().rstrip("0123456789_").endswith("loss")
        or _LOSS.search(name) is not None
    )


@functools.lru_cache(maxsize=1024)
def is_rate(name: str) -> bool:
    """Whether a value of a log is a learning rate."""
    return _RATE.search(name) is not None


def rate_of(values: Mapping[str, float]) -> float | None:
    """The learning rate among the values of a position, the largest of several groups."""
    rates = [value for name, value in values.items() if is_rate(name) and math.isfinite(value)]
    return max(rates, default=None)


def is_norm(name: str) -> bool:
    """Whether a value of a log is the norm of the gradients."""
    return "grad" in name.lower() and "norm" in name.lower()


@functools.lru_cache(maxsize=1024)
def is_telling(name: str) -> bool:
    """Whether a value of a log tells something of the run, whatever the metric is."""
    return is_loss(name) or is_norm(name) or is_rate(name) or is_scale(name)


def rates_of(history: History) -> dict[Position, float]:
    """The learning rates above 0 that the logs of a run tell of, by position."""
    return {at: rate for at, values in history.values.items() if (rate := rate_of(values))}
