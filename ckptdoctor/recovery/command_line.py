"""A shell command, its flags, and the same command with some of them changed.

What is not changed stays as it was written, to the letter: quotes, line breaks, variables, pipes.
Nothing is expanded and nothing is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import field, replace

from ckptdoctor.errors import UsageError
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.shell_words import Word, commands_of
from ckptdoctor.shell import quoted

__all__ = ["CommandLine", "Flag", "parse_command", "without_others"]

_TRAINS = re.compile(r"(?:^|/)(?:python[\d.]*|torchrun|accelerate|deepspeed|srun|mpirun|uv)$|\.py$")
_ASSIGNED = re.compile(r"^[+~]{0,2}[A-Za-z_][\w.@/]*=")
_NUMBER = re.compile(r"^-\.?\d")
_PROMPT = re.compile(r"^\s*(?:\$\s+|>>>\s*)")
_CELL = re.compile(r"^[ \t]*(?:%run(?=\s)|[!%]+[ \t]*)", re.MULTILINE)
_UNFINISHED = re.compile(r"(?<!\\)\\\s*$")
_OVERRIDES = frozenset(
    {"cfg-options", "cfg-option", "options", "opts", "set", "override", "overrides"}
)
_OF_TRAINING = re.compile(
    r"train|fine.?tune|(?:^|[-_])lr|learning|epochs?|resum|batch|checkpoint|ckpt|deepspeed|torchrun",
    re.IGNORECASE,
)
_INSTALLS = ("pip", "venv", "conda", "apt-get")
_MOVES = ("cd", "pushd")
_UNTOLD = ([], *([word] for word in (*_MOVES, "tee")))
"""How a command begins that is run beside the training, and that nobody needs to hear of."""
_PLAIN_HYDRA = re.compile(r"(?!~)[\w/.+:%@?|~-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A flag with its value, or a ``key=value`` of Hydra.

    Attributes:
        name: in small letters, with hyphens, without those in front: ``stage2-lr``; "" for an
            argument that stands alone.
        written: as it was written: ``--stage2_lr``.
        value: without its quotes; None for a switch.
        start, end: of all of it.
        value_start: where the value begins; -1 for a switch.
        live: whether the shell puts something else in place of the value, as of ``$OUT/run``.
    """

    name: str
    written: str
    value: str | None
    start: int
    end: int
    value_start: int = -1
    live: bool = False

    @property
    def assigned(self) -> bool:
        """Whether it is a ``key=value`` without hyphens, as Hydra takes them."""
        return self.value is not None and self.name != "" and not self.written.startswith("-")


