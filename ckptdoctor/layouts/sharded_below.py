"""Folders below a checkpoint that another framework wrote its parts into, a file a rank.

Source: ``accelerate/utils/fsdp_utils.py`` (``pytorch_model_fsdp_0``, ``optimizer_0``), and
``engine.save_checkpoint`` of DeepSpeed: ``global_stepN`` of the Trainer, ``pytorch_model`` of
accelerate, and ``latest``, which names the one that is loaded.
"""

from __future__ import annotations

from collections.abc import Collection

from ckptdoctor.layouts import deepspeed
from ckptdoctor.layouts.files import Absent, CheckpointFiles, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.found import Found, Place

__all__ = ["sharded_below"]

_LATEST = "latest"


def sharded_below(folder: Folder) -> Found:
    """The parts in such folders, and the text that points to one of them.

    Args:
        folder: of the checkpoint.
    """
    tags = {
        name: own
        for name in folder.folders
        if (own := deepspeed.parts_of(folder.below(name), name)) is not None
    }
    found = Found()
    for own in tags.values():
        found += _found(own)
    return found + (_latest(folder, tags.keys()) if tags or _LATEST in folder else Found())


def _found(files: CheckpointFiles) -> Found:
    return Found(
        parts=files.parts, absent=files.absent, problems=files.problems, indexes=files.indexes
    )


def _latest(folder: Folder, tags: Collection[str]) -> Found:
    """The pointer: DeepSpeed loads nothing without it, and nothing else than what it names."""
    if _LATEST not in folder:
        because = f"{min(tags)} is there, and DeepSpeed finds it by this file alone"
        return Found(absent=(Absent(name=_LATEST, role=PartRole.STATE, because=because),))
    part = Place(folder).text(_LATEST)
    target = (folder.text(_LATEST) or "").strip()
    if target in tags:
        return Found(parts=(part,))
    lost = Absent(
        name=f"{target.rpartition('/')[2]}/" if target else _LATEST,
        role=PartRole.OPTIMIZER,
        because=f"{_LATEST} names it, and DeepSpeed loads nothing else",
    )
    return Found(parts=(part,), absent=(lost,))
