"""A result that grows while the work goes on: whole lines, each there once it is known."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from ckptdoctor.cli.draft import spoil, wrote
from ckptdoctor.cli.output import not_written
from ckptdoctor.destination import opened_for_writing
from ckptdoctor.errors import DestinationError

__all__ = ["GrowingResult", "NobodyReadsError"]

_LAST_LINE_S = 2.0
"""So long a reader may take for the rest of a line, once somebody pressed Ctrl-C."""


class NobodyReadsError(Exception):
    """Whoever read the result has seen enough, as ``head`` has."""


class GrowingResult:
    """Standard output, or a file that is replaced by the first lines.

    Args:
        destination: the file; None for standard output.
    """

    def __init__(self, destination: Path | None) -> None:
        self._destination = destination
        self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._fd >= 0 and self._destination is not None:
            os.close(self._fd)

    def write(self, lines: str) -> None:
        """Write lines through, all of them or none of the last.

        Raises:
            DestinationError: they cannot be written.
            NobodyReadsError: standard output has no reader any more.
        """
        data = lines.encode("utf-8", "replace")
        wrote(lines)
        if self._destination is not None:
            spoil()
            self._to_file(self._destination, data)
        elif sys.stdout is not None:  # closed by the caller, who wants the exit code alone
            self._to_stdout(data)

    def _to_file(self, destination: Path, data: bytes) -> None:
        try:
            if self._fd < 0:
                self._fd = opened_for_writing(destination)
            before = os.lseek(self._fd, 0, os.SEEK_CUR)
            try:
                _written(self._fd, data)
            except OSError:
                with contextlib.suppress(OSError):  # half a line is no line
                    os.ftruncate(self._fd, before)
                raise
        except DestinationError:
            raise
        except OSError as error:
            raise not_written(str(destination), error) from error

    def _to_stdout(self, data: bytes) -> None:
        try:
            sys.stdout.flush()
            fd = sys.stdout.fileno()
        except io.UnsupportedOperation:  # of a program that holds it in memory
            sys.stdout.buffer.write(data)
            return
        except OSError as error:
            raise _of_stdout(error) from None
        try:
            _written(fd, data)
        except OSError as error:
            raise _of_stdout(error) from None


def _of_stdout(error: OSError) -> Exception:
    """What became of standard output, to which nothing more is written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return NobodyReadsError()
    return not_written("standard output", error)


def _written(fd: int, data: bytes) -> None:
    """Write all of it, even if Ctrl-C comes meanwhile: what is read are whole lines.

    Another thread writes, which no signal interrupts.

    Raises:
        OSError: it cannot be written.
    """
    failed: list[OSError] = []

    def write() -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(fd, left) :]
        except OSError as error:
            failed.append(error)

    writer = threading.Thread(target=write, name="ckptdoctor-result", daemon=True)
    writer.start()
    try:
        writer.join()
    except KeyboardInterrupt:
        writer.join(_LAST_LINE_S)
        raise
    if failed:
        raise failed[0]
