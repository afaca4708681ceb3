"""What an answer depends on beside checkpoints: the folders that were looked into, and the shell.

An answer holds as long as every folder that was looked into holds the same names, and behind each
name the same file. Logs, notes and indexes lie there; a new one is seen as well as a changed one.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterable, Sequence

from ckptdoctor.settings.files import candidates_now

__all__ = ["TooManyError", "asked_how", "folders_now"]

_MOST_ENTRIES = 20_000
_VOLATILE = frozenset({"OLDPWD", "PWD", "SHLVL", "_"})
"""What a shell changes from command to command; the folder itself is asked for."""


class TooManyError(Exception):
    """More lies in the folders than is worth looking at each time."""


def asked_how(arguments: Sequence[str]) -> bytes:
    """16 bytes that differ wherever a command may be answered in another way.

    The whole environment counts, though little of it matters: nobody can forget a variable.

    Raises:
        OSError: there is no current folder.
    """
    environment = sorted(one for one in os.environ.items() if one[0] not in _VOLATILE)
    user = os.geteuid() if hasattr(os, "geteuid") else 0
    settings = candidates_now()  # the folders above change all the time, these files do not
    shell = os.getcwd(), environment, _screens(), user, sys.flags  # noqa: PTH109
    told = list(arguments), *shell, settings
    return hashlib.blake2b(repr(told).encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _screens() -> list[object]:
    """Which of the three streams are terminals, and of what size."""
    found: list[object] = []
    for descriptor in range(3):
        try:
            found.append(tuple(os.get_terminal_size(descriptor)))
        except (OSError, ValueError):
            found.append(None)
    return found


def folders_now(folders: Iterable[str]) -> tuple[bytes, int]:
    """16 bytes that differ once anything in the folders does, and when it last did so far.

    Args:
        folders: absolute paths; one that is not there counts as such.

    Raises:
        TooManyError: more lies in them than is worth it.
    """
    digest, newest, count = hashlib.blake2b(digest_size=16), 0, 0
    for folder in sorted(folders):
        told: list[object] = [folder]
        try:
            status = os.stat(folder)  # noqa: PTH116
            told.append(_state(status))
            newest = max(newest, status.st_mtime_ns, status.st_ctime_ns)
            if stat.S_ISDIR(status.st_mode):
                with os.scandir(folder) as entries:
                    names = sorted(entry.name for entry in entries)
                count += len(names)
                if count > _MOST_ENTRIES:
                    raise TooManyError
                for name in names:
                    at = _status(f"{folder}/{name}")
                    newest = max(newest, at.st_mtime_ns, at.st_ctime_ns)
                    told.append((name, _state(at)))
        except OSError as error:
            told.append(error.errno)
        digest.update(repr(told).encode("utf-8", "surrogateescape"))
    return digest.digest(), newest


def _status(path: str) -> os.stat_result:
    """Of what a name leads to; of a link that leads nowhere, of the link."""
    try:
        return os.stat(path)  # noqa: PTH116
    except OSError:
        return os.lstat(path)


def _state(status: os.stat_result) -> tuple[int, ...]:
    times = status.st_mtime_ns, status.st_ctime_ns
    return (status.st_mode, status.st_ino, status.st_size, *times)
