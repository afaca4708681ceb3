"""The bytes of a pickle through a window that moves, and the borders of its frames."""

from __future__ import annotations

import struct
from typing import Any

from ckptdoctor.formats.pickle.nodes import (
    BytesRef,
    PickleError,
    PickleLimitError,
    PickleTruncatedError,
)
from ckptdoctor.formats.source import ByteSource

__all__ = ["LOOKAHEAD_NBYTES", "Window"]

LOOKAHEAD_NBYTES = 16
"""No opcode with an argument of fixed size is longer."""

_TEXT_NBYTES = 1 << 20  # a text longer than this stays in the file
_HELD_NBYTES = 1 << 26  # so do all but short texts and byte strings, once there are so many
_SHORT_NBYTES = 255
_LINE_NBYTES = 1 << 20  # that of a protocol 0 opcode is seldom longer
_MOST_LINE_NBYTES = 1 << 26
_WINDOW_NBYTES = 1 << 17


class Window:
    """Reads a source from a position on, and notes where its frames lie.

    A frame only says how many bytes a reader may take at once. Python's reader in C takes it at its
    word: what an opcode that crosses the end of a frame leaves there is dropped, and reading goes
    on behind it. So a frame whose end is no end of an opcode hides bytes from some readers.

    Args:
        source: where the pickle lies.

    Attributes:
        data: the bytes in the window.
        pos: the position in ``data``.
        complaint: the first thing that is wrong although a reader may go on; the pickle is
            refused for it at its end only, so that what it names is seen.
    """

    __slots__ = (
        "_base",
        "_edge",
        "_ends_early",
        "_frame_end",
        "_frames_lie",
        "_held_nbytes",
        "_keep_in_file",
        "_source",
        "complaint",
        "data",
        "pos",
    )

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._keep_in_file = source.file_offset is not None
        self.data = b""
        self._base = 0
        self.pos = 0
        self._edge = 0  # where the next look at frames or at the source is due
        self._frame_end: int | None = None
        self._held_nbytes = 0
        self.complaint: PickleError | None = None
        self._frames_lie = False
        self._ends_early = False  # the first frame that lies reaches beyond the end

    def may_be_read_otherwise(self, error: PickleError) -> bool:
        """Whether others may take what was read so far, or the opcode that failed, in another way.

        Where a frame reaches beyond the end, every reader ends. What is beyond a bound is beyond it
        for all of them, as long as no frame has lied.
        """
        fails_in_frame = self._frame_end is not None and not isinstance(error, PickleLimitError)
        return (self._frames_lie or fails_in_frame) and not self._ends_early

    @property
    def file_offset(self) -> int | None:
        """Where the source begins in the file; None where the file holds it encoded."""
        return self._source.file_offset

    @property
    def left(self) -> int:
        """Bytes from the position to the end of the source."""
        return self._source.nbytes - self.at

    @property
    def at(self) -> int:
        """The position in the source."""
        return self._base + self.pos

    def complain(self, error: PickleError) -> None:
        """Remember what is wrong, and go on; the first complaint counts."""
        if self.complaint is None:
            self.complaint = error

    @property
    def edge(self) -> int:
        """Where in ``data`` the next look at frames or at the source is due."""
        return self._edge

    # -- frames ----------------------------------------------------------------------------------

    def open_frame(self, nbytes: int) -> None:
        """A frame begins at the position."""
        start = self.at - 9
        if nbytes > self.left:
            crossed = self._frame_end is not None and self.at > self._frame_end
            self._ends_early = not self._frames_lie and not crossed
            self._complain_of_frame(
                PickleError(f"a frame of {nbytes} bytes, of which {self.left} are there", start)
            )
        elif self._frame_end is not None and self.at < self._frame_end:
            self._complain_of_frame(PickleError("a frame within a frame", start))
        else:
            self._leave_frame()
            self._frame_end = self.at + nbytes
            self._set_edge()

    def end_frames(self) -> None:
        """The pickle ends at the position; so must the frame that is open."""
        if self._frame_end is not None and self.at != self._frame_end:
            self._complain_of_frame(self._crossed())
        self._frame_end = None

    def turn(self) -> None:
        """At the edge: leave a frame that ends, and move the window on where that is due."""
        self._leave_frame()
        if self.pos >= self._edge_of_data():
            self._refill(LOOKAHEAD_NBYTES)
        else:
            self._set_edge()

    def _leave_frame(self) -> None:
        if self._frame_end is not None and self.at >= self._frame_end:
            if self.at > self._frame_end:
                self._complain_of_frame(self._crossed())
            self._frame_end = None

    def _crossed(self) -> PickleError:
        return PickleError("a frame that ends within an opcode, or behind the pickle", self.at)

    def _complain_of_frame(self, error: PickleError) -> None:
        self._frames_lie = True
        self.complain(error)

    # -- reading ---------------------------------------------------------------------------------

    def seek(self, offset: int) -> None:
        """Continue at ``offset`` of the source."""
        if self._base <= offset <= self._base + len(self.data):
            self.pos = offset - self._base
        else:
            self._base, self.pos, self.data, self._edge = offset, 0, b"", 0

    def _refill(self, nbytes: int) -> None:
        """Make at least ``nbytes`` readable at the position, or all that is left."""
        self._base += self.pos
        self.pos = 0
        self.data = self._source.read(self._base, max(nbytes, _WINDOW_NBYTES))
        if not self.data:
            raise PickleTruncatedError("the pickle ends too early", self._base)
        self._set_edge()

    def _edge_of_data(self) -> int:
        at_end = self._base + len(self.data) >= self._source.nbytes
        return len(self.data) - (0 if at_end else LOOKAHEAD_NBYTES)

    def _set_edge(self) -> None:
        self._edge = self._edge_of_data()
        if self._frame_end is not None:
            self._edge = min(self._edge, self._frame_end - self._base)

    def take(self, nbytes: int) -> bytes:
        """The next ``nbytes``."""
        if self.pos + nbytes > len(self.data):
            if nbytes > self._source.nbytes - self.at:
                raise PickleTruncatedError("the pickle ends too early", self.at)
            self._refill(nbytes)
        end = self.pos + nbytes
        taken = self.data[self.pos : end]
        if len(taken) < nbytes:
            raise PickleTruncatedError("the pickle ends too early", self.at)
        self.pos = end
        return taken

    def unpack(self, layout: struct.Struct) -> Any:
        """One value of a fixed size; the lookahead holds it unless the source ends."""
        value = layout.unpack_from(self.data, self.pos)[0]
        self.pos += layout.size
        return value

    def line(self) -> bytes:
        """The rest of the line, without its end."""
        end = self.data.find(b"\n", self.pos)
        nbytes = _LINE_NBYTES
        while end < 0:
            if nbytes > 2 * self.left + _LINE_NBYTES:
                raise PickleTruncatedError("a line has no end", self.at)
            if nbytes > _MOST_LINE_NBYTES:
                return self._long_line()
            self._refill(nbytes)
            end = self.data.find(b"\n")
            nbytes *= 2
        line = self.data[self.pos : end]
        self.pos = end + 1
        return line

    def _long_line(self) -> bytes:
        """The beginning of a line that is not brought into memory; others read on behind it."""
        start = at = self.at
        self.complain(PickleError("a line that is longer than any that is written", start))
        while True:
            piece = self._source.read(at, _LINE_NBYTES)
            if not piece:
                raise PickleTruncatedError("a line has no end", start)
            end = piece.find(b"\n")
            if end >= 0:
                break
            at += len(piece)
        self.seek(at + end + 1)
        return 2 * self._source.read(start, 1)  # a whole string, where it begins with a quote

    def blob(self, nbytes: int, limit: int) -> bytes | BytesRef:
        """The next ``nbytes``, or their position where they are many and lie in the file."""
        if nbytes > self._source.nbytes - self.at:
            raise PickleTruncatedError("the pickle ends too early", self.at)
        if self._held_nbytes > _HELD_NBYTES:
            limit = _SHORT_NBYTES
        if nbytes > limit and self._keep_in_file:
            ref = BytesRef(self.at, nbytes)
            self.seek(ref.offset + nbytes)
            return ref
        self._held_nbytes += nbytes
        return self.take(nbytes)

    def text(self, nbytes: int) -> str | BytesRef:
        """The next ``nbytes`` as text, or their position where they are very many."""
        raw = self.blob(nbytes, _TEXT_NBYTES)
        if isinstance(raw, BytesRef):
            raw.is_text = True
            return raw
        return raw.decode("utf-8", "surrogatepass")