@dataclass(slots=True)
class CommandLine:
    """A command that can be changed; ``text()`` is what became of it.

    Attributes:
        source: as the user wrote it.
        flags: of the command that trains, in their order.
        alone: its arguments that belong to no flag, as flags without a name.
        programs: the names of what is started: launchers, the script.
        others: what the shell runs besides: commands, and what stands in ``$( )``.
        end: behind its last word.
        moves: whether it may change the working folder, so that relative paths do not hold.
        several: whether commands follow one another in it, whatever becomes of the first.
    """

    source: str
    flags: tuple[Flag, ...]
    end: int
    moves: bool = False
    several: bool = False
    alone: tuple[Flag, ...] = ()
    programs: frozenset[str] = frozenset()
    others: tuple[str, ...] = ()
    _cuts: list[tuple[int, int, str]] = field(default_factory=list)
    _added: list[str] = field(default_factory=list)

    def find(self, *names: str) -> list[Flag]:
        """The flags with one of these names, in the order of the names."""
        return [flag for name in names for flag in self.flags if flag.name == name]

    def spelled(self, name: str) -> str:
        """A flag as most others of the command are spelled: with hyphens or with underscores.

        Args:
            name: with or without hyphens in front.
        """
        written = [flag.written.lstrip("-") for flag in self.flags]
        underscores = sum("_" in one for one in written) > sum("-" in one for one in written)
        plain = name.lstrip("-")
        return f"--{plain.replace('-', '_') if underscores else plain.replace('_', '-')}"

    def replace(self, flag: Flag, value: str) -> None:
        """Give a flag another value."""
        word = quoted(_hydra(value) if flag.assigned else value)
        before = self.source[flag.start : flag.value_start]
        if before.endswith("=") and before != f"{flag.written}=":  # '--flag=value', all in quotes
            word = quoted(f"{flag.written}={_hydra(value) if flag.assigned else value}")
            self._cuts.append((flag.start, flag.end, word))
        else:
            self._cuts.append((flag.value_start, flag.end, word))

    def extend(self, flag: Flag, suffix: str) -> None:
        """Put something behind a value that the shell has yet to fill in."""
        self._cuts.append((flag.end, flag.end, f"'{suffix}'"))

    def remove(self, flag: Flag) -> None:
        """Leave a flag out."""
        start = flag.start
        while start > 0 and (
            self.source[start - 1] in " \t" or self.source[start - 2 : start] == "\\\n"
        ):
            start -= 2 if self.source[start - 2 : start] == "\\\n" else 1
        self._cuts.append((start, flag.end, ""))

    def add(self, name: str, value: str) -> str:
        """Put a flag behind the others, in the way of the others; returns how it is written.

        Args:
            name: with hyphens in front: ``--warmup-epochs``.
            value: without quotes.
        """
        if self.flags and all(flag.assigned for flag in self.flags):
            written = name.lstrip("-").replace("-", "_")
            self._added.append(f"{written}={quoted(_hydra(value))}")
            return written
        self._added.append(f"{name} {quoted(value)}")
        return name

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
        return replace(self, _cuts=[], _added=[])


def _hydra(value: str) -> str:
    """The value in the quotes that Hydra wants around an equals sign or a space.

    Backslashes count for themselves, but before a quote: the closing one, too. A ``${`` within
    quotes is still filled in.

    Source: the tests of Hydra's grammar (1.3), and OmegaConf (2.3).
    """
    if _PLAIN_HYDRA.fullmatch(value):
        return value
    inside = re.sub(r"(?<!\\)(\\*+)'", r"\1\1\'", value.replace("${", "\\${"))
    return f"'{inside}{inside[len(inside.rstrip(chr(92))) :]}'"


def parse_command(text: str) -> CommandLine:
    """The command line, ready to be changed.

    Args:
        text: as in a shell or in a notebook's cell (``!python train.py …``), line breaks included.

    Raises:
        UsageError: it is no command; the message says where.
    """
    source = _without_prompt(text.replace("\r\n", "\n"))
    commands, separate = [], []
    for words, operator in commands_of(source):
        if words:
            commands.append(words)
            separate.append(operator in (";", "\n", "&", "||"))
    if not commands:
        raise UsageError("--command: there is no command in it")
    words = _that_trains(commands)
    behind = _behind_script(words)
    flags = tuple(_flags(source, behind))
    others = [source[one[0].start : one[-1].end] for one in commands if one is not words]
    run = [word.text for word in words if word.live and ("$(" in word.text or "`" in word.text)]
    return CommandLine(
        source,
        flags,
        words[-1].end,
        moves=any(each[0].text in _MOVES for each in commands)
        or any(flag.assigned for flag in flags),
        several=any(separate[:-1]),
        alone=tuple(_alone(behind, flags)),
        others=(*(one for one in others if one.split()[:1] not in _UNTOLD), *run),
        programs=frozenset(word.text.rpartition("/")[2] for word in words if word not in behind),
    )


