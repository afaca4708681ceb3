"""Where a path leads, so that two paths of one file are known as such."""

from __future__ import annotations

from pathlib import Path

__all__ = ["place_of"]


def place_of(path: Path) -> Path:
    """The path without links; as it is, made absolute, where links lead in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()
