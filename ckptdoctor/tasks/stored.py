"""What a checkpoint stores beside its tensors, for who plans with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ckptdoctor.checkpoint import Scalar
from ckptdoctor.errors import CheckpointError
from ckptdoctor.layouts.describe import describe
from ckptdoctor.runs.discover import checkpoint_at

__all__ = ["stored_scalars"]


def stored_scalars(path: Path) -> Mapping[str, Scalar] | None:
    """What a checkpoint stores; None where it cannot be read."""
    try:
        return describe(checkpoint_at(path)).scalars
    except (CheckpointError, OSError):
        return None
