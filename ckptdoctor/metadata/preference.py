"""Which of several metrics is looked at first."""

from __future__ import annotations

from collections.abc import Sequence

from ckptdoctor.metadata.facts import Metric, MetricKind, Mode, Source
from ckptdoctor.metadata.metric_names import own_words, words_of

__all__ = ["principal"]


def principal(metrics: Sequence[Metric]) -> Metric | None:
    """The metric to show and to rank by.

    A file's own score comes before the running best, a score to maximise before a loss, and what
    the file calls best names which metric the training script cares for. What the contents say
    comes before what the name says, which is rounded.
    """
    best_words = frozenset().union(
        *(own_words(m.name) for m in metrics if m.kind is MetricKind.RUNNING_BEST)
    )

    def preference(metric: Metric) -> tuple[bool, ...]:
        words = words_of(metric.name)
        return (
            metric.kind is MetricKind.RUNNING_BEST and metric.mode is None,
            bool(best_words) and best_words.isdisjoint(own_words(metric.name)),
            metric.kind is MetricKind.RUNNING_BEST,
            "train" in words or metric.mode is not Mode.MAX,
            metric.source is Source.FILENAME,
        )

    return min(metrics, key=preference, default=None)
