"""Numbers out of cells and JSON values, as logs write them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

__all__ = ["EPOCH_NAMES", "STEP_NAMES", "number", "numbers"]

EPOCH_NAMES = ("epoch", "current_epoch", "epochs")
STEP_NAMES = ("global_step", "step", "iter", "iteration")


def number(value: object) -> float | None:
    """A finite number where a count has to be one; None otherwise."""
    found = _number(value)
    return found if found is not None and math.isfinite(found) and abs(found) < 1e12 else None


def numbers(row: Mapping[str, object]) -> Iterator[tuple[str, float]]:
    """The values of a row that are numbers, NaN and infinity among them, without the epoch."""
    for name, value in row.items():
        found = _number(value)
        if found is not None and name.lower() not in EPOCH_NAMES:
            yield name, found


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
