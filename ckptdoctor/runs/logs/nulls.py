"""JSON's null in place of a number: a NaN, or what was not measured.

Python's json writes NaN. JavaScript, orjson, pandas and most databases write null for it, and for
what a row does not have as well. What tells them apart is the row: where every loss that had a
number in each row before is null at once, the loss is NaN. A score or a part of the loss that is
null beside a loss was not measured, and so is the loss of a training in a row of an evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping

from ckptdoctor.metadata import is_best, is_loss
from ckptdoctor.runs.logs.watched import is_watched

__all__ = ["Nulls"]

_FEWEST = 3
"""Rows of numbers in a row, from which on a null is none."""


class Nulls:
    """Takes the rows of a log in their order.

    Attributes:
        are_nan: whether one was read as NaN.
    """

    def __init__(self) -> None:
        self.are_nan = False
        self._whole: list[Mapping[str, object]] = []
        self._unmeasured: set[str] = set()

    def filled(self, row: dict[str, object]) -> dict[str, object]:
        """The row with NaN for the null that is one; itself, where there is none."""
        if None not in row.values():
            self._whole = [*self._whole[1 - _FEWEST :], row]
            return row
        empty = {name for name, value in row.items() if value is None and is_watched(name)}
        known = set(filter(self._is_known, row)) - self._unmeasured
        losses = {name for name in known if is_loss(name) and not is_best(name)}
        measured = self._unmeasured - empty
        if not losses or not losses <= empty or any(name in row for name in measured):
            self._unmeasured |= empty
            return row
        self.are_nan = True
        return row | dict.fromkeys(empty & known, float("nan"))

    def _is_known(self, name: str) -> bool:
        """Whether a value was a number in each of the last rows that had no null."""
        return len(self._whole) >= _FEWEST and all(
            isinstance(row.get(name), int | float) for row in self._whole
        )
