"""What a document that holds a log is to the reader of logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.runs.logs.log_reading import Row

__all__ = ["Document", "Part", "Unread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """What should have been read and could not.

    Attributes:
        text: the beginning of it, or why.
        number: of its line; 0 where that says nothing.
    """

    text: str
    number: int = 0


Part = Row | bytes | Unread
"""A row; a line for the reader of lines; or what could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A kind of file that has to be read as a whole.

    Attributes:
        what: it is, for people.
        recognises: whether a file is one, by its first bytes (UTF-8) and its path.
        read: its text (UTF-8) and its path to what it says, in its order.
    """

    what: str
    recognises: Callable[[bytes, Path], bool]
    read: Callable[[bytes, Path], Iterator[Part]]
