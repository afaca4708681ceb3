"""Which files of a folder are logs, by their names alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.natural import natural_key
from ckptdoctor.places import place_of

__all__ = ["is_log", "logs_in"]

_NAMES = ("metrics.csv", "results.csv", "summary.csv", "trainer_state.json", "scalars.json")
_SUFFIXES = (".log", ".txt", ".jsonl")
_EVENTS = "events.out.tfevents"


def is_log(path: Path) -> bool:
    """Whether a file is a log, as far as its name tells."""
    name = path.name
    return name in _NAMES or path.suffix.lower() in _SUFFIXES or name.startswith(_EVENTS)


def logs_in(folder: Path) -> list[Path]:
    """The logs that lie in a folder, in the order in which people count them.

    MMEngine keeps its ``scalars.json`` two folders down, in ``20240101_000000/vis_data``.
    """
    return [place_of(path) for path in _inside(folder) if is_log(path) and path.is_file()]


def _inside(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir(), key=natural_key)
        yield from sorted(folder.glob("*/vis_data/scalars.json"), key=natural_key)
    except OSError:
        return
