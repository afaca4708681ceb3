"""Which logs lie beside a run and may be its own.

Those in its folder and in ``logs/`` there; those of the folder above and of ``../logs/`` only where
no other run lies there, or where the log's name names the run.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.natural import natural_key
from ckptdoctor.places import looks_into, place_of
from ckptdoctor.runs.discover import CHECKPOINT_SUFFIXES
from ckptdoctor.runs.logs.find import found_in

__all__ = ["Home", "logs_beside"]

_MOST_LOGS = 20
_MOST_FOLDERS = 20
_MOST_FOLDERS = 200
_LOGS = "logs"
_LOG = "log"
_FEWEST = 2
"""Checkpoints that make a run of a folder that is not examined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where a run lies.

    Attributes:
        folder: that of the run.
        name: of its files, without their numbers.
        inside: the folders that its files lie in.
    """

    folder: Path
    name: str
    inside: tuple[Path, ...]


def logs_beside(home: Home, others: Sequence[Home]) -> list[Path]:
    """The logs that may be a run's own; 20 at most.

    Args:
        home: where it lies.
        others: where the other runs lie that are examined.
    """
    here = place_of(home.folder)
    above = here.parent
    mates = [one for one in others if place_of(one.folder) == here]
    found: dict[Path, None] = {}
    rivals = [one.name for one in mates]
    naming = _naming(home.name, rivals)
    for folder in (
        *_last_with_log(home.inside, naming),
        home.folder,
        home.folder / _LOGS,
        home.folder / _LOG,
    ):
        for log in found_in(folder, naming):
            named = _names(log.label, home.name, rivals)
            if not rivals or named or not _names_any(log.label, rivals):
                found[log.path] = None
    rivals += _runs_beside(here)
    own = here.name if not mates else home.name
    names = _naming(own, rivals)
    for folder in (above, above / _LOGS, above / _LOG, above / _LOGS / own):
        for log in found_in(folder, names):
            if folder.name == own or not rivals or names(log.label):
                found[log.path] = None
    return list(found)[:_MOST_LOGS]


def _naming(own: str, rivals: Sequence[str]) -> Callable[[str], bool]:
    return lambda label: _names(label, own, rivals)


def _last_with_log(folders: Iterable[Path], naming: Callable[[str], bool]) -> list[Path]:
    """Of folders that hold one checkpoint each the last that has a log.

    It goes on from those of the others; a save that was cut short, and an export, have none.
    """
    every = sorted(set(folders), key=natural_key)[-_MOST_FOLDERS:]
    return next(([one] for one in reversed(every) if _has_log(one, naming)), every[-1:])


def _has_log(folder: Path, naming: Callable[[str], bool]) -> bool:
    with contextlib.suppress(OSError):
        return any(log.path.stat().st_size for log in found_in(folder, naming))
    return False


# -- names ---------------------------------------------------------------------------------------


def _names(log: str, own: str, others: Iterable[str]) -> bool:
    """Whether a log's name names a run, and no other whose name is longer.

    Either holds the other: ``train_unet.log`` names ``unet``, ``fold0.log`` names ``net_fold0_ep``.
    """
    if _holds(log, own):
        longer = [name for name in others if len(_plain(name)) > len(_plain(own))]
        return not any(_holds(log, name) for name in longer)
    return _is_part(log, own) and not any(_is_part(log, name) for name in others)


def _names_any(log: str, names: Sequence[str]) -> bool:
    if any(_holds(log, name) for name in names):
        return True
    return sum(_is_part(log, name) for name in names) == 1


def _is_part(log: str, name: str) -> bool:
    """Whether the name of a run holds that of a log which is no word for a log."""
    return len(_plain(log)) > 2 and _holds(name, log)


def _holds(text: str, name: str) -> bool:
    """Whether a name stands in a text; ``fold1`` does not stand in ``fold10``."""
    wanted = _plain(name)
    if not wanted:
        return False
    if len(wanted) == 1:
        return wanted in re.split(r"[^a-z0-9]+", text.lower())
    end = r"(?!\d)" if wanted[-1].isdecimal() else ""
    return re.search(re.escape(wanted) + end, _plain(text)) is not None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


# -- other runs ----------------------------------------------------------------------------------


def _runs_beside(folder: Path) -> list[str]:
    """The names of other folders beside one that hold runs, and of the folder above if it does."""
    names = []
    above = folder.parent
    if _count(above) >= _FEWEST:
        names.append(above.name)
    beside = (entry for entry in _folders(above) if entry != folder)
    return [*names, *(entry.name for entry in beside if _holds_run(entry))]


def _holds_run(folder: Path) -> bool:
    """Whether two checkpoints lie in a folder, or in one below it."""
    count = _count(folder)
    for inside in _folders(folder):
        if count >= _FEWEST:
            break
        below = _count(inside)
        count = max(below, count + min(1, below))  # one each, or several in one
    return count >= _FEWEST


def _count(folder: Path) -> int:
    return sum(name.lower().endswith(CHECKPOINT_SUFFIXES) for name in _file_names(folder))


def _file_names(folder: Path) -> Iterator[str]:
    looks_into(folder)
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries if entry.is_file())
    except OSError:
        return


def _folders(folder: Path) -> Iterator[Path]:
    looks_into(folder)
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    yield from (folder / name for name in sorted(found)[:_MOST_FOLDERS])
