"""Whether a file shows signs of a training, by its first bytes and, of text, its last.

A folder of checkpoints holds configurations, vocabularies, predictions and lists of images as well.
What is asked is what the readers themselves would make of the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO

from ckptdoctor.metadata.metric_names import Split, is_loss, split_of
from ckptdoctor.runs.logs.documents import Unread, document_of
from ckptdoctor.runs.logs.encoding import LogText
from ckptdoctor.runs.logs.headings import heading_of
from ckptdoctor.runs.logs.log_reading import Row
from ckptdoctor.runs.logs.reading import RowReader, row_reader
from ckptdoctor.runs.logs.settings import length_of_settings
from ckptdoctor.runs.logs.watched import is_watched
from ckptdoctor.sources.descriptors import pread

__all__ = ["shows_training"]

_NBYTES = 1 << 16
_ASKS = re.compile(rb"\A\s*+\{[^\n]*+\s*+\Z")
_TELLS = re.compile(rb'"\w*(?:epoch|step|iter|iteration)"')
"""One object on one line may be a row, or a configuration with a number of epochs."""
_OURS = re.compile(
    rb"\A(?:ckptdoctor: [^\n]*+\n)*+"
    rb"(?:\d++ checkpoints?, [^\n:]*+: \d++ (?:healthy|suspect|salvageable|corrupt|unreadable)\b"
    rb'|\{"type": ?"checkpoint", ?"path":)'
)
"""What `scan` wrote of a training, kept beside it."""
_OF_NO_TRAINING = ("lr", "rate", "norm")  # a configuration has those as well


def shows_training(path: Path) -> bool:
    """Whether a training wrote the file; False where it cannot be read."""
    try:
        status = path.stat()
        return _shows(path, status.st_size, status.st_mtime_ns)
    except OSError:
        return False


@lru_cache(maxsize=4096)  # `watch` looks again and again
def _shows(path: Path, nbytes: int, mtime_ns: int) -> bool:  # noqa: ARG001
    with path.open("rb") as file:
        text = LogText(file)
        head = text.head(_NBYTES)[:_NBYTES]
        if _OURS.match(head) is not None:
            return False
        head = head[length_of_settings(head) :]
        document = document_of(head, path)
        if document is not None:
            rows = _rows(document.read(head, path))
            return _are_of_training(rows, strict=b"epoch" not in head.lower())
        if _ASKS.match(head) is not None and _TELLS.search(head) is None:
            return False
        heading = heading_of(head)
        if heading is not None:
            if heading.at_epoch is not None:
                return True
            return heading.is_watched and (heading.at_step is not None or heading.says_data)
        if _are_of_training(_rows(head.split(b"\n")), strict=False):
            return True
        return text.is_plain and nbytes > _NBYTES and _ends_with_training(file, nbytes)


def _ends_with_training(file: IO[bytes], nbytes: int) -> bool:
    """Whether it does below a long beginning, of installations and settings."""
    tail = pread(file.fileno(), _NBYTES, max(_NBYTES, nbytes - _NBYTES))
    return _are_of_training(_rows(tail.split(b"\n")[1:]), strict=False)


def _rows(parts: Iterable[Row | bytes | Unread]) -> Iterator[Row]:
    reader = row_reader(counts=False)  # two numbers a line may be predictions
    for part in parts:
        if isinstance(part, Row):
            yield part
        elif isinstance(part, bytes):
            yield from _fed(reader, part)
    yield from reader.flush()


def _fed(reader: RowReader, line: bytes) -> Iterator[Row]:
    try:
        yield from reader.feed(line.rstrip(b"\r"))
    except ValueError:
        return


def _are_of_training(rows: Iterable[Row], *, strict: bool) -> bool:
    """Whether rows have a loss or a metric; or values that nobody knows, at two epochs.

    Args:
        rows: what the readers make of it.
        strict: whether a name has to say that it is of a training: predictions have scores, too.
    """
    epochs = set()
    for row in rows:
        known = [name for name in row.values if _is_measured(name)]
        if any(is_loss(name) or split_of(name) is not Split.UNSAID for name in known):
            return True
        if strict:
            continue
        if known:
            return True
        if row.values and row.epoch is not None:
            epochs.add(row.epoch)
    return len(epochs) > 1


def _is_measured(name: str) -> bool:
    return is_watched(name) and not name.lower().endswith(_OF_NO_TRAINING)
