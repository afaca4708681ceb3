"""What a place elsewhere cannot do."""

from __future__ import annotations

import errno

__all__ = ["NoListError", "NoRangesError"]


class NoListError(OSError):
    """The server shows no list of files there."""

    def __init__(self) -> None:
        super().__init__(errno.ENOTSUP, "the server lists no files there; name them one by one")


class NoRangesError(Exception):
    """The server gives files whole or not at all."""
