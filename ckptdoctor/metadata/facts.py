"""What is known of a checkpoint's place in its run: the types."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Metadata", "Metric", "MetricKind", "Mode", "Source"]


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
        epoch: as the file counts, an int where it is whole; None where nothing tells.
        epoch_source: where it was found.
        name_epoch: the epoch in the file's name, even where the contents tell another. None where
            the bare number in the name is the step of the contents.
        global_step: optimizer steps or iterations.
        metric: this checkpoint's own score if it holds one, else the running best.
        metrics: every metric that was found.
        not_understood: scores, by their names, of which it is not known what they measure.
        courses: scores of all epochs up to this one, where the file keeps them: one value each.
    """

    epoch: int | float | None = None
    epoch_source: Source | None = None
    name_epoch: int | float | None = None
    global_step: int | None = None
    metric: Metric | None = None
    metrics: tuple[Metric, ...] = ()
    not_understood: tuple[Metric, ...] = ()
    courses: Mapping[str, tuple[float, ...]] = field(default_factory=dict, repr=False)
