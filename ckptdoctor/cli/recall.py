"""The line that says how much was remembered."""

from __future__ import annotations

import time

from ckptdoctor.cli.output import note
from ckptdoctor.render.text import plural

__all__ = ["recall_words", "say_recall"]

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def say_recall(files: int, of: int, oldest: int, newest: int) -> None:
    """Say it, dim, on standard error.

    Args:
        files: of how many files the result was remembered.
        of: how many there were.
        oldest: when the first of them was read, in seconds since 1970.
        newest: when the last was.
    """
    now = time.time()
    note(recall_words(files, of, now - oldest, now - newest), by_the_way=True)


def recall_words(files: int, of: int, first_s: float, last_s: float) -> str:
    """``13 of 14 files remembered, read 3 minutes ago (--no-cache reads all again)``.

    Args:
        files: of how many files the result was remembered.
        of: how many there were.
        first_s: how long ago the first of them was read.
        last_s: how long ago the last was.
    """
    first, last = _ago(first_s), _ago(last_s)
    when = first if first == last else f"{last} to {first}"
    known = f"{files} of {plural(of, 'file')} remembered"
    return f"{known}, read {when} ago (--no-cache reads all again)"


def _ago(seconds: float) -> str:
    for unit, length in _UNITS:
        count = int(seconds // length)
        if count > 0:
            return plural(count, unit)
    return "a moment"
