"""Logs that name no moment at all: `print(epoch, loss)`, or nothing but steps that overflowed.

Such lines count only where no other line of the log is a row.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator
from typing import TypeVar

from ckptdoctor.runs.logs.log_reading import Row
from ckptdoctor.runs.logs.pairs import values_in
from ckptdoctor.runs.logs.shapes import LINE_CHARS
from ckptdoctor.runs.logs.spelled import NUMBER
from ckptdoctor.runs.logs.watched import REDUCED_SCALE

__all__ = ["CountedLines", "once_each"]

_BARE = re.compile(rf"\s{{0,9}}\(?(\d{{1,7}})(?:,\s?|[\s:]\s{{0,3}})({NUMBER})\)?\s{{0,9}}")
_LONGEST = 80
_FEWEST = 5
_MOST = 100_000
_OVERFLOW = b"reducing"
_Value = TypeVar("_Value")


def once_each(values: list[_Value]) -> list[_Value]:
    """Every second value, where each came twice in turn, as of a logger with two handlers.

    Counted twice they would seem to move half as much as they do.
    """
    first, second = values[::2], values[1::2]
    return first if first == second and len(set(map(repr, first))) > 1 else values


class CountedLines:
    """Takes the lines of a log as long as none of them names a moment."""

    def __init__(self) -> None:
        self._values: list[float] = []
        self._first: int | None = None
        self._is_broken = False
        self._scales: list[float] = []

    def take(self, raw: bytes) -> None:
        """The next line."""
        if _OVERFLOW in raw:
            scale = values_in(raw[:LINE_CHARS].decode("utf-8", "replace")).get(REDUCED_SCALE)
            if scale is not None and len(self._scales) < _MOST:
                self._scales.append(scale)
        elif not self._is_broken and len(raw) <= _LONGEST:
            found = _BARE.fullmatch(raw.decode("utf-8", "replace"))
            if found is not None:
                self._count(int(found[1]), float(found[2]))

    def _count(self, number: int, value: float) -> None:
        if self._first is None:
            self._first = number
        at = number - self._first
        if self._values and at == len(self._values) - 1 and repr(value) == repr(self._values[-1]):
            return  # by another handler
        goes_on = self._first in (0, 1) and at == len(self._values)
        if goes_on and len(self._values) < _MOST:
            self._values.append(value)
        else:  # numbers of something else, or of several trainings
            self._is_broken = True

    def rows(self) -> Iterator[Row]:
        """A row a line: of an epoch each, or of a step that was skipped."""
        if self._scales:
            for step, scale in enumerate(self._scales, start=1):
                yield Row(step=step, values={REDUCED_SCALE: scale})
        elif len(self._values) >= _FEWEST and not self._is_broken:
            name = "loss" if self._falls() else "value"
            for epoch, value in enumerate(self._values, start=self._first or 0):
                yield Row(epoch=epoch, values={name: value})

    def _falls(self) -> bool:
        """Whether the values began high: what falls is a loss, what rises may be anything."""
        finite = [value for value in self._values if math.isfinite(value)]
        return bool(finite) and finite[0] > statistics.median(finite)
