"""Where a learning rate jumps up as no schedule does, from the rates alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

from ckptdoctor.histories import Position

__all__ = ["RISE", "is_above_all", "is_sure", "rate_jumps", "rises"]

RISE = 3.0
"""A rate that is raised by less was raised by somebody who knew it."""
_FEWEST = 2
_SAME_PEAK = 2.0
_FEWEST_OF_CYCLE = 4
_FEWEST_OF_FALL = 6
"""Of fewer values nobody knows whether they came to an end: a log may tell of three a cycle."""
_OFF_CURVE = 0.03
_PLACES = 10  # between two values, at which a cycle may begin or end
_POWERS = (0.9, 1.0, 2.0)  # of polynomial schedules
_LOW = 0.1
"""Of the highest rate, down to which a polynomial goes; a cosine may end at any."""
_WARM_UP, _WARM_UP_TIMES = 5, 10.0
"""A constant warm-up is that short at most, and the rate behind it so many times as high."""
_NEAR_TOP = 0.5
_SAME = 0.01


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
        if jumped and not _is_whole_cycle(rates[:at]):
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


def is_sure(rates: Sequence[float]) -> bool:
    """Whether the newest rate jumped as no schedule lets it, whatever comes of it.

    It jumped from where it stood or fell, far above all rates before; or back to near the highest
    one from a schedule that was not at its end, and not as it had risen before.

    Args:
        rates: up to now, in the order of the run.
    """
    if not _jumped(rates):
        return False
    *known, now = rates
    if now >= RISE * max(known):
        return is_above_all(rates)
    fall, steady = _fall(known), known[-1] == known[-2]
    back = now > _NEAR_TOP * max(known) and (steady or len(fall) >= _FEWEST_OF_FALL)
    return back and not _rose_before(known, now) and not _is_whole_cycle(known)


def is_above_all(rates: Sequence[float]) -> bool:
    """Whether the newest rate jumped far above all rates before, and no warm-up ended.

    Args:
        rates: up to now, in the order of the run.
    """
    if not _jumped(rates):
        return False
    *known, now = rates
    times = now / known[-1]
    signs = {b > a for a, b in itertools.pairwise(known) if a != b}  # one that is over did both
    warm_up = len(signs) < 2 and len(known) <= _WARM_UP and times <= _WARM_UP_TIMES
    return now >= RISE * max(known) and not warm_up


def _jumped(rates: Sequence[float]) -> bool:
    """Whether the newest rate is three times that before, which had not begun to rise."""
    if len(rates) <= _FEWEST:
        return False
    earlier, before, now = rates[-3:]
    return 0.0 < before * RISE <= now and before <= earlier


def _rose_before(known: Sequence[float], now: float) -> bool:
    """Whether the rate went from where it was to as high before, as a cyclic schedule has it."""
    low = known[-1]
    return any(
        abs(a - low) <= _SAME * now and b >= (1.0 - _SAME) * now
        for a, b in itertools.pairwise(known)
    )


def _is_whole_cycle(rates: Sequence[float]) -> bool:
    """Whether the rates since they last rose are a curve that came to its end.

    A log that tells of every hundredth step need not know its first or its last value.
    """
    fall = _fall(rates)
    if len(fall) < _FEWEST_OF_CYCLE or fall[0] <= fall[-1]:
        return False
    curves = ((_cosine, 1.0), *((_power(power), _LOW) for power in _POWERS))
    return any(
        _fits(fall, curve, first / _PLACES, len(fall) - 1 + rest / _PLACES, lowest)
        for first in range(_PLACES)
        for rest in range(first, first + _PLACES + 1)
        for curve, lowest in curves
    )


def _fall(rates: Sequence[float]) -> Sequence[float]:
    """The rates since they last rose."""
    rises = (at for at, (a, b) in enumerate(itertools.pairwise(rates), start=1) if b > a)
    return rates[max(rises, default=0) :]


_Curve = Callable[[float], float]
"""What is left of the highest rate after a share of the way."""


def _cosine(share: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))


def _power(power: float) -> _Curve:
    return lambda share: max(0.0, 1.0 - share) ** power


def _fits(fall: Sequence[float], curve: _Curve, first: float, period: float, lowest: float) -> bool:
    """Whether rates are a curve.

    Args:
        fall: the rates.
        curve: its shape.
        first: how far behind its begin the first of them lies.
        period: how long it is.
        lowest: what may be left at its end, as a share of the highest rate.
    """
    shares = [curve((first + at) / period) for at in range(len(fall))]
    high = (fall[0] - fall[-1]) / (shares[0] - shares[-1])
    low = fall[0] - high * shares[0]
    top = fall[0]
    off = (abs(rate - low - high * share) for rate, share in zip(fall, shares, strict=True))
    is_low = -_OFF_CURVE * top <= low <= lowest * top
    return is_low and all(one <= _OFF_CURVE * top for one in off)


def _is_cyclic(found: Sequence[int], rates: Sequence[float]) -> bool:
    """Whether the rate comes back to one peak again and again, as a schedule has it."""
    peaks = [rates[at] for at in found]
    return len(found) > 1 and max(peaks) <= _SAME_PEAK * min(peaks)
