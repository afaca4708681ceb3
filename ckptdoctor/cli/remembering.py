"""What commands remember of files, for the time of one command, and the line that says so."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptdoctor.cli.output import note
from ckptdoctor.render.text import plural

if TYPE_CHECKING:
    from ckptdoctor.cache.memory import Memory, Recall

__all__ = ["recall_words", "remembering"]

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@contextlib.contextmanager
def remembering(*, wanted: bool, quiet: bool) -> Iterator[Memory | None]:
    """What is remembered, or None; says at the end how much of it was taken.

    Args:
        wanted: whether the user lets it.
        quiet: whether to say nothing of it.
    """
    from ckptdoctor.cache.memory import memory_for

    memory = memory_for(wanted=wanted)
    if memory is None:
        yield None
        return
    with memory:
        yield memory
    if memory.aside is not None:
        note(f"what was remembered is damaged, or not ours: moved to {memory.aside}")
    if memory.recall.files and not quiet:
        note(recall_words(memory.recall), dim=True)


def recall_words(recall: Recall, now: float | None = None) -> str:
    """``13 of 14 files remembered, read 3 minutes ago (--no-cache reads all again)``."""
    now = time.time() if now is None else now
    first, last = _ago(now - recall.oldest), _ago(now - recall.newest)
    when = first if first == last else f"{last} to {first}"
    files = f"{recall.files} of {plural(recall.of, 'file')}"
    return f"{files} remembered, read {when} ago (--no-cache reads all again)"


def _ago(seconds: float) -> str:
    for unit, length in _UNITS:
        count = int(seconds // length)
        if count:
            return plural(count, unit)
    return "a moment"
