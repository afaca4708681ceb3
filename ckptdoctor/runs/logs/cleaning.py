"""A line without what is for the eye alone: colours, spaces of other kinds, tracebacks, echoes."""

from __future__ import annotations

import re

from ckptdoctor.runs.logs.ranks import Ranks
from ckptdoctor.runs.logs.shapes import blanked

__all__ = ["Cleaning", "without_colours"]

_ANSI = re.compile(rb"\x1b\[[0-9;?]*+[ -/]*+[@-~]")
_TRACEBACK = b"Traceback"
_BEGINNING = 200
_NAME = rb"\[?[A-Za-z_]\w{0,20}\]?"
_COUNT = rb"\[?\d[\d.]{0,12}\]?"
_MAY_JOIN = re.compile(rb"[A-Za-z]\w/[A-Za-z]\w|\]\[")  # not the `it/s` of every bar
_JOINED = re.compile(
    rb"(?<![\w./\]-])(%s(?:/%s|(?<=\])(?=\[)%s){1,9}):?\s(%s(?:/%s|(?<=\])(?=\[)%s){1,9})"
    % (_NAME, _NAME, _NAME, _COUNT, _COUNT, _COUNT)
)
"""`mIoU/mAcc 0.61/0.72`, `Step/Epoch [20/1][20/1000]`, `[epoch][s/gs]: [0][50/50]`."""
_PARTS = frozenset(b"train trn val valid validation vld test eval dev".split())


def without_colours(raw: bytes) -> bytes:
    """A line without what tells a terminal how to show it."""
    return _ANSI.sub(b"", raw) if b"\x1b" in raw else raw


class Cleaning:
    """Cleans the lines of one log, in their order.

    Attributes:
        in_traceback: whether the last line was one of a traceback.
        has_blanked: whether there were spaces of other kinds.
        ranks: which processes print.
    """

    def __init__(self) -> None:
        self.ranks = Ranks()
        self.in_traceback = False
        self.has_blanked = False

    def of(self, raw: bytes) -> bytes | None:
        """The line as it reads; None where it is one of a traceback, or of another rank."""
        raw = without_colours(raw)
        may_tell = b"ank" in raw or raw[:1] == b"[" or b"ANK" in raw  # most lines do not
        if may_tell and self.ranks.is_of_another(raw):
            return None
        if b"\xe2" in raw or b"\xc2\xa0" in raw or b"\x08" in raw:
            bare = blanked(raw)
            self.has_blanked = self.has_blanked or bare != raw
            raw = bare
        if b"/" in raw and _MAY_JOIN.search(raw, 0, _BEGINNING) is not None:
            apart = _JOINED.sub(_each_by_name, raw)
            self.has_blanked = self.has_blanked or apart != raw
            raw = apart
        if self.in_traceback or raw[:9] == _TRACEBACK:
            self.in_traceback = raw[:1] in (b" ", b"\t") or raw[:9] == _TRACEBACK
            return None
        return raw


def _each_by_name(found: re.Match[bytes]) -> bytes:
    """Each of several names with its number: `mIoU: 0.61, mAcc: 0.72`."""
    names = re.findall(rb"\w+", found[1])
    numbers = re.findall(rb"\d[\d.]*", found[2])
    if len(numbers) < len(names) or _PARTS.intersection(name.lower() for name in names):
        return found[0]
    told = zip(names, numbers[: len(names)], strict=True)
    return b", ".join(b"%s: %s" % (name, number.rstrip(b".")) for name, number in told)
