"""The small JSON texts that stand beside weights: states, indexes, configurations."""

from __future__ import annotations

import json
from typing import Any

from ckptdoctor.layouts.folder import Folder

__all__ = ["read_object"]


def read_object(folder: Folder, name: str) -> dict[str, Any] | None:
    """The object that a JSON file holds; None where it holds none, or is cut, or cannot be read.

    Args:
        folder: where it lies.
        name: of the file.
    """
    text = folder.text(name)
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
