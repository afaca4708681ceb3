"""Why a path names nothing, and what was probably meant."""

from __future__ import annotations

import difflib
import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.natural import natural_key
from ckptdoctor.shell import command_line
from ckptdoctor.sources.descriptors import missing_top_of, trouble_of

__all__ = ["why_absent"]

_WINDOWS = re.compile(r"(?:[A-Za-z]:|\.{0,2})\\")
_DRIVE = re.compile(r"([A-Za-z]):\\")
_ALIKE = 0.6
_USUAL = "checkpoints"
"""Where a command looks without a path."""
_SHOWN = 3
_LOOKED_AT = 10_000
"""Names of a folder; of more than these nobody is told."""


def why_absent(path: Path, what: str = "file or folder") -> str:
    """A sentence: that nothing is there, and what is there that was probably meant.

    Args:
        path: as the user gave it.
        what: what it would have to be.
    """
    trouble = trouble_of(path)
    if trouble is not None:
        return f"{path}: {trouble.strerror or trouble}"
    if missing := missing_top_of(path):
        return f"{path}: no such bucket: {missing}"
    said = f"{path}: no such {what}"
    if _WINDOWS.match(str(path)) and os.sep == "/":
        return f"{said}; this is no Windows: {_without_backslashes(str(path))}"
    folder = path.parent
    names = list(_names(folder))
    if glob.has_magic(os.fspath(path)) and not _same(path.name, names):
        return f"{path}: nothing matches in {_held(_folder_of_glob(path))}"
    if not folder.is_dir():
        there = _nearest_folder(folder)
        return f"{said}: no {_below(there, path)} in {_held(there)}"
    if folder == Path() and path.name not in names:
        elsewhere = Path(_USUAL) / path.name
        if os.path.lexists(elsewhere):
            return f"{said} here; did you mean {command_line(elsewhere)}?"
    if meant := _alike(path.name, names):
        return f"{said}; did you mean {' or '.join(command_line(folder / one) for one in meant)}?"
    return said


def _without_backslashes(path: str) -> str:
    drive = _DRIVE.match(path)
    forward = path.replace("\\", "/")
    if drive is None:
        return f"write {forward}"
    below = forward[drive.end() :]
    return f"under WSL it is /mnt/{drive[1].lower()}/{below}"


def _names(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            for entry, _ in zip(entries, range(_LOOKED_AT), strict=False):
                yield entry.name
    except OSError:
        return


def _alike(name: str, names: list[str]) -> list[str]:
    """Names that are probably meant."""
    return _same(name, names) or difflib.get_close_matches(name, names, n=1, cutoff=_ALIKE)


def _same(name: str, names: list[str]) -> list[str]:
    """Names that are the same but for the suffix and the case."""
    whole = name.lower()
    same = [one for one in names if one.lower() == whole or one.lower().startswith(f"{whole}.")]
    if not same:
        same = [one for one in names if _stem(one) == _stem(name)]
    return sorted(same, key=_in_order)[:_SHOWN]


def _stem(name: str) -> str:
    return name.lower().rpartition(".")[0] or name.lower()


def _in_order(name: str) -> tuple[tuple[int, int, str], ...]:
    return natural_key(Path(name))


def _folder_of_glob(path: Path) -> Path:
    """The last folder on the way that has no pattern in its name."""
    return next(one for one in path.parents if not glob.has_magic(str(one)))


def _nearest_folder(folder: Path) -> Path:
    return next((one for one in (folder, *folder.parents) if one.is_dir()), Path())


def _below(folder: Path, path: Path) -> str:
    """The first name on the way to a path that is not there."""
    return path.relative_to(folder).parts[0] if folder != Path() else path.parts[0]


def _held(folder: Path) -> str:
    """A folder and what lies in it: ``out, which has run1, run2 and 3 more``."""
    names = sorted((one for one in _names(folder) if not one.startswith(".")), key=_in_order)
    where = "this folder" if folder == Path() else str(folder)
    if not names or (folder.anchor and folder == Path(folder.anchor)):
        return where
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{where}, which has {', '.join(names[:_SHOWN])}{more}"
