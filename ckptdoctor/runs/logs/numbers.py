"""Numbers out of cells and JSON values, as logs write them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping

from ckptdoctor.histories import Position
from ckptdoctor.metadata import SPLIT_WORDS, Source, Split, named_metric, split_of
from ckptdoctor.runs.logs.spelled import number_spelled

__all__ = [
    "EPOCH_NAMES",
    "SPLIT_FIELDS",
    "STEP_NAMES",
    "epoch_in",
    "number",
    "numbers",
    "of_split",
    "position",
    "step_in",
]

EPOCH_NAMES = ("epoch", "current_epoch", "epochs", "epoch_num")
STEP_NAMES = (
    *("global_step", "step", "trainer/global_step", "_step", "iter", "iteration", "steps"),
    *("num_updates", "iterations", "total_timesteps", "time/total_timesteps", "Progress/kimg"),
    *("training_iteration", "timesteps_total"),
)
_DEEPEST = 3
_COCO_STATS = (6, 10, 12)
"""How many numbers COCO's evaluation gives: AP is the first."""


def number(value: object) -> float | None:
    """A finite number where a count has to be one; None otherwise."""
    found = _number(value)
    return found if found is not None and math.isfinite(found) and abs(found) < 1e12 else None


def epoch_in(row: Mapping[str, object]) -> Position | None:
    """The epoch of a row; a whole one without a fraction is an int."""
    found = next((number(row[name]) for name in EPOCH_NAMES if name in row), None)
    return None if found is None else position(found)


def position(value: float) -> Position:
    """A number as a place in a run: a whole one without a fraction is an int."""
    return int(value) if value == int(value) else value


def step_in(row: Mapping[str, object]) -> int | None:
    """The step of a row."""
    found = (number(row[name]) for name in STEP_NAMES if row.get(name) not in (None, ""))
    step = next(found, None)
    if step is None and isinstance(name := row.get("snapshot_pkl"), str):  # StyleGAN's metrics
        step = number(re.sub(r"\D", "", name))
    return int(step) if step is not None and step >= 0 else None


def numbers(row: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    """The values of a row that are numbers, NaN and infinity among them, without the epoch.

    Where a field of the row says of which data it is, their names say so too. Of rows within the
    row each name says where it stands: ``val/iou``. Of a list of a metric, such as one value a
    class, its mean without NaN; of COCO's twelve figures the first.
    """
    return of_split(row, _numbers(row))


def _numbers(row: Mapping[str, object], depth: int = 0) -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if type(value) is float and name != "epoch":
            yield name, value
            continue
        if (
            isinstance(value, dict)
            and not ("mean" in value and "num" in value)
            and depth < _DEEPEST
        ):
            yield from ((f"{name}/{key}", v) for key, v in _numbers(value, depth + 1))
            continue
        found = _of_list(name, value) if isinstance(value, list) else _number(value)
        if found is None or name.lower() in EPOCH_NAMES:
            continue
        is_coco = isinstance(value, list) and "coco" in name
        yield f"{name} AP" if is_coco else name, found


def of_split(
    row: Mapping[str, object], values: Iterable[tuple[str, float]]
) -> Iterator[tuple[str, float]]:
    """The values with the part of the data in their names, where a field of the row tells it."""
    fields = map(row.get, SPLIT_FIELDS)
    split = next((text.lower() for text in fields if isinstance(text, str)), "")
    if split not in SPLIT_WORDS:
        yield from values
        return
    for name, value in values:
        is_open = split_of(name) is Split.UNSAID
        metric = named_metric(name, 0.0, Source.LOG) if is_open else None
        yield (name if metric is None else f"{split} {name}"), value


SPLIT_FIELDS = ("phase", "split", "mode", "subset", "stage", "set", "partition")


def _of_list(name: str, value: list[object]) -> float | None:
    found = [_number(one) for one in value]
    known = [one for one in found if one is not None]
    if not known or len(known) != len(found):
        return None
    if "coco" in name and len(known) in _COCO_STATS:
        return known[0]
    if named_metric(name, 0.0, Source.LOG) is None:
        return None
    finite = [one for one in known if not math.isnan(one)]
    return sum(finite) / len(finite) if finite else math.nan


def _number(value: object) -> float | None:
    if isinstance(value, dict):  # statistics of one value
        return _number(value["mean"]) if "mean" in value and "num" in value else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return number_spelled(value) if isinstance(value, str) and len(value) < 100 else None
