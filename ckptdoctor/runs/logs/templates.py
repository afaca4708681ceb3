"""What was read of a line, kept for those that differ from it in nothing but digits.

A log says the same a thousand times with other numbers. Which number is the value of which name
does not depend on the digits, so that it is found out once for lines of the same letters and
length: such a line is read again with other digits in place of its own, and where each result is
one of the numbers that stand in it, the next line is not searched but cut. What cannot be told
so, such as the mean of a list, is read anew each time.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from typing import Generic, TypeVar

__all__ = ["Spot", "Templates", "spot_of"]

Spot = tuple[int, int]
"""Where a number begins in a line, and one byte behind it."""
_Result = TypeVar("_Result")
_Plan = TypeVar("_Plan")

_TO_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_FREE = re.compile(rb"(?<![\w@./-])(?:\d++\.?\d*+|\.\d++)(?:[eE][-+]?\d++)?|(?<![\w@./-])[-+]\d")
"""What may change; other digits are part of a name: ``mAP50``, ``top-1``."""
_SIGNED = re.compile(rb"(?:\d++\.?\d*+|\.\d++)(?:[eE][-+]?\d++)?")
_DIGITS = re.compile(rb"\d++")
_HUGE = re.compile(rb"e[-+]?000", re.IGNORECASE)
_LONGEST = 400
_MOST = 2048
_MOST_SPOTS = 81
_MOST_NAMES = 8
_PROBES = 3
_LENT = 64 * _PROBES
"""So many readings are spent on learning before it has paid off."""
_FORGIVEN = 0.05
"""With each line that is new: where nothing pays off, learning takes a twentieth of the time."""


class Templates(ABC, Generic[_Result, _Plan]):
    """Reads lines, and by what it learned of one reads the next."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._known: dict[Hashable, _Template[_Plan]] = {}
        self._debt = 0.0

    @abstractmethod
    def read(self, line: bytes, *how: Hashable) -> _Result:
        """What a line says, by searching it; nothing else may tell."""

    @abstractmethod
    def plan(self, spots: Sequence[Spot], probes: Sequence[tuple[bytes, _Result]]) -> _Plan | None:
        """How the result is cut out of a line of the same letters; None where it cannot be.

        Args:
            spots: of one its numbers, with their sign and without.
            probes: the line, and it with other digits, each with what was read of it.
        """

    @abstractmethod
    def fill(self, plan: _Plan, line: bytes) -> _Result:
        """What a line says, by the plan of its like."""

    def of(self, line: bytes, *how: Hashable) -> _Result:
        """What a line says.

        Args:
            line: not decoded yet.
            how: whatever else ``read`` goes by.
        """
        if len(line) > _LONGEST:
            return self.read(line, *how)
        key = (line.translate(_TO_ZERO), how)
        known = self._known.get(key)
        if known is None:
            self._debt = max(self._debt - _FORGIVEN, 0.0)
            if self._debt > _LENT or not self._is_again(key):
                return self.read(line, *how)
            known = self._known[key] = _Template(line)
        named = known.named(line)
        if named not in known.plans:
            if self._debt > _LENT or len(known.plans) >= _MOST_NAMES:
                return self.read(line, *how)
            known.plans[named] = self._learned(line, how)
        plan = known.plans[named]
        if plan is None:
            return self.read(line, *how)
        self._debt = max(self._debt - 1.0, 0.0)
        return self.fill(plan, line)

    def _is_again(self, key: Hashable) -> bool:
        """Whether there was such a line before: of what comes once nothing is learned."""
        if len(self._seen) >= 2 * _MOST:
            self._seen.clear()
        if len(self._known) >= _MOST:
            self._known.clear()
        seen = hash(key)
        if seen in self._seen:
            return True
        self._seen.add(seen)
        return False

    def _learned(self, line: bytes, how: tuple[Hashable, ...]) -> _Plan | None:
        spots = list(_spots_in(line))
        zeros = line.translate(_TO_ZERO)
        if len(spots) > _MOST_SPOTS or b"0,0" in zeros or b"#" in line or _HUGE.search(zeros):
            return None  # thousands go by their first digit, and Windows' NaN begins with one
        self._debt += _PROBES
        lines = [line, *(_with_digits(line, spots, turn) for turn in range(_PROBES))]
        signed = [(start - 1, end) for start, end in spots if line[start - 1 : start] in _SIGNS]
        return self.plan([*signed, *spots], [(one, self.read(one, *how)) for one in lines])


_SIGNS = (b"-", b"+")


class _Template(Generic[_Plan]):
    """Lines of the same letters.

    Args:
        line: one of them.

    Attributes:
        plans: by the digits that are part of names.
    """

    __slots__ = ("_names", "plans")

    def __init__(self, line: bytes) -> None:
        free = _spots_in(line)
        inside = bytearray(line)
        for start, end in free:
            inside[start:end] = b" " * (end - start)
        self._names = [found.span() for found in _DIGITS.finditer(inside)]
        self.plans: dict[tuple[bytes, ...], _Plan | None] = {}

    def named(self, line: bytes) -> tuple[bytes, ...]:
        """The digits of a line that are part of names."""
        return tuple([line[start:end] for start, end in self._names]) if self._names else ()


def _spots_in(line: bytes) -> Iterator[Spot]:
    """The numbers of a line that may change, without their signs."""
    at = 0
    while (found := _FREE.search(line, at)) is not None:
        start, at = found.span()
        if found[0][:1] in _SIGNS:
            number = _SIGNED.match(line, start + 1)
            start, at = number.span() if number is not None else (at, at)
        yield start, at


def _with_digits(line: bytes, spots: Sequence[Spot], turn: int) -> bytes:
    """The line with other digits: two of its numbers differ in the first or in the second turn."""
    other = bytearray(line)
    for index, (start, end) in enumerate(spots):
        for at in range(start, end):
            if 0x30 <= line[at] <= 0x39:
                place = (index, index // 9, index * 4 + (at - start) * 2)[turn]
                other[at] = 0x31 + place % 9
    return bytes(other)


def spot_of(spots: Sequence[Spot], probes: Sequence[tuple[bytes, float | None]]) -> Spot | None:
    """Where the number stands that a result is in each of the lines; None where it is nowhere."""
    for start, end in spots:
        if all(value is not None and float(line[start:end]) == value for line, value in probes):
            return start, end
    return None
