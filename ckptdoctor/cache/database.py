"""Rows of remembered results; several processes read and write them at once.

It is never a reason to fail: what cannot be opened, read or written counts as not remembered.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ckptdoctor.cache.file import NAME, Opened, is_damage, opened, set_aside
from ckptdoctor.cache.packing import Packed
from ckptdoctor.cache.result import FileState
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["MOST_NBYTES", "Database", "Row"]

MOST_NBYTES = 500_000_000
_LEFT = 0.9  # of that, once the oldest have gone
_MOST_ROW_NBYTES = 64 << 20
_MOST_WAITING_NBYTES = 8 << 20
_MOST_WAITING = 64
_WAIT_S = 2.0
_USED_AGAIN_S = 3600  # that a row was used is written down once an hour
_NAME_NBYTES = 16
_OLDEST_FIRST = (
    "SELECT key, cost FROM (SELECT key, cost, used_at, rowid AS at FROM file "
    "UNION ALL SELECT key, cost, used_at, rowid AS at FROM answer) ORDER BY used_at, at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is kept of one file.

    Attributes:
        key: of the file, and of what was asked of it.
        program: that answered.
        state: what the file was.
        found: the result.
        read_at: when it was read, in seconds since 1970.
    """

    key: bytes
    program: bytes
    state: FileState
    found: Packed
    read_at: int

    @property
    def stamp(self) -> tuple[bytes, int, int, int, int]:
        """What has to be the same for the result to be believed."""
        return _stamp(self.program, self.state)


def _stamp(program: bytes, state: FileState) -> tuple[bytes, int, int, int, int]:
    return program, state.inode, state.nbytes, state.mtime_ns, state.ctime_ns


