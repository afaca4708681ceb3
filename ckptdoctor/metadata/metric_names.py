"""What the name of a metric says: what is measured, on which data, which direction is better."""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.metadata.facts import Metric, MetricKind, Mode, Source
from ckptdoctor.metadata.metric_signs import PROMISING
from ckptdoctor.metadata.metric_spellings import word_list
from ckptdoctor.metadata.metric_words import (
    AMBIGUOUS,
    BEST,
    KNOWN,
    KNOWN_BEST,
    LOSSES,
    LOW,
    NO_SCORES,
    ONLY_QUALIFIED,
    QUALIFIERS,
    SETTINGS,
    TASKS,
    TRAINING,
    UNDIRECTED,
    VAGUE,
    VALIDATION,
)

__all__ = [
    "MONITORED",
    "Split",
    "best_of",
    "is_best",
    "is_loss",
    "is_part_of_loss",
    "is_smoothed",
    "is_test",
    "is_unknown_score",
    "make",
    "may_name_a_score",
    "metric_of",
    "metric_tail",
    "mode_of",
    "named_metric",
    "own_words",
    "plain_name",
    "plain_of",
    "split_of",
    "terms_of",
    "unknown_metrics",
    "words_of",
]


class Split(enum.Enum):
    """Which data a metric was measured on, as its name says."""

    VALIDATION = "validation"
    TRAINING = "training"
    UNSAID = "unsaid"


MONITORED = frozenset({"current_score", "best_model_score"})  # of Lightning's callbacks
_QUALIFIED = re.compile("val|vld|test|tst|best|dev|oof|holdout")
_LOSS = re.compile(
    r"^(?:(?:train|val|valid|eval|test)\w*[/_ ]|\w{1,20}/)?loss(?:[_/]|(?-i:(?=[A-Z])))"
    r"(?!scal|weight|fn|func|type|coef|ratio|name)"
    r"[a-zA-Z]\w*$",
    re.IGNORECASE,
)
"""Of a log, that is: an argument of a script may begin so."""
_BEST = re.compile(r"(?<![a-zA-Z])(?i:best|max|min(?!_?(?:[af]de|dcf)(?![a-z])))(?![a-z])[-_/. ]*")
_SEPARATORS = "-_/. "
_SCORERS = re.compile(r"neg_(?:mean|median|root|log_loss|brier|max)")  # of scikit-learn
_LOSS_WORDS = frozenset({"loss", "losses", "error", "err"})
_AT = re.compile(r"@\d")
_MOST_WORDS = max(term.count(" ") for term in KNOWN) + 1


def metric_of(key: str, value: float) -> Metric | None:
    """A metric, if the key is the name of one."""
    what = _what_is(key)
    return None if what is None else make(key, value, what[0], best=what[1])


@functools.lru_cache(maxsize=4096)  # a log says the same names in every epoch
def _what_is(key: str) -> tuple[Mode | None, bool] | None:
    """The direction of a metric, and whether it is the best so far; None of what is none."""
    lower = key.lower()
    if not PROMISING.search(key):
        return None
    best = bool(words_of(key) & BEST)
    if lower in UNDIRECTED or " ".join(own_words(key)) in UNDIRECTED:
        return None, best
    if _is_metric(key):
        return mode_of(key), best
    return (Mode.MAX, True) if lower in KNOWN_BEST else None


def named_metric(key: str, value: float, source: Source) -> Metric | None:
    """A metric that stands under this name outside a checkpoint; None if the name is of none."""
    found = metric_of(key, value)
    if found is None and source is Source.LOG and _LOSS.search(key) is not None:
        found = make(key, value, Mode.MIN, best=False)
    return None if found is None else replace(found, source=source)


def make(name: str, value: float, mode: Mode | None, *, best: bool) -> Metric:
    """A metric of the contents."""
    kind = MetricKind.RUNNING_BEST if best else MetricKind.SCORE
    return Metric(name=name, value=value, mode=mode, kind=kind, source=Source.CONTENTS)


def plain_name(metric: Metric) -> str:
    """``best_iou``, ``val_iou`` and ``IoU`` are one metric."""
    return plain_of(metric.name)


@functools.lru_cache(maxsize=1024)
def plain_of(name: str) -> str:
    """What a name says is measured: ``recall 20`` of ``val_Recall@20``."""
    own, numbers = own_words(name), list[str]()
    for word in reversed(word_list(name)):
        if word.isdecimal():
            numbers.append(word)
        elif word not in QUALIFIERS:
            break
    return " ".join([*own, *reversed(numbers)]) if own else name.lower()


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
    for word in reversed(word_list(name)):
        if word in VALIDATION:
            return Split.VALIDATION
        if word in TRAINING:
            return Split.TRAINING
    return Split.UNSAID


