"""Whole answers: what a command printed, as long as nothing that it looked at has changed.

Asked before the program has imported itself. An answer is kept only if every file that it rests
upon is remembered on its own, and nothing else was said; so it holds names and figures alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from ckptdoctor.cache.file import lies_on_a_network, opened_as_it_is
from ckptdoctor.cache.place import cache_folder, is_wanted
from ckptdoctor.cache.program import fingerprint
from ckptdoctor.cache.surroundings import TooManyError, asked_how, folders_now
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.plugins import offered

__all__ = ["Answer", "Inquiry", "answer_to", "inquiry", "keep_answer"]

_SETTLED_NS = 2_000_000_000  # as of files: docs/cache.md
_MOST_FOLDERS = 2_000
_MOST_CHARS = 4 << 20
_USED_AGAIN_S = 3600
_FIELDS = ("code", "text", "files", "oldest", "newest", "quiet")
_NO_ANSWER = (sqlite3.Error, ValueError, RecursionError)
_TYPES = [int, str, int, int, int, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """A command that was given.

    Attributes:
        key: differs wherever it may be answered in another way.
        program: that answers.
        folder: of the cache.
        began_ns: when it was given, in nanoseconds since 1970.
    """

    key: bytes
    program: bytes
    folder: Path
    began_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command said.

    Attributes:
        code: its exit code.
        text: its standard output.
        files: the checkpoint files that it rests upon.
        oldest, newest: when they were read, in seconds since 1970.
        quiet: whether the user wants no word about what was remembered.
    """

    code: int
    text: str
    files: int
    oldest: int
    newest: int
    quiet: bool


def inquiry(arguments: Sequence[str]) -> Inquiry | None:
    """The command as one that may have been answered before; None where nothing is remembered."""
    folder = cache_folder() if is_wanted() and not offered() else None
    if folder is None:  # a rule of another package may ask whatever it likes
        return None
    try:
        key, program = asked_how(arguments), fingerprint()
    except OSError:
        return None
    return Inquiry(key=key, program=program, folder=folder, began_ns=time.time_ns())


def answer_to(asked: Inquiry) -> Answer | None:
    """What the command said before, where it would say the same again; else None."""
    connection = opened_as_it_is(asked.folder)
    if connection is None:
        return None
    with contextlib.closing(connection), contextlib.suppress(*_NO_ANSWER):
        row = connection.execute(
            "SELECT program, folders, state, said, digest, used_at FROM answer WHERE key = ?",
            (asked.key,),
        ).fetchone()
        if row is None or row[0] != asked.program or row[4] != _digest(asked, *row[1:4]):
            return None
        if not _holds(row[1], row[2]):
            return None
        now = int(time.time())
        if row[5] < now - _USED_AGAIN_S:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("UPDATE answer SET used_at = ? WHERE key = ?", (now, asked.key))
        return _answer(json.loads(row[3]))
    return None


def _holds(folders: bytes, state: bytes) -> bool:
    """Whether the folders are as they were."""
    names = json.loads(folders)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return False
    try:
        return folders_now(names)[0] == state
    except TooManyError:
        return False


def _answer(said: object) -> Answer:
    """What is kept, checked: whatever is not exactly that is a ``ValueError``."""
    if not isinstance(said, list) or [type(one) for one in said] != _TYPES:
        raise ValueError("no answer")
    if not all(0 <= one < 1 << 53 for one in said if isinstance(one, int)) or said[0] > 1:
        raise ValueError("no answer")
    return Answer(**dict(zip(_FIELDS, said, strict=True)))


def keep_answer(asked: Inquiry, folders: Collection[str], answer: Answer) -> None:
    """Remember an answer, if what it rests upon had been left alone for long enough.

    Args:
        asked: the command.
        folders: those that it looked into.
        answer: what it said.
    """
    if len(folders) > _MOST_FOLDERS or len(answer.text) > _MOST_CHARS:
        return
    if any(lies_on_a_network(Path(folder)) for folder in folders):
        return  # its names may be known to this machine as they were a minute ago
    try:
        state, newest = folders_now(folders)
    except TooManyError:
        return
    if newest > asked.began_ns - _SETTLED_NS:
        return
    connection = opened_as_it_is(asked.folder)
    if connection is None:
        return
    names = json.dumps(sorted(folders)).encode("ascii")
    said = json.dumps([getattr(answer, name) for name in _FIELDS]).encode("ascii")
    digest, now = _digest(asked, names, state, said), int(time.time())
    row = (asked.key, asked.program, now, len(names) + len(said), names, state, said, digest)
    with contextlib.closing(connection), contextlib.suppress(sqlite3.Error):
        connection.execute("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def _digest(asked: Inquiry, folders: bytes, state: bytes, said: bytes) -> bytes:
    told = repr((asked.key, asked.program, folders, state, said))
    return hashlib.blake2b(told.encode(), digest_size=16).digest()
