"""How finely the values of a log were printed: no change below that is one.

``0.55`` fifteen times is no standstill of a score that moves by 0.003: the digits that would tell
were not printed. What tells the resolution are the values themselves: the most decimals among them,
and, of a share of so many samples that was printed in full, the grid that all steps lie on.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Sequence

__all__ = ["ROUNDED", "repeats", "resolution_of"]

ROUNDED = 1 / math.sqrt(12)
"""The standard deviation that rounding has, in units of the resolution."""
_DIGITS = 9
_FINE = 1e-6
"""Of the largest value: what is printed finer may be a share."""
_FEWEST_STEPS = 6
_OFF_GRID = 1e-3


def resolution_of(values: Sequence[float]) -> float:
    """The distance between two values that can be told apart; 0.0 where there is no value.

    Args:
        values: as they were printed, all finite; the last of a run, since ``%.3g`` changes it.
    """
    if not values:
        return 0.0
    printed = 10.0 ** -max(map(_decimals, values))
    largest = max(abs(max(values)), abs(min(values)))
    return printed if printed > _FINE * largest else max(printed, _grid(values, largest))


@functools.lru_cache(maxsize=4096)  # each value is looked at as long as it is one of the last
def _decimals(value: float) -> int:
    """How many decimals a value has; a tenth of a percent more or less is no digit of it."""
    digits, _, power = f"{value:.{_DIGITS}g}".partition("e")
    return len(digits.partition(".")[2]) - int(power or 0)


def _grid(values: Iterable[float], largest: float) -> float:
    """The step that all steps are multiples of, as of 931 of 1000 samples; 0.0 without one."""
    steps = [abs(after - before) for before, after in itertools.pairwise(values)]
    steps = [step for step in steps if step > _FINE * largest]
    if len(steps) < _FEWEST_STEPS:
        return 0.0
    least = min(steps)
    counts = (step / least for step in steps)
    return least if all(abs(count - round(count)) < _OFF_GRID for count in counts) else 0.0


def repeats(noise: float, resolution: float) -> float:
    """The chance that the next value is printed as the last one was, at most.

    Args:
        noise: the standard deviation of one value.
        resolution: of the print, above zero.
    """
    return math.erf(resolution / (2 * math.sqrt(2) * noise)) if noise > 0.0 else 1.0
