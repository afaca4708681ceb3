"""What is known of lines that differ in nothing but their numbers: their shape.

A training script prints the same few shapes of line a million times.
"""

from __future__ import annotations

import re

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import METRIC_SIGNS
from ckptdoctor.runs.logs.any_word import any_word
from ckptdoctor.runs.logs.marks import Mark
from ckptdoctor.runs.logs.text_tables import TextTable, head_of
from ckptdoctor.runs.logs.thinning import Thinning

__all__ = [
    "IGNORED",
    "LINE_CHARS",
    "MOST_SHAPES",
    "VARYING",
    "Habit",
    "Habits",
    "Samples",
    "Shape",
    "Waiting",
    "blanked",
    "first_cell",
    "shape_of",
    "word_with_digits",
]

LINE_CHARS = 4000
"""What is longer is no line of a training, and is read so far."""
MOST_SHAPES = 500
_WHOLE = 4096
"""So many lines of a shape are read one by one; then every second, every fourth, ..."""
_BETWEEN = frozenset(b"\xe2")  # bars and rules are drawn with characters that begin so
VARYING = bytes(
    b for b in range(256) if 0x80 <= b < 0xC0 or b in _BETWEEN or chr(b) in "0123456789.+-#=>%?: \t"
)
"""What differs between two lines of one shape: numbers, and the bar that shows the progress."""
_WATCHED = re.compile(
    b"[\xc3-\xed]|"
    + METRIC_SIGNS.encode()
    + b"|(?i:"
    + any_word(
        (
            *("lr", "norm", "err", "prec", "top", "scale", "perplex", "verlust", "perte"),
            *("genauig", "perd", "strata", "train", "val", "test"),
        )
    ).encode()
    + b")"
)
"""Parts of words without which no line holds a value that is watched."""
_COUNTED = re.compile(rb"\bepoch\s|\bstep\s", re.IGNORECASE)
_WORD_WITH_DIGITS = re.compile(rb"^\W{0,40}+([A-Za-z_][A-Za-z_@./-]{0,40}\d[\w@./-]*+)")
_FIRST_CELL = re.compile(rb"[^\s|]+")
_MOST_HABITS = 4096
_SURELY = 3
"""What so many lines of a shape were not, the next is not either."""


@dataclass(slots=True)
class Shape:
    """What is known of lines of one shape.

    Attributes:
        mark: where they name their moment; None for lines that belong to the moment above.
        holds: whether they have values.
        has_digits: whether their first word has digits, which tell lines of one shape apart.
        head: the table that they are the head of.
        table: the table that they are rows of.
        first: the first cell of such a row.
        section: the part of the data that a heading above them names, or "".
        is_plain: whether only the last of such lines counts in an epoch.
        moves: whether each names another moment.
    """

    mark: Mark | None = None
    holds: bool = False
    has_digits: bool = False
    head: TextTable | None = None
    table: TextTable | None = None
    first: bytes = b""
    section: str = ""
    is_plain: bool = False
    moves: bool = False

    def __post_init__(self) -> None:
        if self.mark is None:
            self.is_plain = self.holds and self.table is None
        else:
            self.moves = self.mark.moves
            self.is_plain = not self.moves


IGNORED = Shape()


@dataclass(slots=True)
class Habit:
    """What lines of a shape were, epoch after epoch.

    Attributes:
        may_hold: whether a word of theirs may name a value.
        holds: whether one of them held values.
        unmarked: how many of them named no moment.
        headless: how many of them were the head of no table.
        speaks: whether one that named an epoch had values of its own.
    """

    may_hold: bool
    holds: bool = False
    unmarked: int = 0
    headless: int = 0
    speaks: bool = False

    @property
    def may_name(self) -> bool:
        """Whether a line may name a moment, as far as the lines before tell."""
        return self.unmarked < _SURELY

    def head_in(self, raw: bytes) -> TextTable | None:
        """The table that a line is the head of, as far as one may be asked for, likewise."""
        if self.headless >= _SURELY:
            return None
        self.headless += 1
        if not self.may_hold and _COUNTED.search(raw) is None:
            return None
        head = head_of(raw.decode("utf-8", "replace"))
        self.headless = self.headless if head is None else 0
        return head


@dataclass(slots=True)
class Waiting:
    """A line that was not read yet, because a later one of its shape may take its place.

    Attributes:
        raw: the line.
        shape: what is known of its like.
        above: the line that named the moment above it, in a log that counts steps.
        of_epoch: whether it is of the running epoch.
    """

    raw: bytes
    shape: Shape
    above: bytes | None
    of_epoch: bool = True


class Samples:
    """Which lines of a shape are read: all at first, then fewer and fewer, so that a log ends."""

    def __init__(self) -> None:
        self._known: dict[bytes, Thinning] = {}

    def __contains__(self, shape: bytes) -> bool:
        return shape in self._known

    def skip(self, shape: bytes) -> bool:
        """Whether the next line of a shape is passed over, as far as that is sure."""
        thinning = self._known.get(shape)
        return thinning is not None and thinning.skips()

    def takes(self, shape: bytes) -> bool:
        """Whether to read the next line of a shape."""
        thinning = self._known.get(shape)
        if thinning is None:
            if len(self._known) >= MOST_SHAPES:
                self._known = {}
            thinning = self._known[shape] = Thinning(_WHOLE, then=_WHOLE // 2)
        return thinning.takes()


class Habits:
    """What lines were, by their shape, over all epochs of a log."""

    def __init__(self) -> None:
        self._known: dict[bytes, Habit] = {}

    def of(self, shape: bytes, raw: bytes) -> Habit:
        """What is known of lines of a shape.

        Args:
            shape: from ``shape_of``, or more than that.
            raw: one of them.
        """
        habit = self._known.get(shape)
        if habit is None:
            if len(self._known) >= _MOST_HABITS:
                self._known = {}
            may_hold = _WATCHED.search(raw) is not None
            habit = self._known[shape] = Habit(may_hold)
        return habit


def shape_of(raw: bytes) -> bytes:
    """What is left of a line without its numbers."""
    if b"@[" in raw:  # COCO's tables differ in nothing but the digits of their names
        return raw[:LINE_CHARS].rpartition(b"=")[0]
    return raw[:LINE_CHARS].translate(None, VARYING)


def word_with_digits(raw: bytes) -> bytes:
    """The first word of a line, where digits in it tell lines of one shape apart; else nothing."""
    word = _WORD_WITH_DIGITS.match(raw)
    return b"" if word is None else word[1]


def first_cell(raw: bytes) -> bytes:
    """The first cell of the row of a table."""
    found = _FIRST_CELL.search(raw[:LINE_CHARS])
    return b"" if found is None else found[0]


def blanked(raw: bytes) -> bytes:
    """A line without spaces of other kinds, and without what backspaces took back."""
    raw = raw.replace(b"\xc2\xa0", b" ").replace(b"\xe2\x80\x8b", b"")
    for drawn in (b"\xe2\x94\x82", b"\xe2\x94\x83", b"\xe2\x95\x91"):
        raw = raw.replace(drawn, b"|")
    return raw[raw.rfind(b"\x08") + 1 :] if b"\x08" in raw else raw
