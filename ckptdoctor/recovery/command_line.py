"""A shell command, its flags, and the same command with some of them changed.

What is not changed stays as it was written, to the letter: quotes, line breaks, variables, pipes.
Nothing is expanded and nothing is run.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ckptdoctor.errors import UsageError

__all__ = ["CommandLine", "Flag", "parse_command"]

_OPERATORS = ("&&", "||", ";", "|", "&", "(", ")", "\n")
_REDIRECTION = re.compile(r"\d*(?:>>|>&|<<<?|<|>)(?:&\d|-)?")
_TRAINS = re.compile(r"(?:^|/)(?:python[\d.]*|torchrun|accelerate|deepspeed|srun|mpirun|uv)$|\.py$")
_ASSIGNED = re.compile(r"^[+~]{0,2}[A-Za-z_][\w.@/]*=")
_NUMBER = re.compile(r"^-\.?\d")
_PROMPT = re.compile(r"^\s*(?:[!$%]\s*|>>>\s*)")
_SNIPPET = 20


@dataclass(frozen=True, slots=True)
class _Word:
    """A word: where it stands, and what it says without its quotes."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A flag with its value, or a ``key=value`` of Hydra.

    Attributes:
        name: in small letters, with hyphens, without those in front: ``stage2-lr``.
        written: as it was written: ``--stage2_lr``.
        value: without its quotes; None for a switch.
        start, end: of all of it.
        value_start: where the value begins; -1 for a switch.
    """

    name: str
    written: str
    value: str | None
    start: int
    end: int
    value_start: int = -1


@dataclass(slots=True)
class CommandLine:
    """A command that can be changed; ``text()`` is what became of it.

    Attributes:
        source: as the user wrote it.
        flags: of the command that trains, in their order.
        end: behind its last word.
    """

    source: str
    flags: tuple[Flag, ...]
    end: int
    _cuts: list[tuple[int, int, str]] = field(default_factory=list)
    _added: list[str] = field(default_factory=list)

    def find(self, *names: str) -> list[Flag]:
        """The flags with one of these names, in the order of the names."""
        return [flag for name in names for flag in self.flags if flag.name == name]

    def replace(self, flag: Flag, value: str) -> None:
        """Give a flag another value."""
        self._cuts.append((flag.value_start, flag.end, shlex.quote(value)))

    def remove(self, flag: Flag) -> None:
        """Leave a flag out."""
        start = flag.start
        while start > 0 and (
            self.source[start - 1] in " \t" or self.source[start - 2 : start] == "\\\n"
        ):
            start -= 2 if self.source[start - 2 : start] == "\\\n" else 1
        self._cuts.append((start, flag.end, ""))

    def add(self, name: str, value: str) -> None:
        """Put a flag behind the others."""
        self._added.append(f"{name} {shlex.quote(value)}")

    def text(self) -> str:
        """The command with the changes."""
        broken = re.search(r"\\\n([ \t]*)", self.source)
        before = f" \\\n{broken[1]}" if broken else " "
        cuts = [*self._cuts, (self.end, self.end, "".join(before + one for one in self._added))]
        out, at = [], 0
        for start, end, new in sorted(cuts, key=lambda cut: (cut[0], cut[1])):
            out += [self.source[at:start], new]
            at = end
        return "".join((*out, self.source[at:])).strip()

    def copy(self) -> CommandLine:
        """The same, unchanged."""
        return CommandLine(self.source, self.flags, self.end)


def parse_command(text: str) -> CommandLine:
    """The command line, ready to be changed.

    Args:
        text: as in a shell or in a notebook's cell (``!python train.py …``), line breaks included.

    Raises:
        UsageError: it is no command; the message says where.
    """
    source = _PROMPT.sub("", text.replace("\r\n", "\n")).strip()
    commands = [words for words in _commands(source) if words]
    if not commands:
        raise UsageError("--command: there is no command in it")
    trains = [words for words in commands if any(_TRAINS.search(word.text) for word in words)]
    words = max(trains or commands, key=lambda found: sum(w.text[:1] == "-" for w in found))
    return CommandLine(source, tuple(_flags(source, words)), words[-1].end)


def _commands(source: str) -> Iterator[list[_Word]]:
    """The words of each command between operators; redirections are left out."""
    words: list[_Word] = []
    at = 0
    while at < len(source):
        if source[at] in " \t" or source.startswith("\\\n", at):
            at += 2 if source[at] == "\\" else 1
        elif source[at] == "#":
            at = (source.find("\n", at) + 1 or len(source) + 1) - 1
        elif (found := _REDIRECTION.match(source, at)) is not None:
            at = _behind_redirection(source, found.end())
        elif (operator := next((o for o in _OPERATORS if source.startswith(o, at)), "")) != "":
            yield words
            words, at = [], at + len(operator)
        else:
            word = _word(source, at)
            words.append(word)
            at = word.end
    yield words


def _behind_redirection(source: str, at: int) -> int:
    """Behind the file that a redirection names."""
    if source[at - 1].isdigit() or source[at - 1] == "-":
        return at
    while at < len(source) and source[at] in " \t":
        at += 1
    return _word(source, at).end if at < len(source) and source[at] not in "\n;|&" else at


def _word(source: str, start: int) -> _Word:
    """The word that begins here, quotes and all."""
    at, text = start, []
    while at < len(source):
        character = source[at]
        if character in " \t\n;|&()<>" or source.startswith("\\\n", at):
            break
        if character == "'":
            end = _closing(source, at, "'")
            text.append(source[at + 1 : end])
        elif character == '"':
            end = _closing(source, at, '"')
            text.append(re.sub(r'\\([\\"$`\n])', r"\1", source[at + 1 : end]))
        elif character == "`":
            end = _closing(source, at, "`")
            text.append(source[at : end + 1])
        elif source.startswith("$(", at):
            end = _closing_bracket(source, at)
            text.append(source[at : end + 1])
        elif character == "\\":
            end = at + 1
            text.append(source[end : end + 1])
        else:
            end = at
            text.append(character)
        at = end + 1
    return _Word(start, min(at, len(source)), "".join(text))


def _closing(source: str, at: int, quote: str) -> int:
    end = at + 1
    while end < len(source) and source[end] != quote:
        end += 2 if source[end] == "\\" and quote != "'" else 1
    if end >= len(source):
        raise _unbalanced(source, at, f"the quote {quote}")
    return end


def _closing_bracket(source: str, at: int) -> int:
    depth, end = 0, at + 1
    while end < len(source):
        depth += {"(": 1, ")": -1}.get(source[end], 0)
        if depth == 0:
            return end
        end += 1
    raise _unbalanced(source, at, "the bracket $(")


def _unbalanced(source: str, at: int, what: str) -> UsageError:
    line = source.count("\n", 0, at) + 1
    column = at - (source.rfind("\n", 0, at) + 1) + 1
    return UsageError(
        f"--command: {what} at line {line}, column {column} is never closed: "
        f"{source[at : at + _SNIPPET]!r}"
    )


def _flags(source: str, words: Sequence[_Word]) -> Iterator[Flag]:
    skip = -1
    for at, word in enumerate(words):
        if at <= skip:
            continue
        text = word.text
        is_flag = text.startswith("-") and len(text) > 1 and not _NUMBER.match(text)
        if not is_flag and not _ASSIGNED.match(text):
            continue
        written, equals, value = text.partition("=")
        if equals:
            begin = source.find("=", word.start, word.end) + 1
            yield Flag(
                name=_plain(written),
                written=written,
                value=value,
                start=word.start,
                end=word.end,
                value_start=begin,
            )
            continue
        following = words[at + 1] if at + 1 < len(words) else None
        if following is None or (
            following.text.startswith("-") and not _NUMBER.match(following.text)
        ):
            yield Flag(
                name=_plain(written), written=written, value=None, start=word.start, end=word.end
            )
            continue
        skip = at + 1 if written != "-m" else skip
        yield Flag(
            name=_plain(written),
            written=written,
            value=following.text,
            start=word.start,
            end=following.end,
            value_start=following.start,
        )


def _plain(written: str) -> str:
    """``--stage2_lr`` -> ``stage2-lr``; of ``+optim.lr`` the last part."""
    return written.lstrip("-+~").rpartition(".")[2].replace("_", "-").lower()
