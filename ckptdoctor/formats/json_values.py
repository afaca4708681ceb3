"""Whether a JSON text is too much for memory, before it is parsed as a whole."""

from __future__ import annotations

__all__ = ["is_bloated"]

_MAX_VALUES = 4_000_000
"""An index of a million tensors has a million; an empty list takes 3 bytes, and 64 of memory."""


def is_bloated(data: bytes) -> bool:
    """Whether it may hold more values than any index, log or configuration does.

    Args:
        data: the text; commas and brackets within strings count as well.
    """
    return sum(map(data.count, (b",", b"[", b"{"))) > _MAX_VALUES
