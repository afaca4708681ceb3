"""Commands in a Python that has as little of the system as Python has on Windows.

As a script: commands as JSON in, what each answered as JSON out. Given ``bare``, it first removes
what Python's documentation marks as Unix alone, and makes of files what Windows does: one that is
open is neither renamed nor removed, no rename replaces, a folder is not opened.

What it cannot show: paths with drives and backslashes, text files, and Windows itself.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

GONE = {
    "os": (
        "pread preadv pwrite pwritev readv writev posix_fadvise posix_fallocate sendfile "
        "copy_file_range splice fork forkpty killpg setsid setpgid getpgid getpgrp getsid "
        "tcgetpgrp getuid geteuid getgid getegid getgroups getresuid chown fchown lchown fchmod "
        "fchdir chroot "
        "statvfs fstatvfs sysconf pathconf fpathconf confstr sched_getaffinity sched_setaffinity "
        "sched_yield nice getpriority getloadavg ttyname ctermid openpty mkfifo mknod sync "
        "fdatasync lockf memfd_create eventfd pidfd_open getxattr setxattr listxattr O_NONBLOCK "
        "O_NOFOLLOW O_DIRECTORY O_CLOEXEC O_NOCTTY O_SYNC O_DSYNC O_PATH O_TMPFILE"
    ),
    "signal": "SIGKILL SIGHUP SIGALRM SIGPIPE SIGWINCH SIGUSR1 SIGUSR2 SIGQUIT SIGTSTP SIGCONT "
    "pthread_kill pthread_sigmask setitimer alarm sigwait",
    "select": "poll epoll",
}
MODULES = "fcntl grp pwd resource termios tty pty syslog readline crypt curses".split()


def remove_what_is_of_unix() -> None:
    """The names, for all that is imported from now on."""
    import ctypes
    import select
    import shutil
    import signal
    import subprocess  # noqa: F401  (it and the next bind what they need of Unix)
    import tempfile  # noqa: F401

    for module in (os, signal, select):
        for name in GONE[module.__name__].split():
            if hasattr(module, name):
                delattr(module, name)
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    shutil._use_fd_functions = False  # type: ignore[attr-defined]
    _refuse_what_windows_refuses()
    loaded = ctypes.CDLL

    def by_name(name: str | None, *args: Any, **options: Any) -> ctypes.CDLL:
        if name is None and sys._getframe(1).f_globals["__name__"] != "ckptdoctor.scanning.preload":
            raise TypeError("Windows has no library without a name")
        return loaded(name, *args, **options)

    ctypes.CDLL = by_name  # type: ignore[assignment,misc]


def _refuse_what_windows_refuses() -> None:
    of_system = {
        name: getattr(os, name) for name in "open unlink remove rename replace rmdir".split()
    }
    os.O_BINARY = 1 << 29  # type: ignore[attr-defined]

    def opened(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "a folder", path)
        return int(of_system["open"](path, flags & ~(1 << 29), mode, **options))

    def unlink(path: Any) -> None:
        _refuse_open(path)
        of_system["unlink"](path)

    def rmdir(path: Any) -> None:
        _refuse_open(path)
        of_system["rmdir"](path)

    def rename(old: Any, new: Any) -> None:
        if os.path.lexists(new):
            raise FileExistsError(errno.EEXIST, "it is there", new)
        _refuse_open(old)
        of_system["rename"](old, new)

    def replace(old: Any, new: Any) -> None:
        for path in (old, new):
            _refuse_open(path)
        of_system["replace"](old, new)

    ours = {"open": opened, "unlink": unlink, "remove": unlink, "rmdir": rmdir}
    for name, function in (ours | {"rename": rename, "replace": replace}).items():
        setattr(os, name, function)


def _refuse_open(path: Any) -> None:
    """Refuse a file that is open in this process, and a folder in which one is."""
    place = os.path.realpath(path)
    for fd in os.listdir("/proc/self/fd"):
        try:
            held = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        if held == place or held.startswith(f"{place}/"):
            raise PermissionError(errno.EACCES, "it is open", path)


def _answer(arguments: list[str]) -> tuple[int, str, str]:
    from ckptdoctor.__main__ import run

    was = sys.stdout, sys.stderr
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    sys.stdout, sys.stderr = out, err
    try:
        code = run(arguments)
    finally:
        sys.stdout, sys.stderr = was
    return code, _text(out), _text(err)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


if __name__ == "__main__":
    sys.path[0] = ""
    if "bare" in sys.argv:
        remove_what_is_of_unix()
        assert not hasattr(os, "preadv")
    answers = [_answer(arguments) for arguments in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(answers))
    sys.stdout.flush()
    os._exit(0)
