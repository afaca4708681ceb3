"""How much a metric jumps about from epoch to epoch, so that a real change can be told from chance.

Medians of second differences: a slope leaves them alone, and so does one bad epoch, which would
widen a standard deviation for all that follow. The MAD of first differences is 0 for a metric that
alternates between two values, and finds fewer declines at as many false alarms.

Of values that were printed to few digits the median is that of grouped data, and the noise no less
than what rounding has.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ckptdoctor.runs.trend.resolution import ROUNDED

__all__ = ["FEWEST_FOR_NOISE", "deviation", "noise_of"]

_TO_SIGMA = 1.4826  # of a normal distribution: its standard deviation over its MAD
_FEWEST = 6
FEWEST_FOR_NOISE = _FEWEST + 2
"""Of fewer values the noise is not known."""


def deviation(values: Sequence[float]) -> float:
    """The standard deviation as the median absolute deviation tells it; 0.0 for less than two."""
    if len(values) < 2:
        return 0.0
    middle = statistics.median(values)
    return _TO_SIGMA * statistics.median(abs(value - middle) for value in values)


def noise_of(values: Sequence[float], resolution: float = 0.0) -> float | None:
    """The standard deviation of one value around the curve; None where too few are known.

    Args:
        values: in the order of the epochs, all finite.
        resolution: with which they were printed, as far as it is known.
    """
    bends = [
        abs(after - 2 * value + before)
        for before, value, after in zip(values, values[1:], values[2:], strict=False)
    ]
    if len(bends) < _FEWEST:
        return None
    noise = _TO_SIGMA * _middle(bends, resolution) / 6**0.5
    return float(max(noise, ROUNDED * resolution))


def _middle(bends: Sequence[float], resolution: float) -> float:
    """The median; where many are the same, each may be anything that is printed so."""
    middle = statistics.median_high(bends)
    within = [abs(bend - middle) < resolution / 2 for bend in bends]
    apart = middle - statistics.median_low(bends) > resolution / 2
    if apart or sum(within) < 2:
        return statistics.median(bends)
    least = max(0.0, middle - resolution / 2)
    below = sum(bend < middle and not same for bend, same in zip(bends, within, strict=True))
    width = middle + resolution / 2 - least
    return least + width * (len(bends) / 2 - below) / sum(within)
