"""The file with the settings: where it is looked for, and which one is not believed.

A folder of checkpoints may come from a stranger, with a file of settings that hides what is wrong
with them. So a file that was only found is passed over where it lies in what is examined, or may
have been put there by somebody else; whoever means it names it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path

from ckptdoctor.errors import UsageError
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["NAMES", "Found", "candidates_now", "find_file", "read_bytes", "table_of"]

NAMES = ("ckptdoctor.toml", "pyproject.toml")
"""In one folder the first of them counts."""

_MOST_NBYTES = 1 << 20
_MOST_LEVELS = 64
_OTHERS_MAY_WRITE = stat.S_IWOTH
_TABLE = b"ckptdoctor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The file with the settings.

    Attributes:
        path: None where there is none.
        is_named: whether the user named it; else it was found.
        passed_over: files that were found and are not believed, with the reason.
    """

    path: Path | None = None
    is_named: bool = False
    passed_over: tuple[tuple[Path, str], ...] = field(default=())


def find_file(examined: Sequence[Path]) -> Found:
    """The nearest file with settings, from the current folder upwards to the repository's or home.

    Args:
        examined: files and folders that a command was asked to look at.
    """
    places = [_folder_of(path) for path in examined]
    passed_over: list[tuple[Path, str]] = []
    for path in _candidates():
        content = _content(path)
        if content is None or (path.name == NAMES[1] and not _has_table(content)):
            continue
        reason = _why_not(path, places)
        if not reason:
            return Found(path=path, passed_over=tuple(passed_over))
        passed_over.append((path, reason))
    return Found(passed_over=tuple(passed_over))


def _candidates() -> Iterator[Path]:
    """The files that may be one, nearest first, whether or not they are there."""
    for folder in _folders():
        for name in NAMES:
            path = Path(folder, name)
            if os.path.lexists(path):
                yield path


def _folders() -> Iterator[str]:
    try:
        folder = os.getcwd()  # noqa: PTH109
    except OSError:
        return
    home = os.path.expanduser("~")  # noqa: PTH111
    for _ in range(_MOST_LEVELS):
        yield folder
        above = os.path.dirname(folder)  # noqa: PTH120
        is_top = os.path.lexists(os.path.join(folder, ".git"))  # noqa: PTH118
        if folder in (above, home) or is_top:
            return
        folder = above


def candidates_now() -> list[tuple[str, object]]:
    """What differs wherever another file may be found, or holds something else."""
    found: list[tuple[str, object]] = []
    for path in _candidates():
        try:
            at = path.stat()
            told: object = (at.st_mode, at.st_uid, at.st_ino, at.st_size, at.st_mtime_ns)
            told = (told, at.st_ctime_ns)
        except OSError as error:
            told = error.errno
        found.append((str(path), told))
    return found


def _folder_of(path: Path) -> str:
    """The folder that is examined: itself, that of a file, that before the pattern of a glob."""
    from glob import has_magic

    text = str(path)
    while has_magic(text) and not os.path.lexists(text):
        text = os.path.dirname(text)  # noqa: PTH120
    real = os.path.realpath(text or ".")
    return real if os.path.isdir(real) else os.path.dirname(real)  # noqa: PTH112, PTH120


def _why_not(path: Path, examined: Sequence[str]) -> str:
    """Why a file that was found is not believed; "" where it is."""
    for place in (os.path.realpath(path.parent), os.path.dirname(os.path.realpath(path))):  # noqa: PTH120
        if any(_is_within(place, folder) for folder in examined):
            return "it lies in the folder that is examined, and may be a stranger's"
    if not hasattr(os, "geteuid"):
        return ""
    for status in (path.lstat(), path.stat()):
        if status.st_uid not in (os.geteuid(), 0):
            return "it belongs to another user"
        if status.st_mode & _OTHERS_MAY_WRITE and not stat.S_ISLNK(status.st_mode):
            return "everybody may write to it"
    return ""


def _is_within(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder.rstrip(os.sep) + os.sep)


def _content(path: Path) -> bytes | None:
    """What a file holds that was found; None where it is none, or cannot be read."""
    try:
        return read_bytes(path)
    except (OSError, UsageError):
        return None


def read_bytes(path: Path) -> bytes:
    """What a file of settings holds; never waits for a FIFO.

    Raises:
        OSError: it cannot be read.
        UsageError: it is no file, or too large to be one of settings.
    """
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise UsageError(f"{path}: no file")
        content = file.read(_MOST_NBYTES + 1)
    if len(content) > _MOST_NBYTES:
        raise UsageError(f"{path}: more than 1 MiB: this is no file of settings")
    return content


def _has_table(content: bytes) -> bool:
    """Whether a pyproject.toml may speak of us: one of another project is never parsed."""
    return _TABLE in content and b"tool" in content and _spoken_of(content)


def _spoken_of(content: bytes) -> bool:
    import tomllib

    try:
        whole = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return b"[tool.ckptdoctor" in content  # damaged, and ours: it is told when it is read
    tool = whole.get("tool")
    return isinstance(tool, dict) and "ckptdoctor" in tool


def table_of(path: Path, content: bytes) -> dict[str, object]:
    """The settings as they stand there.

    Args:
        path: of the file; in one that is called pyproject.toml they are ``[tool.ckptdoctor]``.
        content: of the file.

    Raises:
        UsageError: it is no TOML, or has them in another place.
    """
    import tomllib

    try:
        whole: dict[str, object] = tomllib.loads(content.decode("utf-8-sig"))
    except RecursionError:
        raise UsageError(f"{path}: no TOML: nested too deep") from None
    except ValueError as error:
        raise UsageError(f"{path}: no TOML: {error}") from None
    tool = whole.get("tool")
    if path.name != NAMES[1] and not (isinstance(tool, dict) and "ckptdoctor" in tool):
        return whole
    table = tool.get("ckptdoctor", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.ckptdoctor is no table: write [tool.ckptdoctor]")
    return table
