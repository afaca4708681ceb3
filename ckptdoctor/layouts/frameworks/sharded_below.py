"""Folders below a checkpoint that another framework wrote its parts into, a file a rank.

Source: ``accelerate/utils/fsdp_utils.py`` (``pytorch_model_fsdp_0``, ``optimizer_0``), and
``engine.save_checkpoint`` of DeepSpeed: ``global_stepN`` of the Trainer, ``pytorch_model`` of
accelerate. ``latest`` beside them is a pointer, and no part.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ckptdoctor.layouts.files import Absent, CheckpointFiles, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.found import Found
from ckptdoctor.layouts.frameworks import dcp
from ckptdoctor.layouts.frameworks.deepspeed import tags as deepspeed

__all__ = ["sharded_below"]

_OF_OPTIMIZER = re.compile(r"optimizer_\d{1,4}")
_FURTHER_MODEL = re.compile(r"pytorch_model_fsdp_[1-9]\d{0,3}")


def sharded_below(folder: Folder) -> Found:
    """The parts in such folders.

    Args:
        folder: of the checkpoint.
    """
    found = Found()
    for name in folder.folders:
        of_fsdp = dcp.parts_of(folder, name)
        if of_fsdp is not None:
            found += _of_fsdp(name, _found(of_fsdp))
        of_ranks = deepspeed.parts_of(folder.below(name), name)
        if of_ranks is not None:
            found += _found(of_ranks)
    return found


def _found(files: CheckpointFiles) -> Found:
    return Found(
        parts=files.parts, absent=files.absent, problems=files.problems, indexes=files.indexes
    )


def _of_fsdp(name: str, found: Found) -> Found:
    """The parts of a folder whose name says more of them than what is left in it may say."""
    if _OF_OPTIMIZER.fullmatch(name):
        return replace(
            found,
            parts=tuple(replace(part, role=_no_model(part)) for part in found.parts),
            absent=tuple(replace(lost, role=_no_model(lost)) for lost in found.absent),
        )
    if _FURTHER_MODEL.fullmatch(name):
        parts = tuple(replace(part, prefix=f"{name}.{part.prefix}") for part in found.parts)
        return replace(found, parts=parts)
    return found


def _no_model(one: Part | Absent) -> PartRole:
    return PartRole.OPTIMIZER if one.role is PartRole.MODEL else one.role
