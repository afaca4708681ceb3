"""The order of the checkpoints of a run."""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.metadata.facts import Metadata
from ckptdoctor.natural import natural_key

__all__ = ["position"]


def position(path: Path, metadata: Metadata) -> tuple[object, ...]:
    """A key that puts checkpoints in the order of their run: by epoch, by step, then by name.

    Never by the time of modification: copying changes it. Those without an epoch come last.
    """
    epoch = metadata.epoch if metadata.epoch is not None else metadata.name_epoch
    return (epoch is None, epoch or 0, metadata.global_step or 0, natural_key(path))
