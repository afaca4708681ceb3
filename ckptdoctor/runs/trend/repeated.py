"""Values that are printed several times before the next is known."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

__all__ = ["printed_again"]

_Place = TypeVar("_Place", int, float)
_FEWEST = 8
"""So many different values in turn tell a habit from a metric that rests."""
_MOST_ODD = 0.2
"""Of them so many may be printed more or less often than the others: by a line that was lost."""


def printed_again(values: Mapping[_Place, float]) -> frozenset[_Place]:
    """The places that say what the place before said, where a log prints each value so often.

    An average of an epoch in each of its lines is such a value. Taken for measurements of their own
    they would seem to move half as much as they do, and any fall would be more than noise explains.

    Args:
        values: of a metric, by step or epoch.
    """
    places = sorted(values)
    stretches = [list(some) for _, some in itertools.groupby(places, lambda at: repr(values[at]))]
    whole = [len(some) for some in stretches[:-1]]
    if len(whole) < _FEWEST:
        return frozenset()
    (often, _), *_ = Counter(whole).most_common(1)
    odd = sum(length % often != 0 for length in whole)
    if often == 1 or odd > _MOST_ODD * len(whole):
        return frozenset()
    return frozenset(at for some in stretches for n, at in enumerate(some) if n % often)
