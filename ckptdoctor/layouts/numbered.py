"""Files of a series that ranks, or shards, write: which numbers are missing."""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["holes", "renumbered"]

_MOST = 4096
_DIGITS = re.compile(r"(\d+)")


def holes(numbers: Collection[int], first: int, last: int | None = None) -> list[int]:
    """The numbers that a series leaves out, so many at most that a list can be read.

    Args:
        numbers: those that are there.
        first: where the series begins.
        last: where it ends; None for the largest of ``numbers``.
    """
    end = max(numbers, default=first - 1) if last is None else last
    known = frozenset(numbers)
    found: list[int] = []
    for number in range(first, end + 1):
        if number not in known:
            found.append(number)
            if len(found) == _MOST:
                break
    return found


def renumbered(text: str, old: str, new: str) -> str:
    """The text with the numbers exchanged that tell two names apart, by place or by value."""
    pieces, before, after = (_DIGITS.split(one) for one in (text, old, new))
    if len(before) != len(after):
        return text
    at_place = len(pieces) == len(before)
    values = dict(zip(before, after, strict=True))
    for at in range(1, len(pieces), 2):
        if at_place and pieces[at] == before[at]:
            pieces[at] = after[at]
        elif not at_place:
            pieces[at] = values.get(pieces[at], pieces[at])
    return "".join(pieces)
