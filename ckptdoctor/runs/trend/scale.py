"""Values of a metric on a scale where larger is better and equal steps are equal changes."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ckptdoctor.metadata import Mode

__all__ = ["Scale"]


class Scale:
    """How values of a metric compare.

    A loss counts by its factor, as long as all that is known of it is above zero: from 0.1 to 0.2
    is as far as from 1 to 2. Everything else, scores and what may be negative, by its difference.

    Args:
        values: that are known, all finite.
        mode: which direction is better.
    """

    def __init__(self, values: Iterable[float], mode: Mode) -> None:
        self._sign = 1.0 if mode is Mode.MAX else -1.0
        self.by_factor = mode is Mode.MIN and min(values, default=0.0) > 0.0

    def of(self, value: float) -> float:
        """A value on the scale."""
        if self.by_factor:
            return -math.log(value) if value > 0.0 else math.inf
        return self._sign * value
