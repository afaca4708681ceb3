"""What a command that failed says, and how it exits."""

from __future__ import annotations

import pytest

from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.failures import failed
from ckptdoctor.errors import (
    CorruptCheckpointError,
    DestinationError,
    NothingToExamineError,
    UsageError,
)
from tests.each import each


@each(
    ("error", "code"),
    [
        (DestinationError("out.json: a folder"), Exit.REFUSED),
        (PermissionError(13, "Permission denied", "a.pth"), Exit.NOTHING),
        (NothingToExamineError("no checkpoint in 'a'"), Exit.NOTHING),
        (UsageError("no run has the metric 'x'"), Exit.USAGE),
        (CorruptCheckpointError("a.pth", "nobody caught it"), Exit.BUG),
        (ZeroDivisionError("oh"), Exit.BUG),
    ],
)
def test_a_command_that_failed_says_why_and_exits_by_what_it_was(
    error: Exception, code: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failed(error) == code
    said = capsys.readouterr().err
    assert ("our bug" in said) is isinstance(error, ZeroDivisionError)
    assert all(str(word).lower() in said.lower() for word in error.args[1:] or error.args)
