"""Command lines of a training that stand in its log."""

from __future__ import annotations

import re

from ckptdoctor.runs.logs.marks import find_mark
from ckptdoctor.runs.logs.stamps import without_stamp

__all__ = ["Commands", "command_in"]

_MOST = 5
_MOST_LINES = 100
"""Of one command."""
_COMMAND = re.compile(
    r"(?:^|[$>!#+]\s|command(?: line)?: ?|cmd: ?|argv: ?)"
    r"((?:[A-Z_][A-Z0-9_]*=\S+ ){0,20}(?:python[\d.]*|torchrun|accelerate launch|deepspeed) )",
    re.IGNORECASE,
)
_BREAK = b"\\"
_PROMPT = b"> "
"""What bash shows in front of a line that goes on with the one above."""


def command_in(raw: bytes) -> str:
    """The command line that a line of a log shows; "" where it shows none."""
    if b".py" not in raw and b"torchrun" not in raw and b"python -m" not in raw:
        return ""
    line = raw.decode("utf-8", "replace")
    found = _COMMAND.search(line)
    if found is None or "--" not in line[found.end() :]:
        return ""
    return line[found.start(1) :].strip()


class Commands:
    """Takes the lines of a log that may show a command.

    Attributes:
        is_open: whether the last one is broken, so that the next line may go on with it.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._shown: list[str] = []
        self._broken = b""
        self._lines = 0

    @property
    def shown(self) -> list[str]:
        """The last few that were seen, in their order; one that broke off ends in a backslash."""
        return self._with(command_in(self._broken + _BREAK)) if self.is_open else self._shown

    def take(self, raw: bytes) -> None:
        """The next line that is no value of the training."""
        if raw[-1:] == _BREAK and _COMMAND.search(raw.decode("utf-8", "replace")) is not None:
            self._broken, self._lines, self.is_open = raw[:-1], 1, True
        else:
            self._shown = self._with(command_in(raw))

    def goes_on(self, raw: bytes) -> bool:
        """Whether a line goes on with the command above it, as a shell reads it.

        A line that names a moment of the training does not: the command broke off.
        """
        text = _behind_stamp(raw).removeprefix(_PROMPT).rstrip()
        is_last = text[-1:] != _BREAK
        if is_last and text.lstrip()[:1] != b"-" and find_mark(raw, in_words=False) is not None:
            self._shown, self.is_open = self.shown, False
            return False
        self._broken = _joined(self._broken, text if is_last else text[:-1])
        self._lines += 1
        if is_last or self._lines >= _MOST_LINES:
            self._shown, self.is_open = self._with(command_in(self._broken)), False
        return True

    def _with(self, command: str) -> list[str]:
        if not command or command in self._shown:
            return self._shown
        return [*self._shown, command][-_MOST:]


def _behind_stamp(raw: bytes) -> bytes:
    """A line without what a logger prints in front; the dashes of an option are none of that."""
    at = len(raw) - len(without_stamp(raw))
    while at and raw[at - 1 : at] == b"-":
        at -= 1
    return raw[at:]


def _joined(above: bytes, below: bytes) -> bytes:
    """Two lines as a shell joins them; of the blanks between them one is left."""
    before, behind = above.rstrip(), below.lstrip()
    return before + (b" " if before != above or behind != below else b"") + behind
