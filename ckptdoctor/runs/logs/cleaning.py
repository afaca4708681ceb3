"""A line without what is for the eye alone: colours, spaces of other kinds, tracebacks."""

from __future__ import annotations

import re

from ckptdoctor.runs.logs.shapes import blanked

__all__ = ["Cleaning", "without_colours"]

_ANSI = re.compile(rb"\x1b\[[0-9;?]*+[ -/]*+[@-~]")
_TRACEBACK = b"Traceback"


def without_colours(raw: bytes) -> bytes:
    """A line without what tells a terminal how to show it."""
    return _ANSI.sub(b"", raw) if b"\x1b" in raw else raw


class Cleaning:
    """Cleans the lines of one log, in their order.

    Attributes:
        in_traceback: whether the last line was one of a traceback.
        has_blanked: whether there were spaces of other kinds.
    """

    def __init__(self) -> None:
        self.in_traceback = False
        self.has_blanked = False

    def of(self, raw: bytes) -> bytes | None:
        """The line as it reads; None where it is one of a traceback."""
        raw = without_colours(raw)
        if b"\xe2" in raw or b"\xc2\xa0" in raw or b"\x08" in raw:
            bare = blanked(raw)
            self.has_blanked = self.has_blanked or bare != raw
            raw = bare
        if self.in_traceback or raw[:9] == _TRACEBACK:
            self.in_traceback = raw[:1] in (b" ", b"\t") or raw[:9] == _TRACEBACK
            return None
        return raw
