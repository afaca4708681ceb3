"""The order of a run: by what the contents say, then by the number in the name; never by mtime."""

from __future__ import annotations

from collections.abc import Iterable

from ckptdoctor.natural import natural_key
from ckptdoctor.report import CheckpointReport

__all__ = ["in_order"]


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
