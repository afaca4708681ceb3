"""The order of a run: by what the contents say, then by the number in the name; never by mtime."""

from __future__ import annotations

from collections.abc import Iterable

from ckptdoctor.metadata import position
from ckptdoctor.report import CheckpointReport

__all__ = ["in_order"]


def in_order(reports: Iterable[CheckpointReport]) -> list[CheckpointReport]:
    """The reports by epoch, then by step, then by name; those without an epoch last."""
    return sorted(reports, key=lambda report: position(report.path, report.metadata))
