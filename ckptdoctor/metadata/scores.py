"""The metrics among the values that a checkpoint holds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.metadata.facts import Metric, Mode
from ckptdoctor.metadata.metric_names import (
    MONITORED,
    is_unknown_score,
    make,
    may_name_a_score,
    metric_of,
    mode_of,
    own_words,
    words_of,
)
from ckptdoctor.metadata.metric_words import BEST, QUALIFIERS, REWARDS, TRAINING, VALIDATION

__all__ = ["metric_called", "scores_in"]

_MAX_BITS = 1000  # a longer integer is no float
_NOT_METRICS = re.compile(
    r"(^|\.)(optimizer|optim|scheduler|lr_sched|scaler|args|config|cfg|hyper_parameters|hparams"
    r"|loss_fn|criterion|_metadata|train_args|param_groups)"
)
_MAX_DEPTH = 3  # the keys of Lightning's callbacks have dots of their own
_MAX_HOLDERS = 2
_MAX_METRICS = 1000
_METADATA = "__metadata__."  # of safetensors, where every value is text
_REGISTERED = re.compile(r"^custom_checkpoint_\d{1,4}\.")  # what accelerate keeps for a script
_DECIMAL = re.compile(r"-?\d{1,9}\.\d{1,20}")
_HOLDERS = QUALIFIERS | frozenset(
    "metric metrics stats statistics result results score scores loss losses log logs".split()
)
_MODE_IN_NAME = re.compile(r"'mode': '(min|max)'")  # Lightning writes it into the callback's key


def scores_in(scalars: Mapping[str, Scalar]) -> tuple[list[Metric], list[Metric]]:
    """The metrics among the values of a checkpoint, and the scores that are not understood."""
    known: list[Metric] = []
    unknown: list[Metric] = []
    for place, stored in scalars.items():
        key = place[place.rfind(".") + 1 :]
        if key.isdecimal():  # an item of a list, of which there may be very many
            continue
        path = _REGISTERED.sub("", place)
        most = _MAX_DEPTH if key in MONITORED else _MAX_HOLDERS
        if path.count(".") > most or not may_name_a_score(key) or _NOT_METRICS.search(path):
            continue
        value = _value(path, stored)
        if value is None:
            continue
        holder = path[: -len(key)].removesuffix(".")
        metric = _metric(scalars, holder, key, float(value))
        if metric is not None:
            known += [] if _is_yet_to_come(metric) else [metric]
        elif isinstance(value, float):
            unknown += _unknown(holder, key, value)
        if len(known) + len(unknown) >= _MAX_METRICS:
            break
    return known, unknown


def metric_called(scalars: Mapping[str, Scalar], name: str) -> Metric | None:
    """The value that a user means by a name, whether or not it is known to be a metric.

    Args:
        scalars: of a checkpoint, by their path.
        name: a key, alone or with those that hold it, in any case of letters.
    """
    wanted = name.lower()
    for path, stored in scalars.items():
        lower = path.lower()
        if lower != wanted and not lower.endswith(f".{wanted}"):
            continue
        value = _value(path, stored)
        if value is not None and path.count(".") <= _MAX_HOLDERS and not _NOT_METRICS.search(path):
            best = bool(words_of(name) & BEST)
            return metric_of(name, float(value)) or make(name, float(value), None, best=best)
    return None


def _value(path: str, stored: Scalar) -> int | float | None:
    """A number that may be a score."""
    if isinstance(stored, str):
        decimal = path.startswith(_METADATA) and _DECIMAL.fullmatch(stored)
        return float(stored) if decimal else None
    if isinstance(stored, bool) or stored is None:
        return None
    too_long = isinstance(stored, int) and stored.bit_length() > _MAX_BITS
    return None if too_long else stored


def _metric(scalars: Mapping[str, Scalar], holder: str, key: str, value: float) -> Metric | None:
    """The metric under a key, if it is one."""
    monitor = scalars.get(f"{holder}.monitor") if key in MONITORED else None
    if isinstance(monitor, str):
        return _monitored(holder, monitor, value, best=key == "best_model_score")
    name = _name(holder, key)
    return metric_of(name, value) if name and metric_of(key, value) is not None else None


def _is_yet_to_come(metric: Metric) -> bool:
    """Whether a best reward is the -inf that it begins with, because no agent was evaluated."""
    return metric.value == -math.inf and not REWARDS.isdisjoint(own_words(metric.name))


def _unknown(holder: str, key: str, value: float) -> list[Metric]:
    name = _name(holder, key)
    if not name or not is_unknown_score(key):
        return []
    return [make(name, value, None, best="best" in words_of(key))]


def _name(holder: str, key: str) -> str:
    """The key with what those that hold it say of it: ``val.loss`` for ``metrics.val.loss``.

    Two keys hold it at most, and of two both have to say something; else "".
    """
    parts = holder.split(".") if holder else []
    telling = [words_of(part) for part in parts]
    saying = [bool(words) and words <= _HOLDERS for words in telling]
    if len(parts) > 2 or (len(parts) == 2 and not all(saying)):
        return ""
    own = words_of(key)
    wanted = VALIDATION | {"best"} if own & BEST else VALIDATION | TRAINING | {"best"}
    said = [
        word
        for words, says in zip(telling, saying, strict=True)
        if says
        for word in sorted(words & wanted - own)
    ]
    return ".".join([*said, key])


def _monitored(holder: str, monitor: str, value: float, *, best: bool) -> Metric:
    """What a checkpoint callback of Lightning watches."""
    said = _MODE_IN_NAME.search(holder)
    mode = Mode(said[1]) if said else mode_of(monitor)
    return make(f"best_{monitor}" if best else monitor, value, mode, best=best)
