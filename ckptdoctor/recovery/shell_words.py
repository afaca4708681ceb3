"""The words of a shell command line, as the shell would split it. Nothing is expanded or run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ckptdoctor.errors import UsageError
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.shell import unescaped

__all__ = ["Word", "commands_of"]

_OPERATORS = ("&&", "||", ";", "|", "&", "(", ")", "\n")
_REDIRECTION = re.compile(r"\d*+(?:>>|>&|<<<?|<|>)(?:&\d|-)?")
_OPENS = {"'": "'", '"': '"', "`": "`", "$(": ")", "${": "}", "$'": "'"}
_NAMED = {"'": "quote", '"': "quote", "`": "quote", "$(": "bracket", "${": "brace", "$'": "quote"}
_SNIPPET = 20


@dataclass(frozen=True, slots=True)
class Word:
    """A word: where it stands, and what it says without its quotes.

    ``live`` where the shell puts something else in its place: a variable, what a command prints.
    """

    start: int
    end: int
    text: str
    live: bool


def commands_of(source: str) -> Iterator[tuple[list[Word], str]]:
    """The words of each command, and the operator behind it; redirections are left out."""
    words: list[Word] = []
    at = 0
    while at < len(source):
        if source[at] in " \t" or source.startswith("\\\n", at):
            at += 2 if source[at] == "\\" else 1
        elif source[at] == "#":
            at = (source.find("\n", at) + 1 or len(source) + 1) - 1
        elif (found := _REDIRECTION.match(source, at)) is not None:
            at = _behind_redirection(source, found.end())
        elif (operator := next((o for o in _OPERATORS if source.startswith(o, at)), "")) != "":
            yield words, operator
            words, at = [], at + len(operator)
        else:
            word = _word(source, at)
            words.append(word)
            at = word.end
    yield words, ""


def _behind_redirection(source: str, at: int) -> int:
    """Behind the file that a redirection names."""
    if source[at - 1].isdigit() or source[at - 1] == "-":
        return at
    while at < len(source) and source[at] in " \t":
        at += 1
    return _word(source, at).end if at < len(source) and source[at] not in "\n;|&" else at


def _word(source: str, start: int) -> Word:
    """The word that begins here, quotes and all."""
    at, text, live = start, [], source[start] == "~"
    while at < len(source):
        character = source[at]
        if character in " \t\n;|&()<>" or source.startswith("\\\n", at):
            break
        opening = source[at : at + 2] if source[at : at + 2] in _OPENS else character
        end = _closing(source, at, opening) if opening in _OPENS else at
        if opening == "'":
            text.append(source[at + 1 : end])
        elif opening == "$'":
            text.append(unescaped(source[at + 2 : end]))
        elif opening == '"':
            inside = source[at + 1 : end]
            live = live or re.search(r"(?<!\\)[$`]", inside) is not None
            text.append(re.sub(r'\\([\\"$`\n])', lambda m: m[1].strip("\n"), inside))
        elif opening == "\\":
            end = at + 1
            text.append(source[end : end + 1])
        else:
            live = live or opening in _OPENS or character == "$"
            text.append(source[at : end + 1])
        at = end + 1
    return Word(start, min(at, len(source)), "".join(text), live)


def _closing(source: str, start: int, opening: str) -> int:
    """Where the quote or bracket ends that opens here; what is nested in it is passed over."""
    open_now, at = [_OPENS[opening]], start + len(opening)
    raw = opening == "'"
    while at < len(source):
        inner, two = open_now[-1], source[at : at + 2]
        if source[at] == "\\" and not raw:
            at += 1
        elif source[at] == inner:
            open_now.pop()
            raw = False
            if not open_now:
                return at
        elif not raw and (nested := _nested(inner, two)):
            open_now.append(_OPENS.get(nested, ")"))
            raw = nested == "'"
            at += len(nested) - 1
        at += 1
    raise _unbalanced(source, start, f"the {_NAMED[opening]} {opening}")


def _nested(inner: str, two: str) -> str:
    """What opens here within what is open; "" for nothing."""
    if two in ("$(", "${"):
        return two
    quotes = {'"': "`", "}": '"`', "`": "\"'", ")": "\"'`("}.get(inner, "")
    return two[0] if two[0] in quotes else ""


def _unbalanced(source: str, at: int, what: str) -> UsageError:
    line = source.count("\n", 0, at) + 1
    column = at - (source.rfind("\n", 0, at) + 1) + 1
    return UsageError(
        f"--command: {what} at line {line}, column {column} is never closed: "
        f"{source[at : at + _SNIPPET]!r}"
    )
