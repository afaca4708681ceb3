"""The first word: a command, or what somebody meant by another word."""

from __future__ import annotations

import difflib
import os
from typing import Any

from typer.core import TyperGroup

from ckptdoctor.cli.help_text import write_commands, write_epilog

__all__ = ["Commands"]

_MEANT = {
    "scan": "check verify validate examine test doctor diagnose find lint",
    "inspect": "show info view open cat print keys tensors summary stat",
    "diff": "compare cmp delta",
    "rank": "best list ls sort backups order",
    "history": "log logs metrics plot curve metric",
    "restore": "fix clean recover rescue heal salvage save copy average",
    "plan": "resume restart continue retrain lr train",
    "watch": "monitor tail follow guard",
    "explain": "why code codes rule rules what",
    "gpu": "cuda nvidia vram memory",
    "demo": "example tutorial try",
}
"""A command -> other words for what it does."""


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
            from ckptdoctor.errors import UsageError

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
        name = next((name for name, words in _MEANT.items() if lower in words.split()), "")
        close = [name] if name in self.commands else difflib.get_close_matches(lower, self.commands)
        if not close:
            return f"{said}; all of them:  ckptdoctor --help"
        line = command_line("ckptdoctor", close[0], *args[1:])
        return f"{said}; did you mean:  {line}"
