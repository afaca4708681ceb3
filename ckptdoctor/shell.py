"""Commands as a shell takes them: whatever is in a name, it is one word, and on one line.

Plain single quotes for what can be seen, which every shell knows; ``$'...'`` of bash and zsh for
control characters, for what shows as nothing or turns the text around, and for bytes that are no
UTF-8: written out they could not be copied, or would make a line of their own. On Windows, as cmd
and PowerShell take them.

Source: the Bash manual, 3.1.2.4 ANSI-C Quoting.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

__all__ = ["argument", "command_line", "for_windows", "quoted", "unescaped"]

_STARTS_COMMAND = "##["  # the older commands of GitHub count anywhere in a line
_PLAIN_ON_WINDOWS = re.compile(r"[\w./\\:=+-]+")
_MEANT_BY_POWERSHELL = re.compile('[$`"]')
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "'": "\\'", "\\": "\\\\"}
_ESCAPE = re.compile(
    rb"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|c(.)|(.))",
    re.DOTALL,
)
_LETTERS = {
    b"a": b"\a", b"b": b"\b", b"e": b"\x1b", b"E": b"\x1b", b"f": b"\f", b"n": b"\n",
    b"r": b"\r", b"t": b"\t", b"v": b"\v", b"\\": b"\\", b"'": b"'", b'"': b'"', b"?": b"?",
}  # fmt: skip


def command_line(*words: str | Path) -> str:
    """The words as one command; a path among them is not taken for an option."""
    return " ".join(quoted(argument(word) if isinstance(word, Path) else word) for word in words)


def argument(path: Path) -> str:
    """A path as a program takes it, not yet quoted: ``./`` before a hyphen."""
    text = str(getattr(path, "far_argument", path))
    return f"./{text}" if text.startswith("-") else text


def quoted(word: str) -> str:
    """The word as a shell reads it back; as it is where it means nothing to a shell."""
    if word.isprintable() and _STARTS_COMMAND not in word:
        if os.name == "nt":
            return for_windows(word)
        plain = shlex.quote(word)
        return f"'{plain}'" if plain.startswith("=") else plain  # zsh: the path of a program
    return f"$'{''.join(map(_escaped, word))}'"


def for_windows(word: str) -> str:
    """The word as both cmd and PowerShell read it back, where there is such a way.

    To cmd single quotes are letters. In double ones PowerShell puts in what a ``$`` or a backtick
    stands before: there it gets its own quotes, and cmd has to go without.
    """
    if _PLAIN_ON_WINDOWS.fullmatch(word):
        return word
    if _MEANT_BY_POWERSHELL.search(word):
        doubled = word.replace("'", "''")
        return f"'{doubled}'"
    return f'"{word}"'


def _escaped(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if char.isprintable() and char not in "!#":
        return char
    return "".join(f"\\x{byte:02x}" for byte in _encoded(char))


def _encoded(char: str) -> bytes:
    """The bytes of a character of a path."""
    try:
        return os.fsencode(char)
    except UnicodeEncodeError:  # half of a pair, which no path holds
        return char.encode("utf-8", "surrogatepass")


def unescaped(text: str) -> str:
    """What stands between the quotes of ``$'...'``."""
    return os.fsdecode(_ESCAPE.sub(_meant, os.fsencode(text)))


def _meant(found: re.Match[bytes]) -> bytes:
    byte, octal, short, long, control, letter = found.groups()
    if byte is not None or octal is not None:
        return bytes([(int(byte, 16) if octal is None else int(octal, 8)) & 0xFF])
    if control is not None:
        return b"\x7f" if control == b"?" else bytes([control[0] & 0x1F])
    if letter is not None:
        return _LETTERS.get(letter, b"\\" + letter)
    code = int(short or long, 16)
    return chr(code).encode("utf-8", "surrogatepass") if code < 0x110000 else found[0]
