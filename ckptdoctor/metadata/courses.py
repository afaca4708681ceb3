"""Scores that a checkpoint keeps of all its epochs: nnU-Net's ``logging``, a script's ``history``.

Such a list has one value an epoch, the last of them that of the checkpoint itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.metadata.facts import Metric, MetricKind
from ckptdoctor.metadata.metric_names import metric_of, words_of
from ckptdoctor.metadata.metric_words import BEST

__all__ = ["courses_in", "scores_of_courses"]

_INDEXED = re.compile(r"^((?:\w{1,80}\.){0,2}(\w{1,80}))\.(\d{1,7})")
_NOT_COURSES = re.compile(
    r"(^|\.)(optimizer|optim|scheduler|lr_sched|args|config|cfg|param_groups)"
)
_FEWEST = 2
_OFF_BY_ONE = 1


def courses_in(
    scalars: Mapping[str, Scalar], epoch: float | None
) -> Mapping[str, tuple[float, ...]]:
    """By the name of a metric, its values over the epochs up to the checkpoint's own.

    Args:
        scalars: of a checkpoint, by their path.
        epoch: the checkpoint's; a list that is longer or shorter than so many is none of epochs.
    """
    if epoch is None:
        return {}
    lists: dict[str, list[float]] = {}
    names: dict[str, str] = {}
    passed: str | None = None
    for path, value in scalars.items():
        above = path[: path.rfind(".")]
        if above == passed or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        found = _INDEXED.fullmatch(path)
        if found is None:
            continue
        whole, key, at = found[1], found[2], int(found[3])
        if whole not in lists:
            if not _may_be_course(whole, key):
                passed = whole  # it may go on for very long
                continue
            if at:
                continue
            lists[whole], names[whole] = [], key
        if at == len(lists[whole]):
            lists[whole].append(float(value))
    return {
        names[whole]: tuple(values)
        for whole, values in lists.items()
        if len(values) >= _FEWEST and 0 <= len(values) - epoch <= _OFF_BY_ONE
    }


def _may_be_course(whole: str, key: str) -> bool:
    return (
        metric_of(key, 0.0) is not None
        and not _NOT_COURSES.search(whole)
        and not words_of(key) & BEST
    )


def scores_of_courses(courses: Mapping[str, tuple[float, ...]]) -> Iterator[Metric]:
    """The last value of each: the checkpoint's own score."""
    for name, values in courses.items():
        metric = metric_of(name, values[-1])
        if metric is not None and metric.kind is MetricKind.SCORE:
            yield metric
