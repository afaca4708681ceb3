"""The small JSON texts that stand beside weights: states, indexes, configurations."""

from __future__ import annotations

import json
from typing import Any

from ckptdoctor.layouts.folder import Folder

__all__ = ["is_json", "read_object"]

_NOTHING = object()


def read_object(folder: Folder, name: str) -> dict[str, Any] | None:
    """The object that a JSON file holds; None where it holds none, or is cut, or cannot be read.

    Args:
        folder: where it lies.
        name: of the file.
    """
    value = _read(folder, name)
    return value if isinstance(value, dict) else None


def is_json(folder: Folder, name: str) -> bool:
    """Whether a file is whole JSON, of an object or of anything else.

    Args:
        folder: where it lies.
        name: of the file.
    """
    return _read(folder, name) is not _NOTHING


def _read(folder: Folder, name: str) -> Any:
    try:
        return json.loads(folder.text(name) or "")
    except (ValueError, RecursionError):
        return _NOTHING
