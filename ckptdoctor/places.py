"""Where a path leads, so that two paths of one file are known as such."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["named", "place_of"]


def place_of(path: Path) -> Path:
    """The path without links; as it is, made absolute, where links lead in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()


def named(path: Path) -> Path:
    """The path with a name of its own: ``.`` and ``..`` as the folder that they mean."""
    return Path(os.path.abspath(path)) if path.name in ("", "..") else path  # noqa: PTH100
