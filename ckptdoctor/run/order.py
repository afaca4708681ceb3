"""The order of a run: by what the contents say, then by the number in the name; never by mtime."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ckptdoctor.report import CheckpointReport

__all__ = ["in_order", "natural_key"]

_NUMBERS = re.compile(r"(\d+)")


def natural_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts ``epoch_9`` before ``epoch_10``."""
    return tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in _NUMBERS.split(str(path))
        if part
    )


def in_order(reports: Iterable[CheckpointReport]) -> list[CheckpointReport]:
    """The reports by epoch, then by step, then by name; those without an epoch last."""

    def key(report: CheckpointReport) -> tuple[object, ...]:
        data = report.metadata
        epoch = data.epoch if data.epoch is not None else data.name_epoch
        return (
            epoch is None,
            epoch or 0,
            data.global_step or 0,
            natural_key(report.path),
        )

    return sorted(reports, key=key)
