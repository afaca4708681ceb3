"""How much a metric jumps about from epoch to epoch, so that a real change can be told from chance.

Medians of first differences: a z-score on levels takes a rising metric for an outlier, and one bad
epoch would widen a standard deviation for all that follow.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence

__all__ = ["deviation", "noise_of"]

_TO_SIGMA = 1.4826  # of a normal distribution: its standard deviation over its MAD
_FEWEST = 6


def deviation(values: Sequence[float]) -> float:
    """The standard deviation as the median absolute deviation tells it; 0.0 for less than two."""
    if len(values) < 2:
        return 0.0
    middle = statistics.median(values)
    return _TO_SIGMA * statistics.median(abs(value - middle) for value in values)


def noise_of(values: Sequence[float]) -> float | None:
    """The standard deviation of one value around the curve; None where too few are known.

    Args:
        values: in the order of the epochs, all finite.
    """
    steps = [after - before for before, after in itertools.pairwise(values)]
    if len(steps) < _FEWEST:
        return None
    return float(deviation(steps) / 2**0.5)  # a difference has the noise of two values
