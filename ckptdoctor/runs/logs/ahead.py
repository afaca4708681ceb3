"""Lines that stand above the line of their epoch: a progress bar, and then ``Epoch 7: iou 0.61``.

Most scripts name the epoch first. Where they name it when it is over, a bar between two such lines
belongs to the second. A log shows which it is: then a line of the same shape stands above its very
first epoch, and the line of the epoch has values itself, once an epoch and not once a batch.
"""

from __future__ import annotations

__all__ = ["LinesAhead"]

_MOST_SHAPES = 50
_NAMED_A_BATCH = 3


class LinesAhead:
    """Lines that are kept until their epoch is named.

    Attributes:
        lines: by shape, the last of each.
        expected: whether lines of this log may belong to the epoch that is named after them.
    """

    def __init__(self) -> None:
        self.lines: dict[bytes, bytes] = {}
        self._shapes: frozenset[bytes] = frozenset()
        self.expected = False
        self._begun = False
        self._named = 0

    def holds(self, shape: bytes) -> bool:
        """Whether a line of this shape is kept already."""
        return bool(self.lines) and _plain(shape) in self.lines

    def renews(self, shape: bytes, raw: bytes) -> bool:
        """Whether a line of this shape is kept; then the new one is, in its place."""
        if not self.holds(shape):
            return False
        self.keep(shape, raw)
        return True

    def takes(self, shape: bytes) -> bool:
        """Whether a line of this shape, which names no epoch, belongs to the next one."""
        return _plain(shape) in self._shapes or (not self._begun and len(self.lines) < _MOST_SHAPES)

    def keep(self, shape: bytes, raw: bytes) -> None:
        """Keep a line."""
        self.lines[_plain(shape)] = raw
        self._named = 0

    def named(self, *, has_values: bool) -> dict[bytes, bytes]:
        """The lines that belong to the epoch that is named now.

        Args:
            has_values: whether the line that names it has values of its own.
        """
        lines, self.lines = self.lines, {}
        if not self._begun:
            self._begun = True
            self._shapes = frozenset(lines) if has_values else frozenset()
            self.expected = bool(self._shapes)
            return {}  # what stands at the top of a log may be anything
        self.again()
        return lines

    def again(self) -> None:
        """An epoch is named; where that is done batch by batch, the lines below it are its own."""
        self._named += 1
        if self._named >= _NAMED_A_BATCH:
            self._shapes = frozenset()
            self.expected = False


def _plain(shape: bytes) -> bytes:
    """A shape with its numbers gone for good: ``nan`` and ``inf`` are spelled in letters."""
    for word in (b"nan", b"NaN", b"inf", b"Inf"):
        shape = shape.replace(word, b"")
    return shape
