"""A command that was given without its quotes, so that its words became paths and options."""

from __future__ import annotations

import os
import re
from typing import Any

from ckptdoctor.cli.commands import Command

__all__ = ["TakesCommand"]

_STARTS = re.compile(r"(?:^|/)(?:python[\d.]*|torchrun|accelerate|deepspeed|srun|mpirun|uv)$")


class TakesCommand(Command):
    """A command of ours with an option ``--command``, whose value has to be in quotes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse words of a command that stand outside of it.

        Raises:
            UsageError: with the line as it should be.
        """
        before, words = _split(args)
        own = {name for parameter in self.params for name in parameter.opts}
        if len(words) > 1 and _goes_on(words, own):
            from ckptdoctor.errors import UsageError
            from ckptdoctor.shell import command_line

            whole = " ".join(words[:1] + [command_line(word) for word in words[1:]])
            line = command_line("ckptdoctor", self.name or "", *before, "--command", whole)
            missing = not words[1].startswith("-") and not os.path.lexists(words[1])
            what = "no such path" if missing else "is part of a command"
            raise UsageError(f"{words[1]}: {what}. Quote the whole command:  {line}")
        return super().parse_args(ctx, args)


def _split(args: list[str]) -> tuple[list[str], list[str]]:
    """What stands before ``--command``, and what from its value on."""
    for at, arg in enumerate(args):
        if arg == "--command":
            return args[:at], args[at + 1 :]
        if arg.startswith("--command="):
            return args[:at], [arg.partition("=")[2], *args[at + 1 :]]
    return args, []


def _goes_on(words: list[str], own: set[str]) -> bool:
    """Whether the second word belongs to the command as well."""
    first, second = words[:2]
    if not first or re.search(r"\s", first) or second.partition("=")[0] in own:
        return False
    if _STARTS.search(first):
        return True
    return not second.startswith("-") and not os.path.lexists(second) and "://" not in second
