"""Every exception that ckptdoctor raises on purpose.

    Exception
    └── CkptDoctorError
        ├── CheckpointError            nothing could be read from a checkpoint
        │   ├── UnknownFormatError         CD101  not a checkpoint: says what it is instead
        │   ├── CorruptCheckpointError     CD104  a checkpoint, damaged beyond reading
        │   ├── TruncatedCheckpointError   CD102  a checkpoint, cut before anything useful
        │   ├── UnsupportedCheckpointError CD104  a checkpoint of a kind we do not read
        │   └── LimitExceededError         CD107  asks for more than a file of its size can need
        ├── DestinationError           no file may be written there; an OSError too
        ├── NothingToExamineError      no such path, or no checkpoint in it; a FileNotFoundError too
        ├── ExhaustedError             the system gives no more open files; says nothing of a file
        ├── NonFiniteError             NaN or Inf where none may be; a FloatingPointError too
        ├── RestoreError               refused, and nothing was written: says why and what to do
        ├── SaveError                  what was written could not be verified, and was not kept
        ├── TrainingStalledError       the loop has not given a sign of life; a TimeoutError too
        └── UsageError                 the command line asks for something impossible

``OSError`` is never wrapped: a missing file stays a ``FileNotFoundError``.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

__all__ = [
    "CheckpointError",
    "CkptDoctorError",
    "CorruptCheckpointError",
    "DestinationError",
    "ExhaustedError",
    "LimitExceededError",
    "NonFiniteError",
    "NothingToExamineError",
    "RestoreError",
    "SaveError",
    "TrainingStalledError",
    "TruncatedCheckpointError",
    "UnknownFormatError",
    "UnsupportedCheckpointError",
    "UsageError",
]


class CkptDoctorError(Exception):
    """The base of every error in this module."""


class CheckpointError(CkptDoctorError):
    """Nothing could be read from ``path``.

    Args:
        path: the checkpoint.
        message: what is wrong, without the path.
        offset: the byte of the file at which reading stopped, where that is known.
        remedy: what the user can do about it, a full sentence, or "".

    Attributes:
        runs: functions that whoever loads the file runs all the same, before the load fails: each
            by its dotted name, with its first call as text or "".
    """

    code: ClassVar[str] = "CD104"
    runs: tuple[tuple[str, str], ...] = ()

    def __init__(
        self, path: str | Path, message: str, *, offset: int | None = None, remedy: str = ""
    ) -> None:
        self.path = path if isinstance(path, Path) else Path(path)
        self.message = message
        self.offset = offset
        self.remedy = remedy
        super().__init__(path, message)

    def __str__(self) -> str:
        where = "" if self.offset is None else f" (at byte {self.offset})"
        remedy = f". {self.remedy}" if self.remedy else ""
        return f"{self.path}: {self.message}{where}{remedy}"


class UnknownFormatError(CheckpointError):
    """The file is no checkpoint; the message says what it looks like."""

    code = "CD101"


class CorruptCheckpointError(CheckpointError):
    """The file was a checkpoint, and its structure contradicts itself."""


class TruncatedCheckpointError(CheckpointError):
    """The file ends before anything in it can be used."""

    code = "CD102"


class UnsupportedCheckpointError(CheckpointError):
    """The file is a checkpoint of a kind that no reader here understands."""


class LimitExceededError(CheckpointError):
    """Reading on would cost more time or memory than a file of this size can need."""

    code = "CD107"


class DestinationError(CkptDoctorError, OSError):
    """What is at the place of a file is none: a FIFO, a socket, a device, a folder."""


class ExhaustedError(CkptDoctorError):
    """The system gives no more open files, so that what was asked is not known.

    It is no ``OSError``, so that it is never taken for what is wrong with a file.
    """


class NonFiniteError(CkptDoctorError, FloatingPointError):
    """NaN or Inf in a loss, in gradients, or in what was to be saved; the message names where."""


class NothingToExamineError(CkptDoctorError, FileNotFoundError):
    """The paths name no file, or folders without a checkpoint; the message says which."""


class RestoreError(CkptDoctorError):
    """A file was not written, and nothing was changed; the message says why and what to do.

    Args:
        message: what is wrong.
        more: lines below it: the reasons, the commands.
    """

    def __init__(self, message: str, *more: str) -> None:
        super().__init__(message, *more)
        self.lines = (message, *more)

    def __str__(self) -> str:
        return "\n".join(self.lines)


class SaveError(CkptDoctorError):
    """What was written could not be verified; it was not kept, and the old file stays."""


class TrainingStalledError(CkptDoctorError, TimeoutError):
    """A training loop gave no sign of life for longer than it may; raised by the watchdog."""


class UsageError(CkptDoctorError):
    """The request contradicts itself; the CLI answers with exit code 2."""


class SeveralRunsError(UsageError):
    """The request is about one run, and there are several; the message lists them.

    Args:
        message: what is wrong.
        more: lines below it: the runs, and the command for each.
    """

    def __init__(self, message: str, *more: str) -> None:
        super().__init__(message, *more)
        self.lines = (message, *more)

    def __str__(self) -> str:
        return "\n".join(self.lines)
