"""The file that results are kept in, opened: SQLite, of this user alone, and of our making.

What is damaged, foreign or of another schema is moved out of the way, never believed. Where it can
neither be opened nor be moved, nothing is remembered, and nothing fails.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from pathlib import Path

from ckptdoctor.lean_dataclass import dataclass

__all__ = [
    "NAME",
    "Opened",
    "files_in",
    "is_damage",
    "lies_on_a_network",
    "opened",
    "opened_as_it_is",
    "set_aside",
]

_SCHEMA = 1
NAME = f"results-{_SCHEMA}.sqlite"
_ASIDE = f"{NAME}.aside"
_BESIDE = ("-wal", "-shm", "-journal")
_MOST_ASIDE = 9
_PATIENCE_S = 1.0
_APPLICATION_ID = 0x636B7074  # "ckpt"
_FILE = """CREATE TABLE file (
    key BLOB PRIMARY KEY,
    program BLOB NOT NULL,
    inode INTEGER NOT NULL,
    nbytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    read_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    structure BLOB NOT NULL,
    details BLOB NOT NULL,
    figures BLOB NOT NULL,
    digest BLOB NOT NULL
)"""
_ANSWER = """CREATE TABLE answer (
    key BLOB PRIMARY KEY,
    program BLOB NOT NULL,
    used_at INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    folders BLOB NOT NULL,
    state BLOB NOT NULL,
    said BLOB NOT NULL,
    digest BLOB NOT NULL
)"""
_TABLES = (
    _FILE,
    "CREATE INDEX file_used_at ON file (used_at)",
    "CREATE TABLE structure (name BLOB PRIMARY KEY, body BLOB NOT NULL)",
    _ANSWER,
    "CREATE INDEX answer_used_at ON answer (used_at)",
)
_OF_SEVERAL_MACHINES = frozenset(
    "9p afs autofs beegfs ceph cifs fuse fuse.sshfs gpfs glusterfs lustre ncpfs nfs nfs4 smb3 "
    "smbfs".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What came of opening it.

    Attributes:
        connection: to it; None where nothing can be remembered.
        aside: where something that was in its place was put; None where nothing was.
        why_not: why nothing can be remembered; "" where it can.
    """

    connection: sqlite3.Connection | None = None
    aside: Path | None = None
    why_not: str = ""


def opened(folder: Path) -> Opened:
    """The database in a folder, made where it is not there."""
    path, aside = folder / NAME, None
    for _ in range(2):
        try:
            _own_folder(folder)
            _own_file(path)
            return Opened(connection=_connected(path), aside=aside)
        except (OSError, sqlite3.Error, _ForeignError) as error:
            if aside is not None or not is_damage(error):
                return Opened(aside=aside, why_not=str(error))
            aside = set_aside(path)
            if aside is None:
                return Opened(why_not=f"{error}, and cannot be moved")
    return Opened(aside=aside, why_not="what is in its place comes back")


def opened_as_it_is(folder: Path) -> sqlite3.Connection | None:
    """The database, where it is there, whole and ours; nothing is made, and nothing moved."""
    path = folder / NAME
    try:
        if not path.exists():  # or nobody may look
            return None
        _own_folder(folder)
        _own_file(path)
        return _connected(path)
    except (OSError, sqlite3.Error, _ForeignError):
        return None


class _ForeignError(Exception):
    """What is there is not of our making."""


def is_damage(error: Exception) -> bool:
    """Whether an error tells of the file's contents, and not of a disk that is full or locked."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return isinstance(error, _ForeignError)


def _own_folder(folder: Path) -> None:
    """Make it, or see that nobody else may write there.

    Raises:
        OSError: it cannot be made, or is another's.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.stat()
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user")
    if os.name == "posix" and status.st_mode & 0o022:
        raise PermissionError(f"{folder} may be written by others: chmod 700 {folder}")


def _own_file(path: Path) -> None:
    """Make it, or see that it is a file of this user's alone.

    Raises:
        OSError: it cannot be made.
        _ForeignError: something else is there.
    """
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise _ForeignError(f"{path} is no file") from None
        if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
            raise _ForeignError(f"{path} belongs to another user") from None
        if status.st_mode & 0o077:
            path.chmod(0o600)


def _connected(path: Path) -> sqlite3.Connection:
    """A connection to a database of ours.

    Raises:
        sqlite3.Error: it cannot be opened.
        _ForeignError: it is not ours, or of another schema.
    """
    connection = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)
    try:
        for setting in ("trusted_schema=OFF", "cell_size_check=ON", "synchronous=NORMAL"):
            connection.execute(f"PRAGMA {setting}")
        if not _is_ours(connection):
            _make(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_ours(connection: sqlite3.Connection) -> bool:
    """Whether the tables are ours; False where there are none yet.

    Raises:
        _ForeignError: they are others, or there is more, such as a trigger.
    """
    told = _number(connection, "application_id"), _number(connection, "user_version")
    made = "SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_autoindex%' ORDER BY rowid"
    found = tuple(sql for (sql,) in connection.execute(made))
    if told == (0, 0) and not found:
        return False
    if told != (_APPLICATION_ID, _SCHEMA) or found != _TABLES:
        raise _ForeignError("it is no cache of this program")
    return True


def _number(connection: sqlite3.Connection, setting: str) -> int:
    ((value,),) = connection.execute(f"PRAGMA {setting}")
    return int(value)


def _make(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    if not lies_on_a_network(path):  # there, a write-ahead log is not seen by other machines
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("BEGIN IMMEDIATE")
    if not _is_ours(connection):  # another process may have been first
        for table in _TABLES:
            connection.execute(table)
        connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={_SCHEMA}")
    connection.execute("COMMIT")


def lies_on_a_network(path: Path) -> bool:
    """Whether several machines may have the folder; False where the system does not tell."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    place, kind = os.path.realpath(path), ""
    longest = -1
    for fields in map(str.split, mounts):
        point = fields[1].replace("\\040", " ").rstrip("/")
        if len(point) > longest and (place == point or place.startswith(f"{point}/")):
            longest, kind = len(point), fields[2]
    return kind in _OF_SEVERAL_MACHINES


def set_aside(path: Path) -> Path | None:
    """Where something in the database's place was moved to; None where it cannot be moved."""
    for number in range(1, _MOST_ASIDE + 1):
        target = path.with_name(_ASIDE if number == 1 else f"{_ASIDE}-{number}")
        with contextlib.suppress(OSError):
            if target.is_dir() and not target.is_symlink():
                continue
            path.replace(target)
            for ending in _BESIDE:
                with contextlib.suppress(OSError):
                    path.with_name(path.name + ending).unlink()
            return target
    return None


def files_in(folder: Path) -> list[Path]:
    """All that lies there of ours: the database, what SQLite keeps by it, what was set aside."""
    names = (NAME, *(NAME + ending for ending in _BESIDE), _ASIDE)
    aside = (f"{_ASIDE}-{number}" for number in range(2, _MOST_ASIDE + 1))
    return [path for name in (*names, *aside) if os.path.lexists(path := folder / name)]
