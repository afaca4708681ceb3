"""The settings that there are, and what each takes, from TOML and from the environment."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["KEYS", "LEVELS", "Key", "nearest"]

Value = str | int | bool | tuple[str, ...] | tuple[tuple[str, object], ...]
"""Of a setting: plain, a list, or a table as pairs in the order of the file."""

LEVELS = ("info", "warning", "error")
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_MOST_JOBS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A setting.

    Attributes:
        name: in a file.
        option: of the command line that says the same; "" where there is none.
        parameter: what commands call its value; "" for what findings are chosen by.
        takes: what it takes, in words.
        read: its value from TOML; raises ``ValueError``.
        parse: its value from the text of a variable; raises ``ValueError``. None where there is
            no such variable.
        is_path: whether it names files, beside the one that it stands in.
    """

    name: str
    option: str
    parameter: str
    takes: str
    read: Callable[[object], Value]
    parse: Callable[[str], Value] | None
    is_path: bool = False

    @property
    def variable(self) -> str:
        """In the environment; "" where there is none."""
        return "" if self.parse is None else f"CKPTDOCTOR_{self.name.replace('-', '_').upper()}"


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean X?``; "" where nothing is near."""
    close = difflib.get_close_matches(word.lower(), [*known], n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


# -- kinds ---------------------------------------------------------------------------------------


def _one_of(*choices: str) -> tuple[str, Callable[[object], Value], Callable[[str], Value]]:
    words = ", ".join(choices[:-1]) + f" or {choices[-1]}"

    def read(value: object) -> Value:
        if not isinstance(value, str) or value not in choices:
            hint = nearest(value, choices) if isinstance(value, str) else ""
            raise ValueError(f"takes {words}, not {_said(value)}{hint}")
        return value

    return words, read, lambda text: read(text.strip())


def _text(value: object) -> Value:
    if not isinstance(value, str):
        raise ValueError(f"takes a text, not {_said(value)}")  # noqa: TRY004
    return value


def _flag(value: object) -> Value:
    if not isinstance(value, bool):
        raise ValueError(f"takes true or false, not {_said(value)}")  # noqa: TRY004
    return value


def _flag_of(text: str) -> Value:
    word = text.strip().lower()
    if word not in (*_YES, *_NO):
        raise ValueError(f"takes 1 or 0, not {_said(text)}")
    return word in _YES


def _count(most: int) -> tuple[str, Callable[[object], Value], Callable[[str], Value]]:
    words = f"a number from 1 to {most}"

    def read(value: object) -> Value:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise ValueError(f"takes {words}, not {_said(value)}")
        return value

    def parse(text: str) -> Value:
        word = text.strip()
        return read(int(word) if word.isascii() and word.isdecimal() and len(word) < 9 else text)

    return words, read, parse


def _list(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"takes a list of texts, not {_said(value)}")
    return tuple(value)


def _list_of(text: str) -> tuple[str, ...]:
    return tuple(word for one in text.split(",") if (word := one.strip()))


def _levels(value: object) -> Value:
    if not isinstance(value, Mapping):
        raise ValueError(f"takes a table such as CD105 = 'error', not {_said(value)}")  # noqa: TRY004
    for code, level in value.items():
        _level(str(code), level)
    return tuple(value.items())


def _levels_of(text: str) -> Value:
    pairs = [one.partition("=") for one in _list_of(text)]
    return tuple((code.strip(), _level(code, level.strip())) for code, _, level in pairs)


def _level(code: str, level: object) -> object:
    if level not in LEVELS:
        hint = nearest(level, LEVELS) if isinstance(level, str) else ""
        raise ValueError(f"{code} takes info, warning or error, not {_said(level)}{hint}")
    return level


def _globs(value: object) -> Value:
    if not isinstance(value, Mapping):
        raise ValueError(f"takes a table of lists by path, not {_said(value)}")  # noqa: TRY004
    return tuple((str(glob), _list(codes)) for glob, codes in value.items())


def _said(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _paths(text: str) -> Value:
    import os

    return tuple(one for one in text.split(os.pathsep) if one)


# -- the settings --------------------------------------------------------------------------------

_FAIL_ON, _MODE = _one_of(*LEVELS, "never"), _one_of("max", "min")
_FORMAT = _one_of(*"table json jsonl csv markdown sarif junit github html".split())
_JOBS = _count(_MOST_JOBS)


def _key(
    name: str,
    kind: tuple[str, Callable[[object], Value], Callable[[str], Value] | None],
    *,
    parameter: str | None = None,
    is_path: bool = False,
    has_option: bool = True,
) -> Key:
    takes, read, parse = kind
    own = name.replace("-", "_") if parameter is None else parameter
    option = f"--{name}" if has_option else ""
    return Key(
        name=name,
        option=option,
        parameter=own,
        takes=takes,
        read=read,
        parse=parse,
        is_path=is_path,
    )


KEYS: tuple[Key, ...] = (
    _key("select", ("codes", _list, _list_of), parameter=""),
    _key("ignore", ("codes", _list, _list_of), parameter=""),
    _key("severity", ("a severity by code", _levels, _levels_of), parameter=""),
    _key("per-path-ignores", ("codes by path", _globs, None), parameter="", has_option=False),
    _key("baseline", ("a file", _text, _text), parameter="", is_path=True),
    _key("fail-on", _FAIL_ON),
    _key("format", _FORMAT, parameter="fmt"),
    _key("metric", ("a name", _text, _text)),
    _key("mode", _MODE),
    _key("log", ("files", _list, _paths), is_path=True),
    _key("log-pattern", ("a regular expression", _text, _text)),
    _key("jobs", _JOBS),
    _key("quiet", ("true or false", _flag, _flag_of)),
    _key("no-color", ("true or false", _flag, _flag_of)),
    _key("no-cache", ("true or false", _flag, _flag_of)),
)
"""Every setting, in the order in which ``ckptdoctor config`` shows them."""
