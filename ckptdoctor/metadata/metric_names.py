"""What the name of a metric says: whether it is one, and which direction is better."""

from __future__ import annotations

import functools
import re
from dataclasses import replace

from ckptdoctor.metadata.facts import Metric, MetricKind, Mode, Source

__all__ = [
    "PROMISING",
    "make",
    "metric_of",
    "mode_of",
    "named_metric",
    "own_words",
    "plain_name",
    "words_of",
]

# A whole word of the name, so that "map" is not found in "feature_map" nor "acc" in "accumulation".
_BETTER_HIGH = frozenset(
    """
    iou miou dice jaccard map ap acc accuracy acc1 acc5 top1 top5 prec1 auc auroc f1 fscore psnr
    ssim fitness score precision recall r2 bleu rouge map50
    """.split()
)
_BETTER_LOW = frozenset(
    """
    loss mae mse rmse error err perplexity ppl fid wer cer nll bpb lpips epe mape smape
    """.split()
)
_AMBIGUOUS = frozenset({"map", "ap", "score", "error", "recall", "precision"})
_QUALIFIERS = frozenset(
    """
    best max min val valid validation test eval train training mean avg average epoch ema final
    current last global bbox segm box mask coco voc
    """.split()
)
_UNDIRECTED = frozenset({"metric", "monitor_value"})
_KNOWN_BEST = frozenset({"_best_ema", "_best"})
PROMISING = re.compile(  # no key without one of them is a metric; most keys have none
    "|".join(sorted(_BETTER_HIGH | _BETTER_LOW | _UNDIRECTED | _KNOWN_BEST)), re.IGNORECASE
)
_CAMELS = re.compile(r"mIoU|IoU|mAP")  # words that the humps of their letters would tear apart
_BEST_WORDS = frozenset({"best", "max", "min"})


_WORDS = re.compile(r"[a-z]+\d*|\d+")


def metric_of(key: str, value: float) -> Metric | None:
    """A metric, if the key is the name of one."""
    words = words_of(key)
    best = bool(words & _BEST_WORDS)
    if _is_metric(key):
        return make(key, value, mode_of(words), best=best)
    if key.lower() in _UNDIRECTED or own_words(key) == ("metric",):
        return make(key, value, None, best=best)
    return make(key, value, Mode.MAX, best=True) if key.lower() in _KNOWN_BEST else None


def make(name: str, value: float, mode: Mode | None, *, best: bool) -> Metric:
    """A metric of the contents."""
    kind = MetricKind.RUNNING_BEST if best else MetricKind.SCORE
    return Metric(name=name, value=value, mode=mode, kind=kind, source=Source.CONTENTS)


@functools.lru_cache(maxsize=1024)  # a log says the same names in every epoch
def _word_list(key: str) -> tuple[str, ...]:
    joined = _CAMELS.sub(lambda found: f"_{found[0].lower()}", key)
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", joined)
    return tuple(_WORDS.findall(spaced.lower()))


def words_of(key: str) -> frozenset[str]:
    """The words of a name, in lower case."""
    return frozenset(_word_list(key))


@functools.lru_cache(maxsize=1024)
def own_words(key: str) -> tuple[str, ...]:
    """The words that are neither qualifiers nor numbers: ``iou`` of ``best_val_iou_50``."""
    return tuple(
        word for word in _word_list(key) if word not in _QUALIFIERS and not word.isdecimal()
    )


@functools.lru_cache(maxsize=1024)
def _is_metric(key: str) -> bool:
    """Whether a key names a metric, and not something else that has a metric's word in it.

    What is left without the qualifiers has to end in a metric: ``cls_loss``, ``iou_val``, but not
    ``feature_map_size``. Words that mean other things too have to stand alone. ``best_iou_epoch``
    is an epoch, ``train_loss_epoch`` a loss.
    """
    words, every = own_words(key), _word_list(key)
    known = _BETTER_HIGH | _BETTER_LOW
    if not words or words[-1] not in known or ("best" in every and every[-1] == "epoch"):
        return False
    return words[-1] not in _AMBIGUOUS or all(word in known for word in words)


def mode_of(words: frozenset[str]) -> Mode | None:
    """Which direction is better, where the words tell."""
    if words & _BETTER_LOW:
        return Mode.MIN
    if words & _BETTER_HIGH:
        return Mode.MAX
    return None


def named_metric(key: str, value: float, source: Source) -> Metric | None:
    """A metric that stands under this name outside a checkpoint; None if the name is of none."""
    found = metric_of(key, value)
    return None if found is None else replace(found, source=source)


def plain_name(metric: Metric) -> str:
    """``best_iou``, ``val_iou`` and ``IoU`` are one metric."""
    return " ".join(own_words(metric.name)) or metric.name.lower()
