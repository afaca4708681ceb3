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

    def words(self, *words: str | Path) -> str:
        """A command whose paths are told from there."""
        told = [Path(self.path(one)) if isinstance(one, Path) else one for one in words]
        return command_line(*told)

    @staticmethod
    def word(text: str) -> str:
        """Any word of a command."""
        return quoted(text)

    def command(self, text: str) -> str:
        """A command, or a sentence, with its paths told from there."""
        folder = str(self._folder)
        if folder in ("", "."):
            return text
        plain = quoted(folder)
        if plain != folder:  # a path below it stands in quotes as a whole
            opened = plain.removesuffix("'")
            text = _unquoted(text, f"{opened}/")
        text = text.replace(f"{folder}/", "")
        return " ".join(_replaced(text, plain))


def _replaced(text: str, word: str) -> list[str]:
    """The words of a text; in place of the folder itself a dot."""
    if " " not in word:
        return ["." if one == word else one for one in text.split(" ")]
    return [text.replace(word, ".")]


def _unquoted(text: str, before: str) -> str:
    """The text, of each quoted path what follows the folder, in quotes where it needs them."""
    done = ""
    while before in text:
        start, _, rest = text.partition(before)
        name, _, text = rest.partition("'")
        done += start + quoted(name)
    return done + text
