"""Which tensors of a checkpoint to show."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from ckptdoctor.checkpoint import TensorRecord
from ckptdoctor.report import CheckpointReport

__all__ = ["select_tensors"]


def select_tensors(report: CheckpointReport, globs: Sequence[str]) -> list[TensorRecord]:
    """The tensors whose name matches any of the globs, or all; non-finite and lost ones first."""
    if report.checkpoint is None:
        return []
    chosen = [
        tensor
        for tensor in report.checkpoint.tensors
        if not globs or any(fnmatch.fnmatchcase(tensor.fqn, pattern) for pattern in globs)
    ]

    def is_sound(tensor: TensorRecord) -> bool:
        stats = report.stats.get(tensor.fqn)
        return not tensor.lost and (stats is None or stats.non_finite == 0)

    return sorted(chosen, key=is_sound)
