"""What a command that failed says, in one style, and how it exits."""

from __future__ import annotations

import re
import sys
import traceback
from typing import Any

from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.output import note
from ckptdoctor.errors import (
    CkptDoctorError,
    DestinationError,
    ExhaustedError,
    NothingToExamineError,
    UsageError,
)

__all__ = ["failed", "plain"]

_WORDS = (
    (re.compile(r"^Invalid value for (?P<what>[^:]+): "), r"\g<what>: "),
    (re.compile(r"'(?P<option>-[^']*)'( / '-.')?"), r"\g<option>"),
    (re.compile("Value error, "), ""),
    (re.compile(r"Input should be a valid (?P<kind>\w+)[^.]*"), r"takes a \g<kind>"),
    (re.compile("takes a integer"), "takes an integer"),
    (re.compile("Input should be greater than or equal to "), "takes at least "),
    (re.compile("Input should be less than or equal to "), "takes at most "),
)
"""What the parser says, and how we do."""


_NO_THREAD = "can't start new thread"
"""What Python says, and `RuntimeError` alone does not tell."""


def failed(error: Exception) -> int:
    """The exit code of a command that ended with an error, which is told.

    Args:
        error: anything.
    """
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        _of_parser(error)
        return Exit.USAGE
    if isinstance(error, NothingToExamineError | ExhaustedError):
        note(str(error))
        return Exit.NOTHING
    if isinstance(error, BlockingIOError) or _NO_THREAD in str(error):
        note("not examined: the system starts no more threads or processes for you (ulimit -u).")
        note("that is no fault of the files; allow more, or end others, and ask again")
        return Exit.NOTHING
    if isinstance(error, OSError):
        note(plain(error))
        return Exit.REFUSED if isinstance(error, DestinationError) else Exit.NOTHING
    if isinstance(error, CkptDoctorError):
        for line in getattr(error, "lines", (str(error),)):  # a list, a line each
            note(line)
        return Exit.USAGE if isinstance(error, UsageError) else Exit.BUG
    traceback.print_exception(error)
    sys.stderr.write("ckptdoctor: this is our bug, not your checkpoint's; please report it\n")
    return Exit.BUG


def plain(error: OSError) -> str:
    """What an error of the system means, in plain words: ``out/x.json: permission denied``."""
    if error.errno is None or error.strerror is None:
        return str(error)
    said = error.strerror[:1].lower() + error.strerror[1:]
    return said if error.filename is None else f"{error.filename}: {said}"


def _of_parser(error: Any) -> None:
    if type(error).__name__.startswith("NoArgsIsHelp"):
        error.show()
        return
    said = str(error.format_message()).strip().rstrip(".")
    for pattern, words in _WORDS:
        said = pattern.sub(words, said)
    said, _, options = said.partition(" (Possible options: ")
    if options:
        said += f"; did you mean {options.removesuffix(')')}?"
    choices = said.partition(" is not one of ")[2]
    said = said.replace(choices, choices.replace("'", "")) if choices else said
    note(said[:1].lower() + said[1:])
    context = getattr(error, "ctx", None)
    if context is not None:
        note(f"its options:  {context.command_path} --help")
