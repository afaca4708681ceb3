"""How much a metric jumps about from epoch to epoch, so that a real change can be told from chance.

Medians of second differences: a slope leaves them alone, and so does one bad epoch, which would
widen a standard deviation for all that follow. The MAD of first differences is 0 for a metric that
alternates between two values, and finds fewer declines at as many false alarms.
"""

from __future__ import annotations

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
    bends = [
        abs(after - 2 * value + before)
        for before, value, after in zip(values, values[1:], values[2:], strict=False)
    ]
    if len(bends) < _FEWEST:
        return None
    return float(_TO_SIGMA * statistics.median(bends) / 6**0.5)
