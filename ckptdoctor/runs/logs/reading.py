"""A log to what it says, whatever kind it is of; in memory that the number of epochs bounds."""

from __future__ import annotations

import codecs
import errno
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from ckptdoctor.runs.logs.collect import Collector
from ckptdoctor.runs.logs.json_rows import JsonRows, read_trainer_state
from ckptdoctor.runs.logs.lines import LineReader
from ckptdoctor.runs.logs.log_reading import LogReading, Row
from ckptdoctor.runs.logs.pattern import LogPattern, SlowLineError
from ckptdoctor.runs.logs.tables import read_table, reads_as_table
from ckptdoctor.runs.logs.tensorboard import EVENTS, read_events

__all__ = ["RowReader", "is_read_whole", "read_logs", "row_reader"]

_PIECE_NBYTES = 1 << 20
_LINE_NBYTES = 1 << 20  # what is longer is no line of a log, and is cut
_WHOLE_NBYTES = 64_000_000  # a trainer_state.json has to be parsed at once
_HEAD_NBYTES = 4096


def read_logs(paths: Iterable[Path], pattern: LogPattern | None = None) -> LogReading:
    """What these logs say; of a value that two of them have, the later log's.

    Args:
        paths: logs of any kind.
        pattern: the user's own for lines of text, from ``compile_pattern``.

    Raises:
        OSError: a log cannot be read.
    """
    collected = Collector()
    for path in paths:
        if not path.is_file():  # a FIFO would wait for ever
            raise FileNotFoundError(errno.ENOENT, "no such log file", str(path))
        collected.begin(path)
        if path.name.startswith(EVENTS):
            read_events(path, collected)
            continue
        with path.open("rb") as file:
            _read(file, collected, pattern)
    return collected.result()


def _read(file: IO[bytes], collected: Collector, pattern: LogPattern | None) -> None:
    head = file.read(_HEAD_NBYTES)
    file.seek(0)
    if pattern is None and _is_trainer_state(head):
        read_trainer_state(file.read(_WHOLE_NBYTES).decode("utf-8", "replace"), collected)
        return
    if pattern is None and reads_as_table(_first_line(head)):
        text = (line.decode("utf-8", "replace").lstrip("\ufeff") for line in _lines(file))
        read_table(text, collected)
        return
    reader = row_reader(pattern)
    for at, line in enumerate(_lines(file), start=1):
        try:
            for row in reader.feed(line):
                collected.add(row)
        except ValueError as error:
            if isinstance(error, SlowLineError) and pattern is not None:
                pattern.tell(f"{Path(file.name).name}:{at}", error)
            collected.unreadable(at, line[:200].decode("utf-8", "replace"))
    for row in reader.flush():
        collected.add(row)
    for command in reader.commands:
        collected.command(command)


def is_read_whole(path: Path, pattern: LogPattern | None = None) -> bool:
    """Whether a log has to be read from its beginning each time: tables, states, events.

    Raises:
        OSError: it cannot be read.
    """
    if path.name.startswith(EVENTS):
        return True
    with path.open("rb") as file:
        head = file.read(_HEAD_NBYTES)
    return pattern is None and (_is_trainer_state(head) or reads_as_table(_first_line(head)))


def _first_line(head: bytes) -> str:
    lines = head.removeprefix(codecs.BOM_UTF8).splitlines() or [b""]
    return lines[0].decode("utf-8", "replace")


class RowReader:
    """Lines to rows, text and JSON as they come. It can go on where a growing log went on."""

    def __init__(self, pattern: LogPattern | None = None) -> None:
        self._text = LineReader(pattern)
        self._json = None if pattern else JsonRows()

    @property
    def commands(self) -> list[str]:
        """Command lines that were seen."""
        return self._text.commands

    def feed(self, line: bytes) -> Iterator[Row]:
        """The rows that a line completes.

        Raises:
            ValueError: it should hold one, and cannot be read.
        """
        if self._json is not None and line[:2] in (b'{"', b"{}"):
            yield from self._json.feed(line)
        else:
            yield from self._text.feed(line)

    def flush(self) -> Iterator[Row]:
        """What is known of the epoch that is being written of."""
        yield from self._text.flush()
        if self._json is not None:
            yield from self._json.flush()


def row_reader(pattern: LogPattern | None = None) -> RowReader:
    """A reader for one log."""
    return RowReader(pattern)


def _is_trainer_state(head: bytes) -> bool:
    """Whether it is one object over many lines, and not one a line."""
    text = head.lstrip()
    if not text.startswith((b"{", b"[")):
        return False
    first = text.splitlines()[0].rstrip()
    return b'"log_history"' in head or first in (b"{", b"[") or first.startswith(b"[[")


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; one that does not end is cut, so that memory stays bounded."""
    rest = b""
    skipping = False  # the rest of a line of which enough was read
    while piece := file.read(_PIECE_NBYTES):
        if skipping:
            _, end, piece = piece.partition(b"\n")
            skipping = not end
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > _LINE_NBYTES:
            at = rest.rfind(b"\r") + 1  # a bar may redraw itself for ever
            skipping = not at
            yield rest[:at] if at else rest
            rest = rest[at:] if at else b""
    if rest:
        yield rest
