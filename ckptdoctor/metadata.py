"""Where a checkpoint stands in its run: epoch, step and metric, from its contents or its name.

Sources: the checkpoint layouts of Lightning, MMEngine, Detectron2, timm, Ultralytics, torchtune,
fairseq and the Hugging Face Trainer.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, Scalar

__all__ = ["Metadata", "Metric", "MetricKind", "Mode", "Source", "epoch_from_name", "read_metadata"]


class Source(enum.Enum):
    """Where a fact comes from."""

    CONTENTS = "contents"
    FILENAME = "filename"
    LOG = "log"


class Mode(enum.Enum):
    """Which direction of a metric is better."""

    MAX = "max"
    MIN = "min"


class MetricKind(enum.Enum):
    """Whether a value is what this checkpoint scored, or the best of the run so far."""

    SCORE = "score"
    RUNNING_BEST = "running_best"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One value of one metric.

    Attributes:
        name: the key it stands under.
        value: may be NaN or infinite: that is for the rules to judge.
        mode: which direction is better; None where the name does not tell.
        kind: this checkpoint's own score, or the run's best so far.
        source: where it was found.
    """

    name: str
    value: float
    mode: Mode | None
    kind: MetricKind
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Where a checkpoint stands in its run.

    Attributes:
        epoch: as the file counts; None where nothing tells.
        epoch_source: where it was found.
        name_epoch: the epoch in the file's name, even where the contents tell another.
        global_step: optimizer steps or iterations.
        metric: this checkpoint's own score if it holds one, else the running best.
        metrics: every metric that was found.
    """

    epoch: int | None = None
    epoch_source: Source | None = None
    name_epoch: int | None = None
    global_step: int | None = None
    metric: Metric | None = None
    metrics: tuple[Metric, ...] = ()


_EPOCH_KEYS = ("epoch", "current_epoch", "epochs_run", "num_epochs_trained", "last_epoch")
_STEP_KEYS = ("global_step", "iteration", "step", "iter", "num_updates", "total_steps_trained")
_HOLDERS = ("", "meta.", "state.", "train_state.", "trainer_state.", "info.", "progress.", "extra.")
_MAX_COUNT = 10**12

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
    current last global
    """.split()
)
_UNDIRECTED = frozenset({"metric", "monitor_value"})
_BEST_WORDS = frozenset({"best", "max", "min"})
_NOT_METRICS = re.compile(
    r"(^|\.)(optimizer|optim|scheduler|lr_sched|scaler|args|config|cfg|hyper_parameters|hparams"
    r"|loss_fn|criterion|_metadata|train_args|param_groups)"
)
_WORDS = re.compile(r"[a-z]+\d*|\d+")
_MAX_DEPTH = 4

_NAME_EPOCH = re.compile(
    r"(?:^|[^a-z])(?:epochs?|ep)[-_=. ]?0*(\d{1,7})(?!\d)|(?:^|[-_.])e0*(\d{1,5})(?=[-_.a-z]|$)",
    re.IGNORECASE,
)
_NAME_NUMBER = re.compile(
    r"^(?:checkpoint|ckpt|chkpt|weights|net|snapshot)[-_]?0*(\d{1,4})$", re.IGNORECASE
)
_NAME_STEP = re.compile(
    r"(?:global_?step|steps?|iterations?|iters?|it)[-_=]?0*(\d{1,12})(?!\d)|^model_0*(\d{4,12})$",
    re.IGNORECASE,
)


def read_metadata(checkpoint: Checkpoint) -> Metadata:
    """Epoch, step and metrics of a checkpoint.

    What the contents say comes before what the name says.
    """
    scalars = checkpoint.scalars
    name_epoch = epoch_from_name(checkpoint.path)
    epoch = _count(scalars, _EPOCH_KEYS)
    source: Source | None = None
    if epoch is not None:
        source = Source.CONTENTS
    elif name_epoch is not None:
        epoch, source = name_epoch, Source.FILENAME
    step = _count(scalars, _STEP_KEYS)
    metrics = tuple(_metrics(scalars))
    return Metadata(
        epoch=epoch,
        epoch_source=source,
        name_epoch=name_epoch,
        global_step=_step_from_name(checkpoint.path) if step is None else step,
        metric=_principal(metrics),
        metrics=metrics,
    )


def _stem(path: Path) -> str:
    """The name without its endings: ``.pth.tar`` is one."""
    name = path.name
    while (suffix := Path(name).suffix) and not suffix[1:].isdigit() and len(suffix) <= 12:
        name = name[: -len(suffix)]
        if "=" in suffix:
            return path.name.removesuffix(path.suffix)
    return name


