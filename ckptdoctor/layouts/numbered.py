"""Files of a series that ranks, or shards, write: which numbers are missing."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["holes"]

_MOST = 4096


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
