"""Rows in which a letter names each loss, and one of them is the sum of the others.

``B: 4.512 | C: 6.120 | M: 5.333 | S: 1.900 | T: 17.865``: nobody knows what a letter stands for,
but what is the sum of all the others in every row of a log is the total loss.
"""

from __future__ import annotations

import math
import re

from ckptdoctor.runs.logs.spelled import NUMBER

__all__ = ["LetteredLosses"]

_PAIR = re.compile(rf"(?<![\w.])([A-Za-z]):\s{{0,4}}({NUMBER})\s{{0,4}}(?=\||$)")
_FEWEST = 3
TOTAL = "total loss"


class LetteredLosses:
    """Takes the rows of one log; a row in which nothing is the sum ends it."""

    def __init__(self) -> None:
        self._is_over = False

    def of(self, text: str) -> dict[str, float]:
        """The total loss of a row; nothing where the log has no such rows.

        Args:
            text: a line without its moment.
        """
        if self._is_over:
            return {}
        pairs = _PAIR.findall(text)
        if len(pairs) < _FEWEST or len({letter for letter, _ in pairs}) < len(pairs):
            return {}
        values = [float(number) for _, number in pairs]
        if not all(map(math.isfinite, values)):
            bad = [value for value in values if not math.isfinite(value)]
            return {TOTAL: bad[-1]} if len(bad) > 1 else {}
        rounded = max(_half_a_digit(number) for _, number in pairs) * len(pairs)
        total = max(values)
        self._is_over = abs(2 * total - sum(values)) > rounded * (1 + 1e-6)
        return {} if self._is_over else {TOTAL: total}


def _half_a_digit(number: str) -> float:
    """What rounding may have added to a number, as it is printed."""
    return 0.5 * 10.0 ** -len(number.partition(".")[2])
