"""What the name of a metric says: what is measured, on which data, which direction is better."""

from __future__ import annotations

import enum
import functools
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.metadata.facts import Metric, MetricKind, Mode, Source
from ckptdoctor.metadata.metric_words import (
    AMBIGUOUS,
    BEST,
    HIGH,
    KNOWN,
    KNOWN_BEST,
    LOW,
    NO_SCORES,
    QUALIFIERS,
    TRAINING,
    UNDIRECTED,
    VALIDATION,
)

__all__ = [
    "METRIC_ENDS",
    "MONITORED",
    "Split",
    "best_of",
    "is_loss",
    "is_unknown_score",
    "make",
    "may_name_a_score",
    "metric_of",
    "metric_tail",
    "mode_of",
    "named_metric",
    "own_words",
    "plain_name",
    "split_of",
    "unknown_metrics",
    "words_of",
]


class Split(enum.Enum):
    """Which data a metric was measured on, as its name says."""

    VALIDATION = "validation"
    TRAINING = "training"
    UNSAID = "unsaid"


MONITORED = frozenset({"current_score", "best_model_score"})  # of Lightning's callbacks
METRIC_ENDS = frozenset(term.split()[-1] for term in KNOWN | UNDIRECTED | KNOWN_BEST | {"top"})
"""Words that the name of a metric ends in."""
# No key without one of these is a metric; most keys have none. By first letter, which is faster.
_PROMISING = re.compile(
    "|".join(
        f"{letter}(?:{'|'.join(word[1:] for word in words)})"
        for letter, words in itertools.groupby(sorted(METRIC_ENDS), key=lambda word: word[0])
    )
)
# Words that their humps would tear apart. The minADE of a forecast is no best so far.
_WHOLE = re.compile(r"mIoU|IoU|mAP|min_?[AF]DE(?![a-zA-Z])|min_?[af]de(?![a-zA-Z])")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_OUTPUT = re.compile(r"\([A-Z]\)$")  # Ultralytics: of boxes, masks, or poses
_TOP = re.compile(r"(?<![a-z])top[-_ @](?=\d)")
_QUALIFIED = re.compile("val|test|best|dev")
_WORDS = re.compile(r"[a-z]+\d*|\d+")
_BEST = re.compile(r"(?<![a-zA-Z])(?i:best|max|min(?!_?[af]de(?![a-z])))(?![a-z])[-_/. ]*")
_SEPARATORS = "-_/. "


def metric_of(key: str, value: float) -> Metric | None:
    """A metric, if the key is the name of one."""
    if not _PROMISING.search(key.lower()):
        return None
    best = bool(words_of(key) & BEST)
    if _is_metric(key):
        return make(key, value, mode_of(key), best=best)
    if key.lower() in UNDIRECTED or own_words(key) in (("metric",), ("elbo",)):
        return make(key, value, None, best=best)
    return make(key, value, Mode.MAX, best=True) if key.lower() in KNOWN_BEST else None


def named_metric(key: str, value: float, source: Source) -> Metric | None:
    """A metric that stands under this name outside a checkpoint; None if the name is of none."""
    found = metric_of(key, value)
    return None if found is None else replace(found, source=source)


def make(name: str, value: float, mode: Mode | None, *, best: bool) -> Metric:
    """A metric of the contents."""
    kind = MetricKind.RUNNING_BEST if best else MetricKind.SCORE
    return Metric(name=name, value=value, mode=mode, kind=kind, source=Source.CONTENTS)


def plain_name(metric: Metric) -> str:
    """``best_iou``, ``val_iou`` and ``IoU`` are one metric."""
    return " ".join(own_words(metric.name)) or metric.name.lower()


def unknown_metrics(values: Mapping[str, Scalar]) -> list[str]:
    """The names of what looks like a score of which nobody knows what it measures.

    Args:
        values: by their names, such as the row of a log: ``val_loss`` is known, ``val_foo`` is not.
    """
    return [key for key, value in values.items() if type(value) is float and is_unknown_score(key)]