@functools.lru_cache(maxsize=4096)
def is_loss(name: str) -> bool:
    """Whether a name is that of a loss: ``val_loss``, ``cls_loss``, ``nll``."""
    words = own_words(name)
    if _LOSS.search(name) is not None:
        return True
    return bool(words) and (words[-1].endswith(("loss", "losses")) or words[-1] in LOSSES)


def is_smoothed(name: str) -> bool:
    """Whether a name is that of a moving average: ``ema_fg_dice``."""
    return "ema" in words_of(name)


def is_test(name: str) -> bool:
    """Whether a name is that of a test, by which no epoch is chosen where a validation is there."""
    return bool(words_of(name) & {"test", "testing"})


def is_best(name: str) -> bool:
    """Whether a name is that of the best so far: ``min_loss``."""
    return bool(words_of(name) & BEST)


def is_part_of_loss(name: str) -> bool:
    """Whether a name is that of one of several losses: ``loss_dice``, ``val_ce``."""
    return is_loss(name) and not _WHOLE_LOSS.issuperset(words_of(name) - QUALIFIERS)


_WHOLE_LOSS = frozenset({"loss", "losses", "total", "reference"})


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


def words_of(key: str) -> frozenset[str]:
    """The words of a name, in lower case."""
    return frozenset(word_list(key))


@functools.lru_cache(maxsize=1024)
def own_words(key: str) -> tuple[str, ...]:
    """The words that are neither qualifiers nor numbers: ``iou`` of ``best_val_iou_50``.

    ``bbox_mAP`` is a mAP, but ``bbox_loss`` is not the loss.
    """
    own = [word for word in word_list(key) if word not in QUALIFIERS and not word.isdecimal()]
    if own and own[-1] in KNOWN and own[-1] not in LOW:
        own = [word for word in own if word not in TASKS] or own
    return tuple(own)


@functools.lru_cache(maxsize=1024)
def _is_metric(key: str) -> bool:
    """Whether a key names a metric, and not something else that has a metric's word in it.

    What is left without the qualifiers has to end in a metric: ``cls_loss``, ``iou_val``, but not
    ``feature_map_size``. Words that mean other things too have to stand alone, or to be written as
    only a metric is: ``cosine_recall@10``, ``NuScenes/mAP``. ``best_iou_epoch`` is an epoch,
    ``train_loss_epoch`` a loss.
    """
    words, every = own_words(key), word_list(key)
    terms = terms_of(words)
    if not terms or terms[-1] not in KNOWN or not SETTINGS.isdisjoint(words):
        return False
    if "best" in every and every[-1] == "epoch":
        return False
    if terms[-1] in ONLY_QUALIFIED and not _is_plain(terms[-1], key, every):
        return False
    if terms[-1] not in AMBIGUOUS or KNOWN.issuperset(terms):
        return True
    return bool(_AT.search(key)) or "mAP" in key or KNOWN.issuperset(terms_of(_last_part(key)))


def _is_plain(term: str, key: str, words: Sequence[str]) -> bool:
    """Whether a term that is a word of a language as well is meant as a metric."""
    qualified = not (VALIDATION | TRAINING | {"best"}).isdisjoint(words)
    return qualified or (term.isalpha() and len(term) < 4 and term.upper() in key)


def _last_part(key: str) -> tuple[str, ...]:
    """The own words behind the last slash."""
    head, slash, tail = key.rpartition("/")
    return own_words(tail) if head and slash else ("",)


@functools.lru_cache(maxsize=1024)
def terms_of(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words, with those together that mean something together."""
    terms: list[str] = []
    end = len(words)
    while end:
        for length in range(min(_MOST_WORDS, end), 0, -1):
            term = " ".join(words[end - length : end])
            if length == 1 or term in KNOWN:
                terms.append(term)
                end -= length
                break
    return tuple(reversed(terms))


@functools.lru_cache(maxsize=1024)
def mode_of(name: str) -> Mode | None:
    """Which direction is better, where the name tells.

    A loss of whatever it is made has to fall. Of several terms the last tells: ``fid_score``, but
    for words as vague as score.
    """
    terms = [term for term in terms_of(own_words(name)) if term in KNOWN]
    telling = [term for term in terms if term not in VAGUE] or terms
    if not telling:
        return None
    falls = telling[-1] in LOW or not _LOSS_WORDS.isdisjoint(telling)
    if falls and _SCORERS.search(name.lower()):
        return Mode.MAX
    return Mode.MIN if falls else Mode.MAX
