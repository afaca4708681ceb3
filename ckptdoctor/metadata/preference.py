"""Which of several metrics is looked at first."""

from __future__ import annotations

from collections.abc import Sequence

from ckptdoctor.metadata.facts import Metric, MetricKind, Mode, Source
from ckptdoctor.metadata.metric_names import Split, own_words, plain_name, split_of
from ckptdoctor.metadata.metric_order import is_half, weight_of

__all__ = ["principal"]


def principal(metrics: Sequence[Metric]) -> Metric | None:
    """The metric to show and to rank by.

    What the file calls best names which metric the training script cares for. What was measured on
    the training data comes last: by its name, or because the same metric is there for other data as
    well. Then a file's own score comes before the running best, a score to maximise before a loss,
    an F1 before a recall, and what is called a validation before what is not, then what says most
    of a run. What the contents say comes before what the name says, which is rounded.
    """
    bests = {own_words(m.name) for m in metrics if m.kind is MetricKind.RUNNING_BEST}
    best_words = frozenset(word for words in bests for word in words)
    validated = {own_words(m.name) for m in metrics if split_of(m.name) is Split.VALIDATION}

    def preference(metric: Metric) -> tuple[object, ...]:
        own, split = own_words(metric.name), split_of(metric.name)
        is_best = metric.kind is MetricKind.RUNNING_BEST
        twin = split is Split.UNSAID and not is_best and own in validated
        return (
            is_best and metric.mode is None,
            bool(best_words) and best_words.isdisjoint(own),
            split is Split.TRAINING or twin,
            is_best,
            bool(bests) and own not in bests,
            metric.mode is not Mode.MAX,
            is_half(plain_name(metric)),
            split is not Split.VALIDATION,
            weight_of(plain_name(metric)),
            metric.source is Source.FILENAME,
        )

    return min(metrics, key=preference, default=None)
