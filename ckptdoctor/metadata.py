"""Where a checkpoint stands in its run: epoch, step and metric, from its contents or its name.

Sources: the checkpoint layouts of Lightning, MMEngine, Detectron2, timm, Ultralytics, torchtune,
fairseq and the Hugging Face Trainer.
"""

from __future__ import annotations

import enum
import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, Scalar
from ckptdoctor.natural import natural_key

__all__ = [
    "Metadata",
    "Metric",
    "MetricKind",
    "Mode",
    "Source",
    "epoch_from_name",
    "named_metric",
    "plain_name",
    "position",
    "principal",
    "read_metadata",
    "says_epoch",
    "step_from_name",
]


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
_HOLDERS = (
    *("", "meta.", "state.", "train_state.", "trainer_state.", "info.", "progress.", "extra."),
    "extra_state.train_iterator.",  # fairseq
)
_MAX_COUNT = 10**12
_MAX_BITS = 1000  # a longer integer is no float
_MAX_METRICS = 1000

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
_PROMISING = re.compile(  # no key without one of them is a metric; most keys have none
    "|".join(sorted(_BETTER_HIGH | _BETTER_LOW | _UNDIRECTED | _KNOWN_BEST)), re.IGNORECASE
)
_CAMELS = re.compile(r"mIoU|IoU|mAP")  # words that the humps of their letters would tear apart
_BEST_WORDS = frozenset({"best", "max", "min"})
_NOT_METRICS = re.compile(
    r"(^|\.)(optimizer|optim|scheduler|lr_sched|scaler|args|config|cfg|hyper_parameters|hparams"
    r"|loss_fn|criterion|_metadata|train_args|param_groups)"
)
_WORDS = re.compile(r"[a-z]+\d*|\d+")
_MAX_DEPTH = 4

_NAME_EPOCH = re.compile(
    r"(?:^|[^a-z])(?:epochs?|ep)[-_=. ]?0*(\d{1,7})(?!\d)|(?:^|[-_.])e(\d{2,5})(?=[-_.a-df-z]|$)",
    re.IGNORECASE,
)
_NAME_NUMBER = re.compile(
    r"^(?:checkpoint|ckpt|chkpt|weights|net|snapshot)[-_]?0*(\d{1,4})$", re.IGNORECASE
)
_NAME_STEP = re.compile(
    r"(?:^|[^a-z])(?:global_?step|steps?|iterations?|iters?|it)[-_=]?0*(\d{1,12})(?!\d)"
    r"|^model_0*(\d{4,12})$",
    re.IGNORECASE,
)
_NAME_METRIC = re.compile(
    r"(?<![A-Za-z_/@])[_/@]*+([A-Za-z][A-Za-z_/@]*?\d{0,3})[=_-]"
    r"(\d+\.\d+(?:e-?\d+)?)(?![\d.])"
)
_FOLDER_STEP = re.compile(r"^(?:checkpoint|global_step|step|iter)[-_]?0*(\d{1,12})$")
_MODE_IN_NAME = re.compile(r"'mode': '(min|max)'")  # Lightning writes it into the callback's key


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
    found = itertools.islice(_metrics(scalars), _MAX_METRICS)
    metrics = (*found, *_metrics_in_name(checkpoint.path))
    return Metadata(
        epoch=epoch,
        epoch_source=source,
        name_epoch=name_epoch,
        global_step=step_from_name(checkpoint.path) if step is None else step,
        metric=principal(metrics),
        metrics=metrics,
    )


def position(path: Path, metadata: Metadata) -> tuple[object, ...]:
    """A key that puts checkpoints in the order of their run: by epoch, by step, then by name.

    Never by the time of modification: copying changes it. Those without an epoch come last.
    """
    epoch = metadata.epoch if metadata.epoch is not None else metadata.name_epoch
    return (epoch is None, epoch or 0, metadata.global_step or 0, natural_key(path))


def _stem(path: Path) -> str:
    """The name without its endings: ``.pth.tar`` is two; ``.31`` in ``loss=0.31`` is none."""
    name = path.name
    while (suffix := Path(name).suffix) and suffix[1:].isalpha():
        name = name[: -len(suffix)]
    return name


def epoch_from_name(path: Path) -> int | None:
    """The epoch that a file's name announces: 88 for ``epoch=88-step=9.ckpt``."""
    stem = _stem(path)
    match = _NAME_EPOCH.search(stem)
    if match:
        return int(match[1] or match[2])
    match = _NAME_NUMBER.match(stem)
    return int(match[1]) if match else None


def says_epoch(path: Path) -> bool:
    """Whether the number in a file's name is called an epoch, and not just a number."""
    return _NAME_EPOCH.search(_stem(path)) is not None


def step_from_name(path: Path) -> int | None:
    """The step in a file's name, or in that of its folder: ``checkpoint-500/model.safetensors``."""
    match = _NAME_STEP.search(_stem(path))
    if match:
        return int(match[1] or match[2])
    match = _FOLDER_STEP.match(path.parent.name)
    return int(match[1]) if match else None


