"""The settings as they count: which value, and from where."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import Enum
from pathlib import Path

from ckptdoctor.errors import UsageError
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.settings.files import NAMES, Found, find_file, read_bytes, table_of
from ckptdoctor.settings.keys import KEYS, Key, Value, nearest

__all__ = ["FILE_VARIABLE", "NO_FILE_VARIABLE", "Origin", "Setting", "Settings", "settle"]

FILE_VARIABLE = "CKPTDOCTOR_CONFIG"
NO_FILE_VARIABLE = "CKPTDOCTOR_NO_CONFIG"
_OTHERS = frozenset(
    {
        "CKPTDOCTOR_BACKEND",
        "CKPTDOCTOR_CACHE_DIR",
        "CKPTDOCTOR_DIR",
        FILE_VARIABLE,
        NO_FILE_VARIABLE,
    }
)
"""Variables that no file sets."""
_OFF = frozenset({"", "0", "false", "no", "off"})


class Origin(Enum):
    """Where a value comes from, strongest first."""

    COMMAND_LINE = "command line"
    ENVIRONMENT = "environment"
    NAMED_FILE = "named file"
    FOUND_FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value.

    Attributes:
        value: as its key reads it.
        origin: the kind of place that it stands in.
        where: that place: an option, a variable, a file.
        folder: that paths in it are meant from.
    """

    value: Value
    origin: Origin
    where: str
    folder: Path = field(default_factory=Path)

    def paths(self) -> list[Path]:
        """The files that it names."""
        texts = self.value if isinstance(self.value, tuple) else (self.value,)
        return [self.folder / str(text) for text in texts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that is set.

    Attributes:
        values: by the name of the key; those that nobody set are not in it.
        file: that settings were read from; None where there is none.
        passed_over: files that were found and not believed, with the reason.
    """

    values: Mapping[str, Setting] = field(default_factory=dict)
    file: Path | None = None
    passed_over: tuple[tuple[Path, str], ...] = ()


def settle(
    examined: Sequence[Path],
    *,
    given: Mapping[str, Setting],
    named: Path | None = None,
    no_file: bool = False,
) -> Settings:
    """What counts: the command line over the environment over the file.

    Args:
        examined: what the command was asked to look at.
        given: from the command line.
        named: the file that the user names; None for the one that is found.
        no_file: whether none is wanted.

    Raises:
        UsageError: a key is not known, a value is of another kind, or the file cannot be read.
    """
    found = _file_of(examined, named, no_file=no_file)
    values = {} if found.path is None else _of_file(found.path, is_named=found.is_named)
    return Settings(
        values=values | _of_environment() | dict(given),
        file=found.path,
        passed_over=found.passed_over,
    )


def _file_of(examined: Sequence[Path], named: Path | None, *, no_file: bool) -> Found:
    if named is not None:
        return Found(path=named, is_named=True)
    if no_file or os.environ.get(NO_FILE_VARIABLE, "").strip().lower() not in _OFF:
        return Found()
    told = os.environ.get(FILE_VARIABLE, "")
    return Found(path=Path(told), is_named=True) if told else find_file(examined)


def _of_file(path: Path, *, is_named: bool) -> dict[str, Setting]:
    from ckptdoctor.places import looks_into

    try:
        looks_into(path.parent) if is_named else None
        content = read_bytes(path)
    except OSError as error:
        raise UsageError(f"{path}: no settings can be read: {error.strerror or error}") from None
    shown, folder = _shown(path), Path(_shown(path.parent))
    inside = f"{shown}: [tool.ckptdoctor]" if path.name == NAMES[1] else f"{shown}:"
    origin = Origin.NAMED_FILE if is_named else Origin.FOUND_FILE
    values = {}
    for name, value in table_of(path, content).items():
        key = _key(name, inside)
        try:
            read = key.read(value)
        except ValueError as error:
            raise UsageError(f"{inside} {name}: {error}") from None
        if origin is Origin.FOUND_FILE and (name, read) == ("fail-on", "never"):
            raise UsageError(
                f'{inside} fail-on: "never" is taken from the command line, CKPTDOCTOR_FAIL_ON '
                "or a file that is named with --config"
            )
        values[key.name] = Setting(value=read, origin=origin, where=shown, folder=folder)
    return values


def _shown(path: Path) -> str:
    """The path as it reads best: from the current folder where it lies below or above it."""
    try:
        return os.path.relpath(path) if path.is_absolute() else str(path)
    except (OSError, ValueError):
        return str(path)


def _key(name: str, inside: str) -> Key:
    known = {key.name: key for key in KEYS}
    if name in known:
        return known[name]
    hint = nearest(name.replace("_", "-"), known) or f"; the keys are {', '.join(known)}"
    raise UsageError(f"{inside} {name} is no setting{hint}")


def _of_environment() -> dict[str, Setting]:
    known = {key.variable: key for key in KEYS if key.variable}
    values = {}
    for name in sorted(one for one in os.environ if one.startswith("CKPTDOCTOR_")):
        text, key = os.environ[name], known.get(name)
        if key is None:
            hint = "" if name in _OTHERS else _nearest_variable(name, {*known, *_OTHERS})
            if hint:
                raise UsageError(f"{name} is no setting; did you mean {hint}?")
            continue
        if not text:
            continue
        try:
            value = key.parse(text) if key.parse is not None else text
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from None
        values[key.name] = Setting(value=value, origin=Origin.ENVIRONMENT, where=name)
    return values


def _nearest_variable(name: str, known: set[str]) -> str:
    """The variable that was probably meant; "" where it may be somebody else's."""
    import difflib

    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.87)
    return close[0] if close else ""
