"""Thousands of objects of one class at once, from columns of their attributes."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable
from itertools import repeat
from typing import Any, TypeVar

__all__ = ["instances"]

T = TypeVar("T")


def instances(cls: type[T], count: int, **columns: Iterable[Any]) -> list[T]:
    """Instances of a slotted dataclass, for a third of what its constructor takes.

    Args:
        cls: the class; its constructor must do nothing but keep its arguments.
        count: how many.
        columns: for each of its fields the values, one an instance; ``repeat(value)`` where all
            have the same.

    Raises:
        TypeError: the columns are not the fields of the class.
    """
    if columns.keys() != {field.name for field in dataclasses.fields(cls)}:  # type: ignore[arg-type]
        raise TypeError(f"columns that are not the fields of {cls.__name__}")
    made: list[T] = list(map(object.__new__, repeat(cls, count)))
    for name, values in columns.items():
        deque(map(getattr(cls, name).__set__, made, values), maxlen=0)
    return made
