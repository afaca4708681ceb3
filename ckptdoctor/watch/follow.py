"""A log that grows: what is new in it, through rotation, truncation and disappearance."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ckptdoctor.run.logs import Row, read_logs
from ckptdoctor.run.logs.reading import is_read_whole, row_reader

__all__ = ["Followed", "LogFollower"]

_PIECE_NBYTES = 1 << 20
_LINE_NBYTES = 1 << 20


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

    Args:
        path: the log; it may not be there yet.
        pattern: the user's own for its lines.
    """

    def __init__(self, path: Path, pattern: re.Pattern[str] | None = None) -> None:
        self.path = path
        self._pattern = pattern
        self._file: IO[bytes] | None = None
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._rest = b""
        self._reader = row_reader(pattern)
        self._known: dict[int, dict[str, float]] = {}
        self._signature: tuple[int, int, int] | None = None
        self._missing = False

    def poll(self) -> Followed:
        """What is new since the last look. A log that cannot be read is looked at again later."""
        try:
            status = self.path.stat()
        except OSError:
            return self._gone()
        note = f"{self.path.name} is back" if self._missing else ""
        self._missing = False
        signature = (status.st_ino, status.st_size, status.st_mtime_ns)
        if signature == self._signature:
            return Followed(note=note)
        try:
            if is_read_whole(self.path, self._pattern):
                rows = self._whole()
            else:
                moved, rows = self._appended((status.st_dev, status.st_ino), status.st_size)
                note = moved or note
        except OSError as error:
            return Followed(note=f"{self.path.name} cannot be read: {error.strerror or error}")
        first = self._signature is None
        self._signature = signature
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

    def _whole(self) -> list[Row]:
        """Of a table or a state that is written anew each time, the epochs that changed."""
        reading = read_logs([self.path], self._pattern)
        rows = [
            Row(epoch=epoch, values=values, time_s=reading.times_s.get(epoch))
            for epoch, values in reading.epochs.items()
            if self._known.get(epoch) != values
        ]
        self._known = {epoch: dict(values) for epoch, values in reading.epochs.items()}
        return rows

    def _appended(self, identity: tuple[int, int], nbytes: int) -> tuple[str, list[Row]]:
        note = ""
        rows: list[Row] = []
        if self._file is not None and identity != self._identity:
            rows += self._read_on()  # the end of the one that was rotated away
            rows += self._reader.flush()
            self.close()
            note = f"{self.path.name} was rotated"
        elif self._file is not None and nbytes < self._offset:
            self.close()
            note = f"{self.path.name} was truncated"
        if self._file is None:
            self._file = self.path.open("rb")
            self._identity, self._offset, self._rest = identity, 0, b""
            self._reader = row_reader(self._pattern)
        rows += self._read_on()
        return note, rows

    def _read_on(self) -> Iterator[Row]:
        """The rows of the lines that were completed since; of the last epoch what is there."""
        if self._file is None:
            return
        while piece := self._piece():
            *lines, self._rest = (self._rest + piece).split(b"\n")
            if len(self._rest) > _LINE_NBYTES:
                lines, self._rest = [*lines, self._rest], b""
            for line in lines:
                with contextlib.suppress(ValueError):  # a line that cannot be read
                    yield from self._reader.feed(line)
        if b"\r" in self._rest:  # a bar that is being drawn
            drawn, _, self._rest = self._rest.rpartition(b"\r")
            with contextlib.suppress(ValueError):
                yield from self._reader.feed(drawn)
        yield from self._reader.flush()

    def _piece(self) -> bytes:
        if self._file is None:
            return b""
        try:
            piece = os.pread(self._file.fileno(), _PIECE_NBYTES, self._offset)
        except OSError:  # the file's disk went away; it is opened again later
            return b""
        self._offset += len(piece)
        return piece