class Database:
    """What is remembered, open.

    Args:
        folder: where it lies, or is made.
        most_nbytes: that it may grow to.

    Attributes:
        aside: where a damaged or foreign one was put; None where there was none.
        why_not: why nothing can be remembered; "" where it can.
    """

    def __init__(self, folder: Path, most_nbytes: int = MOST_NBYTES) -> None:
        self._path = folder / NAME
        self._most_nbytes = most_nbytes
        self._structures: dict[bytes, bytes] = {}
        self._used: list[bytes] = []
        self._waiting: list[Row] = []
        self._waiting_nbytes = 0
        self._flushed_at = time.monotonic()
        found: Opened = opened(folder)
        self._connection = found.connection
        self.aside, self.why_not = found.aside, found.why_not

    def close(self) -> None:
        """Write what waits, and close it."""
        self.flush()
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    # -- reading ---------------------------------------------------------------------------------

    def holds(self, key: bytes, program: bytes, state: FileState) -> bool:
        """Whether there seems to be a row for a file as it is now."""
        asked = "SELECT program, inode, nbytes, mtime_ns, ctime_ns FROM file WHERE key = ?"
        return bool(self._one(asked, key) == _stamp(program, state))

    def row(self, key: bytes, program: bytes, state: FileState) -> Row | None:
        """What is kept of a file as it is now; None where nothing is that is to be believed."""
        asked = (
            "SELECT program, inode, nbytes, mtime_ns, ctime_ns, read_at, used_at, structure, "
            "details, figures, digest FROM file WHERE key = ?"
        )
        found = self._one(asked, key)
        if found is None or found[:5] != _stamp(program, state):
            return None
        read_at, used_at, name, details, figures, digest = found[5:]
        structure = self._structure(name)
        if structure is None or not isinstance(read_at, int) or not isinstance(used_at, int):
            return None
        if not isinstance(details, bytes) or not isinstance(figures, bytes):
            return None
        packed = Packed(structure=structure, details=details, figures=figures)
        row = Row(key=key, program=program, state=state, found=packed, read_at=read_at)
        if digest != _digest(row, name):
            return None
        if used_at < time.time() - _USED_AGAIN_S:
            self._used.append(key)
        return row

    def _structure(self, name: Any) -> bytes | None:
        known = self._structures.get(name)
        if known is None:
            found = self._one("SELECT body FROM structure WHERE name = ?", name)
            known = found[0] if found is not None else None
            if not isinstance(known, bytes) or _name_of(known) != name:
                return None
            self._structures[name] = known
        return known

    def _one(self, question: str, key: Any) -> Any:
        if self._connection is None:
            return None
        try:
            return self._connection.execute(question, (key,)).fetchone()
        except sqlite3.Error as error:
            self._failed(error)
            return None

    # -- writing ---------------------------------------------------------------------------------

    def keep(self, row: Row) -> None:
        """Write a row, soon."""
        nbytes = _cost(row)
        if self._connection is None or nbytes > min(_MOST_ROW_NBYTES, self._most_nbytes // 4):
            return
        self._waiting.append(row)
        self._waiting_nbytes += nbytes
        most = min(_MOST_WAITING_NBYTES, self._most_nbytes // 4)
        many = len(self._waiting) >= _MOST_WAITING or self._waiting_nbytes >= most
        if many or time.monotonic() - self._flushed_at > _WAIT_S:
            self.flush()

    def flush(self) -> None:
        """Write what waits, in one short transaction."""
        rows, used, now = self._waiting, self._used, int(time.time())
        self._waiting, self._used, self._waiting_nbytes = [], [], 0
        if self._connection is not None and (rows or used):
            try:
                with self._transaction(self._connection) as connection:
                    self._insert(connection, rows, now)
                    connection.executemany(
                        "UPDATE file SET used_at = ? WHERE key = ?", [(now, key) for key in used]
                    )
                    shrunk = self._drop_oldest(connection)
                if shrunk:
                    self._connection.execute("PRAGMA incremental_vacuum").fetchall()
            except sqlite3.Error as error:
                self._failed(error)
        self._flushed_at = time.monotonic()

    @contextlib.contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _insert(self, connection: sqlite3.Connection, rows: list[Row], now: int) -> None:
        values = []
        for row in rows:
            name = _name_of(row.found.structure)
            connection.execute(
                "INSERT OR IGNORE INTO structure VALUES (?, ?)", (name, row.found.structure)
            )
            found, cost = row.found, _cost(row)
            contents = (name, found.details, found.figures, _digest(row, name))
            values.append((row.key, *row.stamp, row.read_at, now, cost, *contents))
        connection.executemany(
            "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values
        )

    def _drop_oldest(self, connection: sqlite3.Connection) -> bool:
        """Whether rows had to go, so that the file stays within its bound."""
        over = self._nbytes(connection) - self._most_nbytes
        if over <= 0:
            return False
        over += int((1 - _LEFT) * self._most_nbytes)
        gone: list[tuple[bytes]] = []
        for key, cost in connection.execute(_OLDEST_FIRST):
            if over <= 0:
                break
            gone.append((key,))
            over -= cost
        connection.executemany("DELETE FROM file WHERE key = ?", gone)
        connection.executemany("DELETE FROM answer WHERE key = ?", gone)
        connection.execute("DELETE FROM structure WHERE name NOT IN (SELECT structure FROM file)")
        return True

    @staticmethod
    def _nbytes(connection: sqlite3.Connection) -> int:
        """What the pages in use take."""
        (pages, free, size) = (
            connection.execute(f"PRAGMA {what}").fetchone()[0]
            for what in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    # -- both ------------------------------------------------------------------------------------

    def count(self) -> int:
        """How many results are kept."""
        found = self._one("SELECT count(*) FROM file WHERE length(key) > ?", 0)
        return int(found[0]) if found is not None else 0

    def _failed(self, error: sqlite3.Error) -> None:
        """Go without from here on; put it aside where it is damaged."""
        connection, self._connection, self.why_not = self._connection, None, str(error)
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
            if is_damage(error):
                self.aside = set_aside(self._path)


def _cost(row: Row) -> int:
    return len(row.found.details) + len(row.found.figures) + len(row.found.structure) // 8 + 512


def _name_of(structure: bytes) -> bytes:
    return hashlib.blake2b(structure, digest_size=_NAME_NBYTES).digest()


def _digest(row: Row, structure: bytes) -> bytes:
    """Tells a row whose bytes decayed on the disk; against malice it is no help."""
    digest = hashlib.blake2b(digest_size=_NAME_NBYTES)
    digest.update(repr((row.key, row.stamp, row.read_at, structure)).encode())
    digest.update(len(row.found.details).to_bytes(8, "little") + row.found.details)
    digest.update(row.found.figures)
    return digest.digest()
