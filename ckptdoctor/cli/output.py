"""Where results and notes go: results to standard output or a file, all else to standard error."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, TextIO

from ckptdoctor.cli.draft import spoil, wrote
from ckptdoctor.destination import opened_for_writing
from ckptdoctor.errors import DestinationError
from ckptdoctor.render.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = [
    "ProgressBar",
    "append_result",
    "has_reader",
    "not_written",
    "note",
    "note_lines",
    "write_result",
]

_PATIENCE_S = 1.0
_BAR_COLUMNS = 20
_ROOM_FOR_ALL = 75


def note(message: str, *, by_the_way: bool = False) -> None:
    """A line on standard error; where that is a terminal, a dim one for what is no news."""
    line = f"ckptdoctor: {printable(message)}"
    if not by_the_way:
        spoil()
    elif _is_terminal(sys.stderr) and "NO_COLOR" not in os.environ:
        line = f"\x1b[2m{line}\x1b[0m"
    try:
        if sys.stderr is not None:
            sys.stderr.write(f"{line}\n")
    except OSError:  # a full disk behind it; a note is no reason to fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def note_lines(message: str) -> None:
    """As :func:`note`, of several lines."""
    for line in message.splitlines():
        note(line)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def write_result(text: str, destination: Path | None) -> None:
    """The result of a command, as UTF-8, whatever the locale says.

    Raises:
        DestinationError: what is there is no file, or it cannot be written.
    """
    data = text.encode("utf-8", "replace")
    wrote(text)
    if destination is not None:
        spoil()
        from ckptdoctor.cli.whole_file import write_whole

        write_whole(destination, data)
        return
    if sys.stdout is None:  # closed by the caller, who wants the exit code alone
        return
    try:
        sys.stdout.flush()
        _write_through(sys.stdout.buffer, data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:  # `| head` has seen enough; the exit code still tells the result
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise not_written("standard output", error) from error


def not_written(where: str, error: OSError, *, partly: bool = True) -> DestinationError:
    """That a result could not be written, and why; perhaps a part of it was."""
    why = (error.strerror or str(error)).lower()
    rest = ", or not all of it" if partly else "; nothing was changed"
    return DestinationError(f"{where}: {why}; the result was not written{rest}")


def append_result(text: str, destination: Path | None) -> None:
    """A line of a result that grows, written through at once.

    Raises:
        OSError: it cannot be written; a ``BrokenPipeError`` where nobody reads any more.
    """
    data = text.encode("utf-8", "replace")
    if destination is None:
        sys.stdout.flush()
        _write_all(sys.stdout.fileno(), data)  # past the buffer, which would keep what fails
        return
    with os.fdopen(opened_for_writing(destination, append=True), "ab", buffering=0) as file:
        before = os.fstat(file.fileno()).st_size
        try:
            _write_all(file.fileno(), data)
        except OSError:
            with contextlib.suppress(OSError):  # half a line is no line
                os.ftruncate(file.fileno(), before)
            raise


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _write_through(stream: BinaryIO, data: bytes) -> None:
    """All of it: under ``PYTHONUNBUFFERED`` the stream is a raw one, whose write may be short."""
    while data:
        written = stream.write(data)
        if written is None:  # a raw one that would block
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        data = data[written:]


def has_reader() -> bool:
    """Whether anybody still reads standard output; False once the ``head`` behind it has ended."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return not any(event & select.POLLERR for _, event in poll.poll(0))
    except (AttributeError, OSError, ValueError):  # no such call here, or no such descriptor
        return True


class ProgressBar:
    """A bar on standard error, where that is a terminal and the work takes more than a second.

    Args:
        files: that will be read, so that the whole is known from the start; each is asked for its
            size once the bar is shown.
        quiet: whether none is wanted.
    """

    def __init__(self, files: Iterable[Path] = (), *, quiet: bool) -> None:
        in_notebook = "JPY_PARENT_PID" in os.environ  # its cells keep every redraw
        self._enabled = _is_terminal(sys.stderr) and not quiet and not in_notebook
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._done = 0
        self._files = files
        self._expected: dict[Path, int] = {}
        self._begun: set[Path] = set()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def expect(self, path: Path, nbytes: int) -> None:
        """A file is begun, which takes so much."""
        with self._lock:
            self._expected[path] = nbytes
            self._begun.add(path)

    def advance(self, nbytes: int) -> None:
        """Some of it is done."""
        with self._lock:
            self._done += nbytes
            if not self._enabled or time.monotonic() - self._started < _PATIENCE_S:
                return
            if self._bar is None:
                self._start()
            if self._bar is not None and self._task is not None:
                self._bar.update(
                    self._task,
                    completed=self._done,
                    total=max(self._done, sum(self._expected.values())),
                    description=self._where(),
                )

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            ProgressColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        for path in self._files:
            with contextlib.suppress(OSError):
                self._expected.setdefault(path, path.stat().st_size)
        console = Console(stderr=True)
        columns: list[ProgressColumn] = [
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=_BAR_COLUMNS),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
        ]
        if console.width < _ROOM_FOR_ALL:  # in two lines it would not be taken away whole
            columns = [columns[0], BarColumn(bar_width=None), columns[-1]]
        self._bar = Progress(*columns, console=console, transient=True)
        self._bar.start()
        self._task = self._bar.add_task(self._where(), total=sum(self._expected.values()))

    def _where(self) -> str:
        """``scanning 3 of 12``: the file that was begun last, and how many there are."""
        many = len(self._expected)
        return f"scanning {len(self._begun)} of {many}" if many > 1 else "scanning"
