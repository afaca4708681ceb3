"""Paths shown short: below the folder that they share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["common_folder", "relative"]


def common_folder(paths: Sequence[Path]) -> str:
    """The deepest folder that holds all of them; "" where there is none."""
    folders = {str(path.parent) for path in paths}
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:  # absolute and relative paths, or two drives
        return ""


def relative(path: Path, root: str) -> str:
    """The path as seen from a folder; as it is where there is none."""
    return os.path.relpath(path, root) if root else str(path)