def _count(scalars: Mapping[str, Scalar], keys: tuple[str, ...]) -> int | None:
    """The first plausible counter under one of the keys, near the root."""
    for key in keys:
        for holder in _HOLDERS:
            value = scalars.get(holder + key)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            # Compared first: an integer may be too large to be a float, which isfinite makes of it.
            if 0 <= value < _MAX_COUNT and value == int(value):
                return int(value)
    return None


# -- metrics -------------------------------------------------------------------------------------


def _metrics(scalars: Mapping[str, Scalar]) -> Iterator[Metric]:
    for path, value in scalars.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        holder, _, key = path.rpartition(".")
        if not _PROMISING.search(key) or path.count(".") >= _MAX_DEPTH:
            continue
        if _NOT_METRICS.search(path) or (isinstance(value, int) and value.bit_length() > _MAX_BITS):
            continue
        monitor = scalars.get(f"{holder}.monitor")
        if key in ("current_score", "best_model_score") and isinstance(monitor, str):
            yield _monitored(holder, monitor, float(value), best=key == "best_model_score")
        elif "." not in holder and (found := _metric(key, float(value))) is not None:
            yield found


def _metrics_in_name(path: Path) -> Iterator[Metric]:
    """``epoch=88-val_iou=0.64.ckpt`` and ``model_iou_0.6413.pth``: the file's own score."""
    for found in _NAME_METRIC.finditer(_stem(path)):
        metric = _metric(found[1].strip("-_ "), float(found[2]))
        if metric is not None:
            yield replace(metric, kind=MetricKind.SCORE, source=Source.FILENAME)


def _monitored(holder: str, monitor: str, value: float, *, best: bool) -> Metric:
    """What a checkpoint callback of Lightning watches."""
    said = _MODE_IN_NAME.search(holder)
    mode = Mode(said[1]) if said else _mode(_words(monitor))
    return _make(f"best_{monitor}" if best else monitor, value, mode, best=best)


def _metric(key: str, value: float) -> Metric | None:
    """A metric, if the key is the name of one."""
    words = _words(key)
    best = bool(words & _BEST_WORDS)
    if _is_metric(key):
        return _make(key, value, _mode(words), best=best)
    if key.lower() in _UNDIRECTED or _own_words(key) == ("metric",):
        return _make(key, value, None, best=best)
    return _make(key, value, Mode.MAX, best=True) if key.lower() in _KNOWN_BEST else None


def _make(name: str, value: float, mode: Mode | None, *, best: bool) -> Metric:
    kind = MetricKind.RUNNING_BEST if best else MetricKind.SCORE
    return Metric(name=name, value=value, mode=mode, kind=kind, source=Source.CONTENTS)


@functools.lru_cache(maxsize=1024)  # a log says the same names in every epoch
def _word_list(key: str) -> tuple[str, ...]:
    joined = _CAMELS.sub(lambda found: f"_{found[0].lower()}", key)
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", joined)
    return tuple(_WORDS.findall(spaced.lower()))


def _words(key: str) -> frozenset[str]:
    return frozenset(_word_list(key))


@functools.lru_cache(maxsize=1024)
def _own_words(key: str) -> tuple[str, ...]:
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
    words, every = _own_words(key), _word_list(key)
    known = _BETTER_HIGH | _BETTER_LOW
    if not words or words[-1] not in known or ("best" in every and every[-1] == "epoch"):
        return False
    return words[-1] not in _AMBIGUOUS or all(word in known for word in words)


def _mode(words: frozenset[str]) -> Mode | None:
    if words & _BETTER_LOW:
        return Mode.MIN
    if words & _BETTER_HIGH:
        return Mode.MAX
    return None


def named_metric(key: str, value: float, source: Source) -> Metric | None:
    """A metric that stands under this name outside a checkpoint; None if the name is of none."""
    found = _metric(key, value)
    return None if found is None else replace(found, source=source)


def plain_name(metric: Metric) -> str:
    """``best_iou``, ``val_iou`` and ``IoU`` are one metric."""
    return " ".join(_own_words(metric.name)) or metric.name.lower()


def principal(metrics: Sequence[Metric]) -> Metric | None:
    """The metric to show and to rank by.

    A file's own score comes before the running best, a score to maximise before a loss, and what
    the file calls best names which metric the training script cares for. What the contents say
    comes before what the name says, which is rounded.
    """
    best_words = frozenset().union(
        *(_own_words(m.name) for m in metrics if m.kind is MetricKind.RUNNING_BEST)
    )

    def preference(metric: Metric) -> tuple[bool, ...]:
        words = _words(metric.name)
        return (
            metric.kind is MetricKind.RUNNING_BEST and metric.mode is None,
            bool(best_words) and best_words.isdisjoint(_own_words(metric.name)),
            metric.kind is MetricKind.RUNNING_BEST,
            "train" in words or metric.mode is not Mode.MAX,
            metric.source is Source.FILENAME,
        )

    return min(metrics, key=preference, default=None)
