"""What commands remember of files, for the time of one command."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ckptdoctor.cli.draft import rests_upon
from ckptdoctor.cli.output import note
from ckptdoctor.cli.recall import say_recall

if TYPE_CHECKING:
    from ckptdoctor.cache.memory import Memory

__all__ = ["remembering"]


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
    recall = memory.recall
    if recall.files and not quiet:
        say_recall(recall.files, recall.of, recall.oldest, recall.newest)
    rests_upon(memory.known, quiet=quiet)
