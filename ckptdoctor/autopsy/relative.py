"""Paths and commands as they are in the folder of the run: a report is the same anywhere."""

from __future__ import annotations

import os
from pathlib import Path

from ckptdoctor.shell import command_line, quoted

__all__ = ["Relative"]


class Relative:
    """Tells paths from the folder of a run.

    Args:
        folder: of the run, as the user named it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, path: Path) -> str:
        """A path from there."""
        try:
            return str(path.relative_to(self._folder))
        except ValueError:
            return os.path.relpath(path, self._folder)

    def quoted(self, path: Path) -> str:
        """The same as a word of a command."""
        return command_line(Path(self.path(path)))

    @staticmethod
    def word(text: str) -> str:
        """Any word of a command."""
        return quoted(text)

    def command(self, text: str) -> str:
        """A command, or a sentence, with its paths told from there."""
        folder = str(self._folder)
        if folder in ("", "."):
            return text
        for before in dict.fromkeys((quoted(folder), folder)):
            text = text.replace(f"{before}/", "")
            text = _replaced(text, before, ".")
        return text


def _replaced(text: str, word: str, by: str) -> str:
    """The text, its words that are equal to one replaced."""
    words = text.split(" ")
    return " ".join(by if one == word else one for one in words)
