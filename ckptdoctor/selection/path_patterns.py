"""Patterns of paths, as in a ``.gitignore``: ``old``, ``runs/old``, ``runs/*/best.pth``, ``**``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

__all__ = ["is_meant"]


def is_meant(pattern: str, path: Path, folder: Path) -> bool:
    """Whether a pattern names a path, or a folder that it lies in.

    Args:
        pattern: without a slash it names files and folders wherever they lie; else a path.
        path: of a checkpoint or a run.
        folder: that the pattern is meant from.
    """
    whole = os.path.abspath(path)  # noqa: PTH100  (absolute() keeps "..")
    words = [word for word in pattern.split("/") if word not in ("", ".")]
    if not words:
        return False
    if pattern.startswith("/"):
        parts = Path(whole).parts[1:]
        return _begins(words, parts)
    try:
        parts = Path(os.path.relpath(whole, folder)).parts
    except ValueError:  # on another drive
        parts = Path(whole).parts
    if "/" not in pattern.rstrip("/"):
        return any(fnmatchcase(part, words[0]) for part in parts)
    return _begins(words, parts)


def _begins(words: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether the words match the path, or the beginning of it."""
    reached = {0}  # so many parts may be matched by the words so far
    for word in words:
        if word == "**":
            reached = set(range(min(reached), len(parts) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if at < len(parts) and fnmatchcase(parts[at], word)}
    return bool(reached)
