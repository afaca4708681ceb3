"""Which of several metrics says most about a run."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from ckptdoctor.metadata.metric_names import terms_of
from ckptdoctor.metadata.metric_words import FLATTER, HALVES, MAIN, MEANS, PARTS, SUMMARIES

__all__ = ["Weight", "is_half", "weight_of"]


class Weight(enum.IntEnum):
    """How much a metric says of a run, the most first."""

    SUMMARY = 0
    MAIN = 1
    EASY = 2
    OTHER = 3
    FLATTERING = 4
    PART = 5


_EASY = frozenset({"map50", "ap50"})  # the main metric, where half an overlap is enough
_HALF = HALVES | {"top3", "top5", "top10", "hit", "hits", "rate"}


def weight_of(plain: str) -> tuple[Weight, bool, bool, str]:
    """By what equal metrics are told apart, whatever the order of keys: the least says most.

    A number behind a metric is that of a class or a rank (``iou 0``, ``recall 20``), and words that
    are no metric are mostly a class (``car iou``): the mean says more than one of its parts.

    Args:
        plain: what is measured, as `plain_of` has it.
    """
    words = plain.split()
    measured = tuple(word for word in words if not word.isdecimal())
    return _weight(words, measured), len(terms_of(measured)) > 1, MEANS.isdisjoint(words), plain


def _weight(words: Sequence[str], measured: Sequence[str]) -> Weight:
    if len(measured) < len(words) or not PARTS.isdisjoint(words):
        return Weight.PART
    for names, weight in (
        (SUMMARIES, Weight.SUMMARY),
        (MAIN, Weight.MAIN),
        (_EASY, Weight.EASY),
        (FLATTER, Weight.FLATTERING),
    ):
        if not names.isdisjoint(words):
            return weight
    return Weight.OTHER


def is_half(plain: str) -> bool:
    """Whether a metric says half of the truth, and is taken only where there is no other."""
    words = [word for word in plain.split() if not word.isdecimal()]
    return bool(words) and _HALF.issuperset(words)
