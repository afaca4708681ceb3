"""A log that grows: what is new in it, through rotation, truncation and disappearance."""

from __future__ import annotations

import hashlib
import stat
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from ckptdoctor.histories import Position
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.runs.logs import LogPattern, Row, SlowLineError, read_logs
from ckptdoctor.runs.logs.last_line import MOST_BEFORE, without_cut_number
from ckptdoctor.runs.logs.reading import is_read_whole, row_reader
from ckptdoctor.runs.logs.shapes import LINE_CHARS
from ckptdoctor.sources.descriptors import is_far, pread

__all__ = ["Followed", "LogFollower"]

_PIECE_NBYTES = 1 << 20
_LINE_NBYTES = 1 << 20
_LONG_S = 0.5
_PAUSE = 20.0
"""A log that takes long to read and has to be read whole gets a twentieth of our time."""
_EXACT_NBYTES = 1 << 20
"""So much of a log that lies elsewhere is read again to see that it begins as it did."""
_MARK_NBYTES = 256
"""Of the beginning and of the end of what was read, by which a file is known again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What a look at a log gave.

    Attributes:
        rows: what it says that is new.
        grew: whether anything was written at all.
        note: what happened to the file itself, or "".
    """

    rows: tuple[Row, ...] = ()
    grew: bool = False
    note: str = ""


