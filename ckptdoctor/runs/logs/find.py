"""Which files beside checkpoints are logs, by their names alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ckptdoctor.natural import natural_key

__all__ = ["find_logs", "is_log"]

_NAMES = ("metrics.csv", "results.csv", "summary.csv", "trainer_state.json", "scalars.json")
_SUFFIXES = (".log", ".txt", ".jsonl")
_EVENTS = "events.out.tfevents"
_MOST_LOGS = 20


def is_log(path: Path) -> bool:
    """Whether a file is a log, as far as its name tells."""
    name = path.name
    return name in _NAMES or path.suffix.lower() in _SUFFIXES or name.startswith(_EVENTS)


def find_logs(files: Iterable[Path]) -> list[Path]:
    """The logs that lie beside checkpoints, or in the folder above them; 20 at most.

    MMEngine keeps its ``scalars.json`` two folders down, in ``20240101_000000/vis_data``.
    """
    folders = {folder for file in files for folder in (file.parent, file.absolute().parent.parent)}
    found: dict[Path, None] = {}
    for folder in sorted(folders):
        for path in _inside(folder):
            if is_log(path) and path.is_file():
                found[path.resolve()] = None
    return list(found)[:_MOST_LOGS]


def _inside(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir(), key=natural_key)
        yield from sorted(folder.glob("*/vis_data/scalars.json"), key=natural_key)
    except OSError:
        return