def without_others(text: str) -> str:
    """The command that trains, alone: what moves to its folder, but nothing else that is run.

    Args:
        text: a command line that can be parsed.
    """
    source = _without_prompt(text.replace("\r\n", "\n"))
    commands = [words for words, _ in commands_of(source) if words]
    trains = _that_trains(commands)
    before = [
        one
        for one in commands[: commands.index(trains)]
        if one[0].text in _MOVES and not any(word.live for word in one)
    ]
    return " && ".join(source[one[0].start : one[-1].end] for one in (*before, trains))


def _that_trains(commands: Sequence[list[Word]]) -> list[Word]:
    """The command that starts the training: that which speaks of it most, then the most flags."""
    trains = [
        words
        for words in commands
        if any(_TRAINS.search(word.text) for word in words)
        and not any(word.text in _INSTALLS for word in words)
    ]
    return max(trains or commands, key=_says_training)


def _says_training(words: Sequence[Word]) -> tuple[int, int]:
    said = sum(_OF_TRAINING.search(word.text) is not None for word in words)
    return said, sum(word.text[:1] == "-" for word in words)


def _without_prompt(text: str) -> str:
    """The command without the marks of a terminal or of a notebook, and of an end cut off.

    Spaces take their places, so that lines and columns stay what they are.
    """
    if text.lstrip()[:1] in ("!", "%"):
        text = _CELL.sub(lambda mark: "python" if "run" in mark[0] else _blank(mark), text)
    return _UNFINISHED.sub("", _PROMPT.sub(_blank, text))


def _blank(mark: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", mark[0])


def _behind_script(words: list[Word]) -> list[Word]:
    """The words that the training script gets, not those of its launcher."""
    for at, word in enumerate(words):
        if word.text.endswith(".py"):
            return words[at + 1 :]
    for at, word in enumerate(words[:-1]):
        if word.text in ("-m", "--module"):
            return words[at + 2 :]
    own = next((at for at, word in enumerate(words) if not _is_setting(word.text)), 0)
    return words[own + 1 :] or words


def _is_setting(text: str) -> bool:
    """Whether it sets a variable for the program behind it, or is a flag."""
    return _ASSIGNED.match(text) is not None or text.startswith("-")


def _flags(source: str, words: Sequence[Word]) -> Iterator[Flag]:
    skip = -1
    for at, word in enumerate(words):
        if at <= skip or not (_is_flag(word.text) or _ASSIGNED.match(word.text)):
            continue
        written, equals, value = word.text.partition("=")
        name, following = _plain(written), words[at + 1] if at + 1 < len(words) else None
        if equals:
            begin = source.find("=", word.start, word.end) + 1
        elif following is None or _is_flag(following.text) or _is_override(name, following.text):
            yield Flag(name=name, written=written, value=None, start=word.start, end=word.end)
            continue
        else:
            skip, begin, value = at + 1, following.start, following.text
        last = words[max(at, skip)]
        yield Flag(
            name=name,
            written=written,
            value=value,
            start=word.start,
            end=last.end,
            value_start=begin,
            live=last.live,
        )


def _alone(words: Sequence[Word], flags: Sequence[Flag]) -> Iterator[Flag]:
    """The words that are no part of a flag."""
    taken = [(flag.start, flag.end) for flag in flags]
    for word in words:
        if not any(start <= word.start < end for start, end in taken):
            yield Flag(
                name="",
                written=word.text,
                value=word.text,
                start=word.start,
                end=word.end,
                value_start=word.start,
                live=word.live,
            )


def _is_flag(text: str) -> bool:
    return text.startswith("-") and len(text) > 1 and not _NUMBER.match(text)


def _is_override(name: str, following: str) -> bool:
    """Whether ``optim.lr=0.1`` follows, as behind ``--cfg-options``."""
    return name in _OVERRIDES and _ASSIGNED.match(following) is not None


def _plain(written: str) -> str:
    """``--stage2_lr`` -> ``stage2-lr``; of ``+optim.lr`` the last part."""
    return written.lstrip("-+~").rpartition(".")[2].replace("_", "-").lower()
