"""The words of a command line: a command, or what somebody meant by another word; its paths."""

from __future__ import annotations

import difflib
import os
import re
from itertools import pairwise
from typing import Any

from typer.core import TyperCommand, TyperGroup

from ckptdoctor.cli.help_text import write_commands, write_epilog
from ckptdoctor.errors import UsageError

__all__ = ["Command", "Commands"]

_MEANT = {
    "scan": "check verify validate examine test doctor diagnose find lint",
    "inspect": "show info view open cat print keys tensors summary stat",
    "diff": "compare cmp delta",
    "rank": "best list ls sort backups order",
    "history": "log logs metrics plot curve metric",
    "restore": "fix clean recover rescue heal salvage save copy average",
    "repair": "bitflip flip unflip crc checksum parity",
    "plan": "resume restart continue retrain lr train",
    "watch": "monitor tail follow guard",
    "explain": "why code codes rule rules what",
    "gpu": "cuda nvidia vram memory",
    "autopsy": "postmortem report guide cause",
    "config": "settings configure configuration options",
    "cache": "clear purge forget remembered",
    "demo": "example tutorial try",
}
"""A command -> other words for what it does."""

_OPTIONS = {
    "version": "--version",
    "completion": "--show-completion",
    "completions": "--show-completion",
}
"""Words that are commands elsewhere -> the option."""


_TYPE = re.compile(r" <(?:list\[\w+\]|[Pp]ath|str|text)>")
_BRACES = re.compile(r"\{([A-Z]+)\}")


class Commands(TyperGroup):
    """The commands; ``help COMMAND`` is ``COMMAND --help``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take ``help`` and ``help COMMAND`` for what they mean."""
        if args[:1] == ["help"]:
            args = [*args[1:2], "--help"]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the commands by what they are for."""
        write_commands(self.commands, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write examples and exit codes."""
        write_epilog("", formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names.

        Raises:
            UsageError: none; the message says what was probably meant.
        """
        word = args[0]
        if self.get_command(ctx, word) is None and not word.startswith("-"):
            raise UsageError(self._meant(word, args))
        return super().resolve_command(ctx, args)

    def _meant(self, word: str, args: list[str]) -> str:
        from ckptdoctor.shell import command_line, quoted

        if os.path.lexists(word):
            kind = "folder" if os.path.isdir(word) else "file"  # noqa: PTH112
            line = command_line("ckptdoctor", "scan", *args)
            return f"{word} is a {kind}, and no command; to examine it:  {line}"
        said = f"there is no command {quoted(word)}"
        lower = word.lower()
        if lower in _OPTIONS:
            return f"{said}; did you mean:  ckptdoctor {_OPTIONS[lower]}"
        meant = {word: name for name, words in _MEANT.items() for word in words.split()}
        known = meant | {name: name for name in self.commands}
        near = [known[lower]] if lower in known else difflib.get_close_matches(lower, known)
        close = [name for name in (known.get(one, one) for one in near) if name in self.commands]
        if not close:
            return f"{said}; all of them:  ckptdoctor --help"
        line = command_line("ckptdoctor", close[0], *args[1:])
        return f"{said}; did you mean:  {line}"


class Command(TyperCommand):
    """A command whose help ends with examples."""

    def get_help(self, ctx: Any) -> str:
        """The help, without the types of Python."""
        text = _TYPE.sub(lambda found: " " * len(found[0]), super().get_help(ctx))
        return _BRACES.sub(r"\1", text)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse an empty path, which would be taken for the current folder.

        Raises:
            UsageError: one is, as a variable of the shell is that nobody set.
        """
        if any(not arg and not before.startswith("-") for before, arg in pairwise(["", *args])):
            raise UsageError(
                "a path is empty: a variable that is not set? name it, or leave it out"
            )
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples."""
        write_epilog(self.name or "", formatter)
        super().format_epilog(ctx, formatter)