def epoch_from_name(path: Path) -> int | None:
    """The epoch that a file's name announces: 88 for ``epoch=88-step=9.ckpt``."""
    stem = _stem(path)
    match = _NAME_EPOCH.search(stem)
    if match:
        return int(match[1] or match[2])
    match = _NAME_NUMBER.match(stem)
    return int(match[1]) if match else None


def _step_from_name(path: Path) -> int | None:
    match = _NAME_STEP.search(_stem(path))
    return int(match[1] or match[2]) if match else None


def _count(scalars: Mapping[str, Scalar], keys: tuple[str, ...]) -> int | None:
    """The first plausible counter under one of the keys, near the root."""
    for key in keys:
        for holder in _HOLDERS:
            value = scalars.get(holder + key)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if math.isfinite(value) and value == int(value) and 0 <= value < _MAX_COUNT:
                return int(value)
    return None


# -- metrics -------------------------------------------------------------------------------------


def _metrics(scalars: Mapping[str, Scalar]) -> Iterator[Metric]:
    monitor = _lightning_monitor(scalars)
    for path, value in scalars.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if path.count(".") >= _MAX_DEPTH or _NOT_METRICS.search(path):
            continue
        found = _metric(path, float(value), monitor)
        if found is not None:
            yield found


def _lightning_monitor(scalars: Mapping[str, Scalar]) -> str | None:
    for path, value in scalars.items():
        if path.endswith(".monitor") and isinstance(value, str):
            return value
    return None


def _metric(path: str, value: float, monitor: str | None) -> Metric | None:
    """A metric, if the last name on the path, or one of its own words, is one."""
    *holders, key = path.split(".")
    if key in ("current_score", "best_model_score") and monitor is not None:
        mode = _mode(_words(monitor))
        best = key == "best_model_score"
        return _make(f"best_{monitor}" if best else monitor, value, mode, best=best)
    if len(holders) > 1 or key.isdigit():  # a history is a list; its entries are not this file's
        return None
    words = _words(key)
    mode = _mode(words) if _is_metric(key) else None
    if mode is None and not words & _UNDIRECTED and key.lower() not in ("_best_ema", "_best"):
        return None
    if key.lower().startswith("_best") and mode is None:
        mode = Mode.MAX
    return _make(key, value, mode, best=bool(words & _BEST_WORDS))


def _make(name: str, value: float, mode: Mode | None, *, best: bool) -> Metric:
    kind = MetricKind.RUNNING_BEST if best else MetricKind.SCORE
    return Metric(name=name, value=value, mode=mode, kind=kind, source=Source.CONTENTS)


def _word_list(key: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key)
    return _WORDS.findall(spaced.lower())


def _words(key: str) -> frozenset[str]:
    return frozenset(_word_list(key))


def _is_metric(key: str) -> bool:
    """Whether a key names a metric, and not something else that has a metric's word in it.

    What is left without the qualifiers has to end in a metric: ``cls_loss``, ``iou_val``, but not
    ``feature_map_size``. Words that mean other things too have to stand alone.
    """
    words = [word for word in _word_list(key) if word not in _QUALIFIERS]
    known = _BETTER_HIGH | _BETTER_LOW
    if not words or words[-1] not in known:
        return False
    return words[-1] not in _AMBIGUOUS or all(word in known for word in words)


def _mode(words: frozenset[str]) -> Mode | None:
    if words & _BETTER_LOW:
        return Mode.MIN
    if words & _BETTER_HIGH:
        return Mode.MAX
    return None


def _principal(metrics: tuple[Metric, ...]) -> Metric | None:
    """The metric to show and to rank by.

    A file's own score comes before the running best, a score to maximise before a loss, and what
    the file calls best names which metric the training script cares for.
    """
    best_words = frozenset().union(
        *(_words(m.name) - _BEST_WORDS for m in metrics if m.kind is MetricKind.RUNNING_BEST)
    )

    def preference(metric: Metric) -> tuple[bool, bool, bool, bool]:
        words = _words(metric.name)
        return (
            metric.kind is MetricKind.RUNNING_BEST and metric.mode is None,
            bool(best_words) and not words & best_words,
            metric.kind is MetricKind.RUNNING_BEST,
            "train" in words or metric.mode is not Mode.MAX,
        )

    return min(metrics, key=preference, default=None)
