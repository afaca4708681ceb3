"""Megatron-LM: a folder per iteration, and in it a folder per rank, or a distributed checkpoint.

Source: Megatron-LM, ``megatron/training/checkpointing.py``: ``get_checkpoint_name`` (the folder of
a rank has its tensor rank, with pipelines its pipeline rank, with experts its expert rank),
``save_checkpoint`` (the distributed optimizer's file first, the model's last, then the tracker).
Until 2022 ``model_rng.pt`` lay beside ``optim.pt``, which may have folders of its own, one for each
data parallel rank.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from ckptdoctor.checkpoint import Role
from ckptdoctor.layouts.files import CheckpointFiles, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks.megatron.dist import dist_checkpoint
from ckptdoctor.layouts.frameworks.megatron.ranks import MODELS, Rank, absent_ranks, rank_of
from ckptdoctor.layouts.layout import Layout

__all__ = ["LAYOUT"]

_NAME = "megatron"
_ITERATION = re.compile(r"iter_(\d{1,12})")
_OPTIMIZER = re.compile(r"(?:distrib_)?optim\.pt|layer_wise_optimizer_\d{1,6}\.pt")
_FP32_WEIGHTS = frozenset({"fp32_from_fp16_params", "fp32_from_float16_groups"})


def _claim(folder: Folder) -> Iterator[CheckpointFiles]:
    ranks = {rank: name for name in folder.folders if (rank := rank_of(name))}
    parts = [part for rank in sorted(ranks) for part in _parts(folder.below(ranks[rank]), rank)]
    found = _of_ranks(folder, parts) if parts else dist_checkpoint(folder, _NAME)
    if found is not None:
        iteration = _ITERATION.fullmatch(folder.path.name)
        yield replace(found, scalars={"global_step": int(iteration[1])} if iteration else {})


def _of_ranks(folder: Folder, parts: list[Part]) -> CheckpointFiles:
    parts.sort(key=lambda part: part.role is not PartRole.MODEL)
    return CheckpointFiles(
        path=folder.path,
        layout=_NAME,
        parts=tuple(parts),
        absent=tuple(absent_ranks(parts)),
        finished=parts[0].name if parts[0].role is PartRole.MODEL else "",
    )


def _parts(folder: Folder, rank: Rank) -> Iterator[Part]:
    """The files of a rank; those of the first keep their names, of which they are the values."""
    home = folder.path.name
    before = f"{home}." if any(rank) else ""
    for file in folder.files:
        path, name = folder.path / file, f"{home}/{file}"
        if file in MODELS:
            yield Part(
                path=path, name=name, role=PartRole.MODEL, prefix=before, role_of=_role_in_model
            )
        elif _OPTIMIZER.fullmatch(file):
            yield Part(
                path=path,
                name=name,
                role=PartRole.OPTIMIZER,
                prefix=f"{before}{file.removesuffix('.pt')}.",
                role_of=_role_in_optimizer,
            )


def _role_in_model(name: str) -> Role | None:
    """The weights in full precision stand in the optimizer."""
    return None if _FP32_WEIGHTS.isdisjoint(name.split(".")) else Role.MODEL


def _role_in_optimizer(name: str) -> Role | None:
    """The distributed optimizer keeps the weights in full precision as ``param``."""
    parts = name.split(".")
    is_weight = "param" in parts or not _FP32_WEIGHTS.isdisjoint(parts)
    return Role.MODEL if is_weight else Role.OPTIMIZER


LAYOUT = Layout(name=_NAME, claim=_claim)
