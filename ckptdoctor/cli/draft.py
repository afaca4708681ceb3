"""An answer in the making: what a command prints, and what it does beside."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ckptdoctor.cache.memory import Recall

__all__ = ["Draft", "drafting", "rests_upon", "spoil", "wrote"]


_LONGEST = 4 << 20
"""Characters of an answer that is kept; one that grows run by run is not held in memory."""


class Draft:
    """What a command has said so far.

    Attributes:
        texts: what was printed.
        length: of all of it.
        known: the files that it rests upon; None where nobody said.
        quiet: whether the user wants no word about what was remembered.
        spoiled: whether it cannot be given again: there was a note, or a file was written.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.length = 0
        self.known: Recall | None = None
        self.quiet = False
        self.spoiled = False


_draft: Draft | None = None


@contextlib.contextmanager
def drafting() -> Iterator[Draft]:
    """What is said meanwhile."""
    global _draft  # noqa: PLW0603  (those who print know nothing of who listens)
    before, _draft = _draft, Draft()
    try:
        yield _draft
    finally:
        _draft = before


def wrote(text: str) -> None:
    """Told of what is printed."""
    if _draft is None:
        return
    _draft.length += len(text)
    if _draft.length > _LONGEST:
        _draft.spoiled = True
        _draft.texts.clear()
    else:
        _draft.texts.append(text)


def spoil() -> None:
    """Told of whatever a command does beside printing its answer."""
    if _draft is not None:
        _draft.spoiled = True


def rests_upon(known: Recall, *, quiet: bool) -> None:
    """Told of the files whose results an answer rests upon."""
    if _draft is not None:
        _draft.spoiled |= _draft.known is not None  # twice: two answers in one
        _draft.known, _draft.quiet = known, quiet
