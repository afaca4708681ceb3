"""Where a path leads, so that two paths of one file are known as such; and who looked where."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["Places", "looking", "looks_elsewhere", "looks_into", "named", "place_of"]

_looks: set[str] | None = None
_elsewhere: list[Callable[[str | Path], None]] = []


@contextlib.contextmanager
def looking() -> Iterator[set[str]]:
    """The folders that are looked into meanwhile, whether they are there or not, made absolute."""
    global _looks  # noqa: PLW0603  (who lists a folder knows nothing of who wants to know)
    before, _looks = _looks, set()
    try:
        yield _looks
    finally:
        _looks = before


def looks_into(folder: str | Path) -> None:
    """Told of every folder whose contents an answer depends on, before it is listed."""
    if _looks is not None:
        _looks.add(os.path.abspath(folder))  # noqa: PTH100  (absolute() keeps "..")
    for look in _elsewhere:
        look(folder)


def looks_elsewhere(look: Callable[[str | Path], None]) -> None:
    """Have somebody told of every folder before it is listed, who fills those that are his."""
    _elsewhere.append(look)


def place_of(path: Path) -> Path:
    """The path without links; as it is, made absolute, where links lead in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()


class Places:
    """Where many paths lead: each folder is resolved once, not once for each of its files."""

    def __init__(self) -> None:
        self._known: dict[Path, Path] = {}
        self._folders: dict[str, Path] = {}

    def of(self, path: Path) -> Path:
        """As :func:`place_of`."""
        found = self._known.get(path)
        if found is None:
            found = self._known[path] = self._place_of(path)
        return found

    def _place_of(self, path: Path) -> Path:
        folder, name = os.path.split(path)
        if name in ("", ".", "..") or os.path.islink(path):  # noqa: PTH114  (is_symlink may raise)
            return place_of(path)
        if folder not in self._folders:
            self._folders[folder] = place_of(Path(folder))
        return self._folders[folder] / name


def named(path: Path) -> Path:
    """The path with a name of its own: ``.`` and ``..`` as the folder that they mean."""
    return type(path)(os.path.abspath(path)) if path.name in ("", "..") else path  # noqa: PTH100
