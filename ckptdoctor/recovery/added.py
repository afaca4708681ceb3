"""What the user says was added to a run before it went wrong."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence

from ckptdoctor.errors import UsageError
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Added", "Addition", "parse_added"]

_MOST_TIMES = 1e6
_BATCH = re.compile(r"^batch-size:x?(\d+(?:\.\d+)?)$")


class Added(enum.Enum):
    """What was added to a run before it went wrong."""

    DEEP_SUPERVISION = "deep-supervision"
    EMA = "ema"
    AUGMENTATION = "augmentation"
    BATCH_SIZE = "batch-size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """One thing that was added; ``times`` is by how much the batch grew."""

    what: Added
    times: float = 1.0

    def in_words(self) -> str:
        """As it is written behind ``--added``."""
        scaled = f":X{self.times:g}" if self.what is Added.BATCH_SIZE else ""
        return f"{self.what.value}{scaled}"


def parse_added(texts: Sequence[str]) -> tuple[Addition, ...]:
    """What ``--added`` names.

    Args:
        texts: ``deep-supervision``, ``ema``, ``augmentation`` or ``batch-size:X2``; several may be
            joined by commas.

    Raises:
        UsageError: one is none of these.
    """
    found = []
    for text in ",".join(texts).split(","):
        name = text.strip().lower().replace("_", "-")
        batch = _BATCH.match(name)
        if batch is not None and 0 < float(batch[1]) <= _MOST_TIMES:
            found.append(Addition(what=Added.BATCH_SIZE, times=float(batch[1])))
        elif name in ("deep-supervision", "ema", "augmentation"):
            found.append(Addition(what=Added(name)))
        elif name:
            raise UsageError(
                f"--added {text!r}: known are deep-supervision, ema, augmentation and "
                "batch-size:X2 (for twice the batch)"
            )
    return tuple(found)
