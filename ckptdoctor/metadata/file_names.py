"""What the name of a file says: epoch, step and score."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ckptdoctor.metadata.facts import Metric, MetricKind, Mode, Source
from ckptdoctor.metadata.metric_names import (
    is_unknown_score,
    make,
    metric_of,
    own_words,
)
from ckptdoctor.metadata.name_parts import NameNumber, NameParts, name_parts

__all__ = ["epoch_from_name", "metrics_in_name", "says_epoch", "step_from_name"]

_NAME_EPOCH = re.compile(
    r"(?:^|[^a-z])(?:epochs?|ep)(?:[-_= ]?0*(\d{1,7}\.\d{1,3})(?!\.?\d)|[-_=. ]?0*(\d{1,7})(?!\d))"
    r"|(?:^|[-_.])e(\d{2,5})(?=[-_.a-df-z]|$)",
    re.IGNORECASE,
)
_NAME_NUMBER = re.compile(
    r"^(?:checkpoint|ckpt|chkpt|weights|net|snapshot)[-_]?0*(\d{1,4})$", re.IGNORECASE
)
_NAME_STEP = re.compile(
    r"(?:^|[^a-z])(?:global_?step|steps?|iterations?|iters?|it)[-_=]?0*(\d{1,12})(?!\d)"
    r"|^model_0*(\d{4,12})$"
    r"|(?:^|[^a-z0-9])0*(\d{1,12})[-_](?:steps?|iterations?|iters?|timesteps)$",
    re.IGNORECASE,
)
_NAME_METRIC = re.compile(
    r"(?<![A-Za-z_/@])[_/@]*+([A-Za-z][A-Za-z_/@]*?\d{0,3})[=_-]"
    r"((?:(?<==)-)?\d+\.\d+(?:e-?\d+)?)(?![\d.])"
)
_FOLDER_STEP = re.compile(r"^(?:checkpoint|global_step|step|iter)[-_]?0*(\d{1,12})$")
_SAYS_NOTHING = frozenset(
    "model checkpoint ckpt chkpt net network weights snapshot state final last best".split()
)
_COUNTS = frozenset("epoch ep e step steps iter it fold".split())


def epoch_from_name(path: Path) -> int | float | None:
    """The epoch that a file's name announces: 88 for ``epoch=88-step=9.ckpt``."""
    stem = _stem(path)
    match = _NAME_EPOCH.search(stem)
    if match:
        epoch = float(match[1] or match[2] or match[3])
        return int(epoch) if epoch.is_integer() else epoch
    match = _NAME_NUMBER.match(stem)
    return int(match[1]) if match else None


def says_epoch(path: Path) -> bool:
    """Whether the number in a file's name is called an epoch, and not just a number."""
    return _NAME_EPOCH.search(_stem(path)) is not None


def step_from_name(path: Path) -> int | None:
    """The step in a file's name, or in that of its folder: ``checkpoint-500/model.safetensors``."""
    match = _NAME_STEP.search(_stem(path))
    if match:
        return int(match[1] or match[2] or match[3])
    match = _FOLDER_STEP.match(path.parent.name)
    return int(match[1]) if match else None


def metrics_in_name(path: Path, held: Sequence[Metric]) -> tuple[list[Metric], list[Metric]]:
    """The file's own scores as its name tells them, and those that are not understood.

    ``epoch=88-val_iou=0.64.ckpt``, ``model_iou_0.6413.pth`` and ``model_0.823.pth``.

    Args:
        path: of the file.
        held: what its contents tell: a number without a name may be one of those, rounded.
    """
    known: list[Metric] = []
    unknown: list[Metric] = []
    for found in _NAME_METRIC.finditer(_stem(path)):
        name, value = found[1].strip("-_ "), float(found[2])
        metric = metric_of(name, value)
        if metric is not None:
            own = replace(metric, name=_without_model(metric.name))
            known.append(replace(own, kind=MetricKind.SCORE, source=Source.FILENAME))
        elif is_unknown_score(name) and not set(own_words(name)) <= _SAYS_NOTHING:
            strange = make(name, value, None, best=False)
            unknown.append(replace(strange, source=Source.FILENAME))
    known += _bare_score(path, held)
    return known, unknown


def _stem(path: Path) -> str:
    """The name without its endings: ``.pth.tar`` is two; ``.31`` in ``loss=0.31`` is none."""
    return _without_endings(path.name)


@functools.lru_cache(maxsize=256)
def _without_endings(name: str) -> str:
    while (suffix := Path(name).suffix) and suffix[1:].isalpha():
        name = name[: -len(suffix)]
    return name


def _without_model(name: str) -> str:
    """``val_iou`` of ``best_model_val_iou``."""
    pieces = name.split("_")
    while len(pieces) > 1 and pieces[0].lower() in _SAYS_NOTHING:
        pieces = pieces[1:]
    return "_".join(pieces)


def _bare_score(path: Path, held: Sequence[Metric]) -> Iterator[Metric]:
    """``model_0.823.pth``: a number at the end that no word calls anything but a score."""
    parts = name_parts(path)
    if not parts.numbers or not _stands_for_a_score(parts):
        return
    value, decimals = parts.numbers[-1].value, _decimals(parts.numbers[-1])
    if any(math.isclose(m.value, value, abs_tol=0.5 * 10**-decimals) for m in held):
        return
    share = 0 <= value <= 1 and decimals >= 2
    mode = Mode.MAX if share or 10 <= value <= 100 else None
    if mode is None and decimals < 2:  # such as the 2.1 of a version
        return
    yield Metric(
        name="score",
        value=float(value),
        mode=mode,
        kind=MetricKind.SCORE,
        source=Source.FILENAME,
    )


def _stands_for_a_score(parts: NameParts) -> bool:
    """Whether the last number is a decimal one at the end, behind a word that says nothing."""
    last = parts.numbers[-1]
    before = parts.numbers[:-1]
    if not last.is_decimal or not parts.stem.endswith(last.text) or not _decimals(last):
        return False
    if last.word:
        return last.word in _SAYS_NOTHING
    return not before or (before[-1].word in _COUNTS and not before[-1].is_decimal)


def _decimals(number: NameNumber) -> int:
    """How many digits stand behind the point; 0 for one with an exponent."""
    digits = number.text.partition(".")[2]
    return len(digits) if digits.isdecimal() else 0
