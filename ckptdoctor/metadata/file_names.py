"""What the name of a file says: epoch, step and score."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ckptdoctor.metadata.facts import Metric, MetricKind, Source
from ckptdoctor.metadata.metric_names import metric_of

__all__ = ["epoch_from_name", "metrics_in_name", "says_epoch", "step_from_name"]

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


def metrics_in_name(path: Path) -> Iterator[Metric]:
    """``epoch=88-val_iou=0.64.ckpt`` and ``model_iou_0.6413.pth``: the file's own score."""
    for found in _NAME_METRIC.finditer(_stem(path)):
        metric = metric_of(found[1].strip("-_ "), float(found[2]))
        if metric is not None:
            yield replace(metric, kind=MetricKind.SCORE, source=Source.FILENAME)
