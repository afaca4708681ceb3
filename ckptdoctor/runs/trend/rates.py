"""Where a learning rate jumps up as no schedule does, from the rates alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ckptdoctor.history import Position

__all__ = ["RISE", "rate_jumps", "rises"]

RISE = 3.0
"""A rate that is raised by less was raised by somebody who knew it."""
_FEWEST = 2
_SAME_PEAK = 2.0
_FEWEST_OF_COSINE = 4
_OFF_COSINE = 0.03


def rises(rates: Sequence[float]) -> list[int]:
    """The places of the values that jumped up: none in a warm-up, none of a cyclic schedule.

    A cosine that came to its end may start again by design; any other fall that ends in a rise of
    three times and more was broken off.

    Args:
        rates: in the order of the run.
    """
    found = []
    falling = False
    for at, rate in enumerate(rates):
        before = rates[at - 1] if at else rate
        steady = at >= _FEWEST and rates[at - 1] == rates[at - 2]
        jumped = at >= _FEWEST and 0.0 < before * RISE <= rate and (falling or steady)
        if jumped and not _is_whole_cosine(rates[:at]):
            found.append(at)
        falling = falling or rate < before
    return [] if _is_cyclic(found, rates) else found


def rate_jumps(rates: Mapping[Position, float]) -> list[tuple[Position, float, float]]:
    """Positions at which a log's learning rate jumped up, with the rates before and after.

    Args:
        rates: position -> learning rate.
    """
    ordered = sorted(rates.items())
    return [
        (ordered[at][0], ordered[at - 1][1], ordered[at][1])
        for at in rises([rate for _, rate in ordered])
    ]


def _is_whole_cosine(rates: Sequence[float]) -> bool:
    """Whether the rates since the highest one are half a period of a cosine, up to its end."""
    top = max(rates)
    start = len(rates) - 1 - list(reversed(rates)).index(top)
    fall = rates[start:]
    return len(fall) >= _FEWEST_OF_COSINE and any(
        _fits_cosine(fall, period) for period in (len(fall), len(fall) - 1)
    )


def _fits_cosine(fall: Sequence[float], period: int) -> bool:
    shares = [0.5 * (1.0 + math.cos(math.pi * at / period)) for at in range(len(fall))]
    top, last = fall[0], shares[-1]
    low = (fall[-1] - top * last) / (1.0 - last)
    off = (abs(rate - low - (top - low) * share) for rate, share in zip(fall, shares, strict=True))
    return low >= -_OFF_COSINE * top and max(off) <= _OFF_COSINE * top


def _is_cyclic(found: Sequence[int], rates: Sequence[float]) -> bool:
    """Whether the rate comes back to one peak again and again, as a schedule has it."""
    peaks = [rates[at] for at in found]
    return len(found) > 1 and max(peaks) <= _SAME_PEAK * min(peaks)
