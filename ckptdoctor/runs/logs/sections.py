"""Headings that say of which data the lines below them are: `Validation:`, `== Val ==`.

Below one of them the same names stand as above it, so that a name that says nothing of its data is
of those of the heading. What stands below `Training:` keeps its name: beside one of a validation
that is of the training.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ckptdoctor.runs.logs.marks import Mark
from ckptdoctor.runs.logs.stamps import without_stamp

__all__ = ["Sections"]

_HEADING = re.compile(
    rb"\W{0,12}(?:(?:running|starting|start|begin|beginning|performing)\s(?:the\s)?)?"
    rb"(?:train(?:ing)?|trn|val(?:id(?:ation|ating)?)?|vld|eval(?:uation|uating)?|test(?:ing)?)"
    rb"(?:\s(?:on|over|the|val|valid|validation|test|dev|train|training|set|data|dataset|phase"
    rb"|stage|results?|metrics?|stats|statistics|scores?|summary|epoch)){0,6}\W{0,12}",
    re.IGNORECASE,
)
_LEADS = re.compile(rb"\W{0,10}(train|trn|val|vld|eval|test|dev)[a-z]{0,7}\b", re.IGNORECASE)
"""What a line begins with that has a colon at its end: ``eval | step: 100 | output:``."""
_OF_WHAT = re.compile(rb"(?<![a-z])(train|trn|val|vld|eval|test|dev)", re.IGNORECASE)
_EPOCH = re.compile(rb"\bepochs?\W{0,3}\d{1,7}(?:\s?/\s?\d{1,7})?", re.IGNORECASE)
_FOLD = re.compile(
    rb"(?:^\W{0,12}|[\]:|,-]\s|\b(?:start|starting|training|train|running)\s)"
    rb"fold[\s:=#\[]{0,3}(\d{1,3})(?![\d.])",
    re.IGNORECASE,
)
_LOSSES = re.compile(
    rb"[=*#~-]{2,60}\s(?:train(?:ing)?|val(?:id(?:ation)?)?|test)\sloss(?:es)?(?:\s\([^()]{1,60}\))?"
    rb"\s[=*#~-]{2,60}",
    re.IGNORECASE,
)
"""`==== Training Loss (Thu Jan  2 03:04:05 2025) ====`: all that stands below it are losses."""
_DECIMALS = re.compile(rb"\d\.\d")
_MOST_FOLDS = 100
_LONGEST = 80
_TRAINING = (b"train", b"trn")


class Sections:
    """Which section the lines of a log are in.

    Attributes:
        current: the part of the data, as the heading names it; nothing in one of the training.
        are_there: whether the log has any of other data.
        folds: those of a cross-validation that were named.
        of_losses: whether a heading says that the values of the log are losses.
        is_fresh: whether nothing was told below the heading yet, in a log whose training is told in
            lines that name their moments: then the next of them is of the section.
    """

    def __init__(self) -> None:
        self.current = b""
        self.are_there = False
        self.folds: set[bytes] = set()
        self.of_losses = False
        self.is_fresh = self._is_own = self._trains = False

    def heads(self, raw: bytes) -> bool:
        """Whether a line is a heading; the lines below it are of its section."""
        raw = without_stamp(raw) if len(raw) <= 2 * _LONGEST else raw
        if len(raw) > _LONGEST or _HEADING.fullmatch(raw) is None:
            return False
        self.is_fresh = self._trains
        said = _OF_WHAT.findall(raw)[-1].lower()
        self.current = b"" if said in _TRAINING else said
        self.are_there = self.are_there or bool(self.current)
        return True

    def sees(self, raw: bytes) -> None:
        """A line that may name the fold of a cross-validation, or say what the values are."""
        if (b"oss" in raw or b"OSS" in raw) and len(raw) <= 2 * _LONGEST:
            self.of_losses = self.of_losses or _LOSSES.fullmatch(raw.strip()) is not None
        if (
            (b"old" in raw or b"OLD" in raw)
            and len(self.folds) < _MOST_FOLDS
            and (found := _FOLD.search(raw)) is not None
        ):
            self.folds.add(found[1])

    def begins(self, raw: bytes) -> None:
        """A line that names a moment ends a section, or is the heading of one itself."""
        self._is_own = self.is_fresh
        self._trains = self._trains or _DECIMALS.search(raw) is not None
        self.current, self.is_fresh = b"", False
        if len(raw) <= _LONGEST:
            self.heads(_EPOCH.sub(b"", raw))
        found = _LEADS.match(raw) if raw.rstrip()[-1:] == b":" else None
        if found is not None and found[1].lower() not in _TRAINING:
            self.current, self.are_there = found[1].lower(), True

    def inside(self, shape: bytes) -> bytes:
        """A shape that is told from the same in another section."""
        return shape + b"\1" + self.current if self.current else shape

    def outside(self, shape: bytes) -> bytes:
        """The shape itself, but of a line that is of the section although it names its moment."""
        return shape if self._is_own else shape.partition(b"\1")[0]

    def claimed(self, mark: Mark | None, raw: bytes) -> Mark | None:
        """The moment that a line names, with the part of the data where the heading says that."""
        if mark is None or not self.is_fresh:
            return mark
        self.is_fresh = not mark.phase and _OF_WHAT.search(without_stamp(raw)) is None
        return replace(mark, phase=self.current) if self.is_fresh else mark
