"""Thousands of objects at once: made from columns of attributes, and seldom looked through."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any, TypeVar

__all__ = ["few_collections", "instances"]

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
    if columns.keys() != _fields_of(cls):  # type: ignore[arg-type]
        raise TypeError(f"columns that are not the fields of {cls.__name__}")
    made: list[T] = list(map(object.__new__, repeat(cls, count)))
    for name, values in columns.items():
        deque(map(getattr(cls, name).__set__, made, values), maxlen=0)
    return made


@functools.cache
def _fields_of(cls: type[Any]) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(cls))


_SELDOM = 100
_lock = threading.Lock()
_depth = 0
_usual = 0


@contextlib.contextmanager
def few_collections() -> Iterator[None]:
    """A hundredth of the collections of garbage within, in all threads; then as many as before.

    What a scan keeps has no cycles, and grows: looking through it again and again is a quarter of
    the time that 240,000 tensors take. Where the caller has turned the collector off, it stays so.
    """
    global _depth, _usual  # noqa: PLW0603  (the collector is one for all)
    with _lock:
        first, *others = gc.get_threshold()
        if not _depth:
            _usual = first
            gc.set_threshold(first * _SELDOM, *others)
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if not _depth and gc.get_threshold()[0] == _usual * _SELDOM:
                gc.set_threshold(_usual, *gc.get_threshold()[1:])
