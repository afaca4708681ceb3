"""A log to what it says, whatever kind it is of; in memory that the number of epochs bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ckptdoctor.errors import NothingToExamineError
from ckptdoctor.runs.absent import why_absent
from ckptdoctor.runs.logs.collect import Collector
from ckptdoctor.runs.logs.documents import WHOLE_NBYTES, Part, Unread, document_of
from ckptdoctor.runs.logs.encoding import LogText
from ckptdoctor.runs.logs.headings import heading_of
from ckptdoctor.runs.logs.json_rows import JsonRows, message_in
from ckptdoctor.runs.logs.lines import LineReader
from ckptdoctor.runs.logs.log_reading import LogReading, Row
from ckptdoctor.runs.logs.pattern import LogPattern, SlowLineError
from ckptdoctor.runs.logs.settings import length_of_settings
from ckptdoctor.runs.logs.tables import table_rows
from ckptdoctor.runs.logs.tensorboard import EVENTS, event_rows

__all__ = ["RowReader", "is_read_whole", "read_logs", "row_reader"]


_OBJECT = b'{"'
_LONGEST_TAG = 16


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
            raise NothingToExamineError(why_absent(path, "log file"))
        collected.begin(path)
        _read(path, collected, pattern)
    return collected.result()


def _read(path: Path, collected: Collector, pattern: LogPattern | None) -> None:
    if path.name.startswith(EVENTS):
        collected.describe(form="TensorBoard")
        _take(event_rows(path), None, collected)
        return
    with path.open("rb") as file:
        text = LogText(file)
        text.skip(length_of_settings(text.head()))
        head = text.head()
        reader = row_reader(pattern)
        document = document_of(head, path) if pattern is None else None
        heading = heading_of(head) if pattern is None and document is None else None
        if document is not None:
            collected.describe(form=document.what)
            _take(document.read(text.whole(WHOLE_NBYTES), path), reader, collected)
        elif heading is not None:
            collected.describe(form="a table")
            _take(table_rows(text.lines(), heading), None, collected)
        else:
            _feed(path, text.lines(), reader, collected, pattern)
        collected.describe(encoding=text.name)
        if text.trouble:
            collected.unreadable(0, text.trouble)


def _take(parts: Iterable[Part], reader: RowReader | None, collected: Collector) -> None:
    """Rows and lines of what is no text; a line is read as one of text is."""
    for at, part in enumerate(parts, start=1):
        if isinstance(part, Row):
            collected.add(part)
        elif isinstance(part, Unread):
            collected.unreadable(part.number or at, part.text)
        elif reader is not None:
            try:
                for row in reader.feed(part):
                    collected.add(row)
            except ValueError:
                collected.unreadable(at, part[:200].decode("utf-8", "replace"))
    if reader is not None:
        _end(reader, collected)


def _end(reader: RowReader, collected: Collector) -> None:
    for row in reader.flush():
        collected.add(row)
    collected.describe(folds=reader.folds)
    for command in reader.commands:
        collected.command(command)


def _feed(
    path: Path,
    lines: Iterable[bytes],
    reader: RowReader,
    collected: Collector,
    pattern: LogPattern | None,
) -> None:
    at = 0
    passes = reader.passes
    for at, line in enumerate(lines, start=1):
        if passes(line):
            continue
        try:
            for row in reader.feed(line):
                collected.add(row)
        except ValueError as error:
            if isinstance(error, SlowLineError) and pattern is not None:
                pattern.tell(f"{path.name}:{at}", error)
            collected.unreadable(at, line[:200].decode("utf-8", "replace"))
    collected.describe(form=reader.form, lines=at)
    _end(reader, collected)


def is_read_whole(path: Path, pattern: LogPattern | None = None) -> bool:
    """Whether a log has to be read from its beginning each time: tables, states, events.

    Raises:
        OSError: it cannot be read.
    """
    if path.name.startswith(EVENTS):
        return True
    with path.open("rb") as file:
        text = LogText(file)
        if not text.is_plain:
            return True
        text.skip(length_of_settings(text.head()))
        head = text.head()
        return pattern is None and (
            document_of(head, path) is not None or heading_of(head) is not None
        )


def _without_tag(line: bytes) -> bytes:
    """A line of JSON without the word that some loggers put in front of each."""
    if line[-1:] != b"}" or line[:1] == b"{":
        return line
    at = line.find(b' {"', 1, _LONGEST_TAG)
    return line[at + 1 :] if at > 0 and line.find(b" ", 0, at) < 0 else line


class RowReader:
    """Lines to rows, text and JSON as they come. It can go on where a growing log went on.

    Args:
        pattern: the user's own; then nothing else is looked for.
        counts: whether lines count where no line names a moment.
    """

    def __init__(self, pattern: LogPattern | None = None, *, counts: bool = True) -> None:
        self._counts = counts
        self._text = LineReader(pattern)
        self._json = None if pattern else JsonRows()
        self._has_json = self._has_text = False

    @property
    def form(self) -> str:
        """What the lines were, in words."""
        also = ", null as NaN" if self._json is not None and self._json.nulls.are_nan else ""
        return f"{'lines of text' if self._has_text or not self._has_json else 'JSON lines'}{also}"

    @property
    def folds(self) -> int:
        """How many folds of a cross-validation were named."""
        return len(self._text.sections.folds)

    @property
    def commands(self) -> list[str]:
        """Command lines that were seen."""
        return self._text.commands.shown

    def passes(self, line: bytes) -> bool:
        """Whether a line only takes the place of the one before of its shape, and is done with."""
        line = _without_tag(line)
        if line[:2] == _OBJECT and self._json is not None:
            return self._json.passes(line)
        return self._text.passes(line)

    def feed(self, line: bytes) -> Iterator[Row]:
        """The rows that a line completes.

        Raises:
            ValueError: it should hold one, and cannot be read.
        """
        line = _without_tag(line)
        if self._json is not None and line[:2] in (_OBJECT, b"{}"):
            self._has_json = True
            for part in line.split(b"\r") if b"\r" in line else (line,):
                message = message_in(part)
                if message is None:
                    yield from self._json.feed(part)
                else:
                    yield from self._text.feed(message)
        else:
            self._has_text = self._has_text or bool(line)
            yield from self._text.feed(line)

    def flush(self) -> Iterator[Row]:
        """What is known of the epoch that is being written of."""
        yield from self._text.flush()
        if self._counts and not self._has_json:
            yield from self._text.counted()
        if self._json is not None:
            yield from self._json.flush()
            if self._counts:
                yield from self._json.counted()


def row_reader(pattern: LogPattern | None = None, *, counts: bool = True) -> RowReader:
    """A reader for one log.

    Args:
        pattern: the user's own; then nothing else is looked for.
        counts: whether lines count where no line names a moment, as of `print(epoch, loss)`.
    """
    return RowReader(pattern, counts=counts)