@functools.lru_cache(maxsize=4096)
def may_name_a_score(key: str) -> bool:
    """Whether a key is that of a metric, known or not."""
    return key in MONITORED or metric_of(key, 0.0) is not None or is_unknown_score(key)


@functools.lru_cache(maxsize=1024)
def is_unknown_score(key: str) -> bool:
    """Whether a key is qualified like a score, and what it measures is not known."""
    if not _QUALIFIED.search(key.lower()):
        return False
    words = words_of(key)
    if words.isdisjoint(VALIDATION | {"best"}) or not words.isdisjoint(NO_SCORES):
        return False
    return metric_of(key, 0.0) is None


@functools.lru_cache(maxsize=1024)
def split_of(name: str) -> Split:
    """Which data a metric was measured on: of several words, the one that is said last."""
    for word in reversed(_word_list(name)):
        if word in VALIDATION:
            return Split.VALIDATION
        if word in TRAINING:
            return Split.TRAINING
    return Split.UNSAID


def is_loss(name: str) -> bool:
    """Whether a name is that of a loss: ``val_loss``, ``cls_loss``, ``nll``."""
    words = own_words(name)
    return bool(words) and (words[-1].endswith("loss") or words[-1] == "nll")


def best_of(name: str) -> str:
    """What a running best is the best of: ``val_loss`` of ``best_val_loss``; "" of ``best``."""
    return _BEST.sub("", name).strip(_SEPARATORS)


def metric_tail(words: Sequence[str]) -> int:
    """How many words at the end name a metric with its qualifiers: 2 of ``unet val iou``."""
    if not words or words[-1] not in KNOWN:
        return 0
    known = 0
    for word in reversed(words):
        if word not in KNOWN and word not in QUALIFIERS:
            break
        known += 1
    return known


@functools.lru_cache(maxsize=1024)  # a log says the same names in every epoch
def _word_list(key: str) -> tuple[str, ...]:
    whole = _WHOLE.sub(lambda found: f"_{found[0].lower().replace('_', '')}", key)
    spaced = _HUMP.sub("_", _OUTPUT.sub("", whole)).lower()
    return tuple(_WORDS.findall(_TOP.sub("top", spaced)))


def words_of(key: str) -> frozenset[str]:
    """The words of a name, in lower case."""
    return frozenset(_word_list(key))


@functools.lru_cache(maxsize=1024)
def own_words(key: str) -> tuple[str, ...]:
    """The words that are neither qualifiers nor numbers: ``iou`` of ``best_val_iou_50``."""
    return tuple(
        word for word in _word_list(key) if word not in QUALIFIERS and not word.isdecimal()
    )


@functools.lru_cache(maxsize=1024)
def _is_metric(key: str) -> bool:
    """Whether a key names a metric, and not something else that has a metric's word in it.

    What is left without the qualifiers has to end in a metric: ``cls_loss``, ``iou_val``, but not
    ``feature_map_size``. Words that mean other things too have to stand alone. ``best_iou_epoch``
    is an epoch, ``train_loss_epoch`` a loss.
    """
    words, every = own_words(key), _word_list(key)
    if not words or ("best" in every and every[-1] == "epoch"):
        return False
    if len(words) > 1 and " ".join(words[-2:]) in KNOWN:
        return True
    stands_alone = all(word in KNOWN for word in words)
    return words[-1] in KNOWN and (stands_alone or words[-1] not in AMBIGUOUS)


@functools.lru_cache(maxsize=1024)
def mode_of(name: str) -> Mode | None:
    """Which direction is better, where the name tells."""
    words = own_words(name)
    terms = {*words, *(f"{one} {two}" for one, two in itertools.pairwise(words))}
    if terms & LOW:
        return Mode.MIN
    return Mode.MAX if terms & HIGH else None
