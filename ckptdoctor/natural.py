"""Names in the order in which people count them."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["natural_key"]

_NUMBERS = re.compile(r"(\d+)")


def natural_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts ``epoch_9`` before ``epoch_10``."""
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in _NUMBERS.split(str(path))
        if part
    )
