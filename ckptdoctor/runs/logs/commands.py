"""Command lines of a training that stand in its log."""

from __future__ import annotations

import re

__all__ = ["command_in", "with_command"]

_MOST = 5
_COMMAND = re.compile(
    r"(?:^|[$>!#+]\s|command(?: line)?: ?|cmd: ?|argv: ?)"
    r"((?:[A-Z_][A-Z0-9_]*=\S+ ){0,20}(?:python[\d.]*|torchrun|accelerate launch|deepspeed) )",
    re.IGNORECASE,
)


def command_in(raw: bytes) -> str:
    """The command line that a line of a log shows; "" where it shows none."""
    if b".py" not in raw and b"torchrun" not in raw and b"python -m" not in raw:
        return ""
    line = raw.decode("utf-8", "replace")
    found = _COMMAND.search(line)
    if found is None or "--" not in line[found.end() :]:
        return ""
    return line[found.start(1) :].strip()


def with_command(commands: list[str], raw: bytes) -> list[str]:
    """The last few commands that a log showed, with that of its next line, if it shows one."""
    command = command_in(raw)
    if not command or command in commands:
        return commands
    return [*commands, command][-_MOST:]