class LogFollower:
    """Reads a log from its beginning, then what is added, whenever it is asked.

    Whether a file is the log that was read so far is told by its content, not by its inode: a log
    that was fetched anew from another machine goes on where the last copy ended, and so does one
    in a bucket, which is always written anew.

    Args:
        path: the log; it may not be there yet.
        pattern: the user's own for its lines.
    """

    def __init__(self, path: Path, pattern: LogPattern | None = None) -> None:
        self.path = path
        self._is_far = is_far(path)
        self._read_so_far = hashlib.blake2b()
        self._broken: OSError | None = None
        self._pattern = pattern
        self._file: IO[bytes] | None = None
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._rest = b""
        self._head = b""
        self._tail = b""
        self._lines: deque[bytes] = deque(maxlen=MOST_BEFORE)
        self._reader = row_reader(pattern)
        self._known: dict[tuple[Position | None, int | None], dict[str, float]] = {}
        self._signature: tuple[int, int, int] | None = None
        self._missing = False
        self._trouble = ""
        self._not_before_s = 0.0

    def poll(self) -> Followed:
        """What is new since the last look. A log that cannot be read is looked at again later."""
        try:
            status = self.path.stat()
        except OSError:
            return self._gone()
        if not stat.S_ISREG(status.st_mode):  # a pipe would wait for ever
            return Followed()
        was_missing, self._missing = self._missing, False
        note = f"{self.path.name} is back" if was_missing else ""
        signature = (status.st_ino, status.st_size, status.st_mtime_ns)
        if signature == self._signature:
            return Followed(note=note)
        try:
            goes_on = self._is_far and self._offset  # it costs a request, and lines stay lines
            if not goes_on and is_read_whole(self.path, self._pattern):
                if time.monotonic() < self._not_before_s:
                    return Followed(grew=True, note=note)
                rows = self._whole()
            else:
                moved, rows = self._appended((status.st_dev, status.st_ino))
                note = note or moved
        except OSError as error:
            return self._unreadable(error)
        finally:
            if self._is_far:  # the next version of it is another object
                self.close()
        if self._broken is not None:  # what came of it is told; the rest is asked for again
            broken, self._broken = self._broken, None
            return replace(self._unreadable(broken), rows=tuple(rows))
        first = self._signature is None and not was_missing
        self._signature, self._trouble = signature, ""
        return Followed(rows=tuple(rows), grew=not first, note=note)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _gone(self) -> Followed:
        if self._missing or self._signature is None:
            return Followed()
        self._missing = True
        rows = list(self._read_on())  # what was written to it before it was moved away
        self.close()
        self._signature = None
        return Followed(rows=tuple(rows), note=f"{self.path.name} is gone; waiting for it")

    def _unreadable(self, error: OSError) -> Followed:
        """Said once; it is tried again at every look."""
        trouble = f"{self.path.name} cannot be read: {error.strerror or error}"
        is_news, self._trouble = trouble != self._trouble, trouble
        return Followed(note=trouble if is_news else "")

    def _whole(self) -> list[Row]:
        """Of a table or a state that is written anew each time, the epochs that changed."""
        self.close()
        self._forget()
        began_s = time.monotonic()
        reading = read_logs([self.path], self._pattern)
        took_s = time.monotonic() - began_s
        self._not_before_s = began_s + _PAUSE * took_s if took_s > _LONG_S else 0.0
        rows = [
            row
            for row in reading.rows
            if row.values and self._known.get((row.epoch, row.step)) != row.values
        ]
        self._known = {(row.epoch, row.step): dict(row.values) for row in reading.rows}
        return rows

    def _appended(self, identity: tuple[int, int]) -> tuple[str, list[Row]]:
        """The rows that were added, and what happened to the file, or ""."""
        note = ""
        rows: list[Row] = []
        moved = self._file is not None and identity != self._identity
        if moved:
            rows += self._read_on()  # the end of the one that was rotated away
            self.close()
        if self._file is None:
            self._file = self.path.open("rb")
            self._identity = identity
        if self._offset and not self._goes_on(self._file):
            what = "written anew" if self._is_far else "rotated" if moved else "truncated"
            note = f"{self.path.name} was {what}"
            rows += self._last_line()
            self._forget()
        rows += self._read_on()
        return note, rows

    def _goes_on(self, file: IO[bytes]) -> bool:
        """Whether the file still holds what was read of it."""
        if self._is_far and self._offset <= _EXACT_NBYTES:
            known = hashlib.blake2b(pread(file.fileno(), self._offset, 0))
            return known.digest() == self._read_so_far.digest()
        head = pread(file.fileno(), len(self._head), 0)
        tail = pread(file.fileno(), len(self._tail), self._offset - len(self._tail))
        return head == self._head and tail == self._tail

    def _last_line(self) -> list[Row]:
        """Of a file that will not go on, the line that has no end; a number may be cut there."""
        line = without_cut_number(self._rest, list(self._lines))
        return [*self._read(line), *self._reader.flush()]

    def _forget(self) -> None:
        self._offset, self._rest, self._head, self._tail = 0, b"", b"", b""
        self._lines.clear()
        self._read_so_far = hashlib.blake2b()
        self._reader = row_reader(self._pattern)

    def _read_on(self) -> Iterator[Row]:
        """The rows of the lines that were completed since; of the last epoch what is there."""
        while piece := self._piece():
            *lines, self._rest = (self._rest + piece).split(b"\n")
            if len(self._rest) > _LINE_NBYTES:
                lines, self._rest = [*lines, self._rest], b""
            for line in lines:
                self._lines.append(line[:LINE_CHARS])
                yield from self._read(line)
        if b"\r" in self._rest:  # a bar that is being drawn
            drawn, _, self._rest = self._rest.rpartition(b"\r")
            yield from self._read(drawn)
        yield from self._reader.flush()

    def _read(self, line: bytes) -> Iterator[Row]:
        """The rows that a line completes; none where it cannot be read."""
        try:
            yield from self._reader.feed(line)
        except SlowLineError as error:
            if self._pattern is not None:
                self._pattern.tell(self.path.name, error)
        except ValueError:
            pass

    def _piece(self) -> bytes:
        if self._file is None:
            return b""
        try:
            piece = pread(self._file.fileno(), _PIECE_NBYTES, self._offset)
        except OSError as error:  # the file's disk went away; it is opened again later
            self._broken = error if self._is_far else None
            return b""
        if self._is_far and self._offset <= _EXACT_NBYTES:
            self._read_so_far.update(piece)
        self._offset += len(piece)
        self._head = (self._head + piece[:_MARK_NBYTES])[:_MARK_NBYTES]
        self._tail = (self._tail + piece[-_MARK_NBYTES:])[-_MARK_NBYTES:]
        return piece
