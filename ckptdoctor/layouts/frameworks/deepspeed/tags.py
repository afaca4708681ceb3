"""DeepSpeed: a folder per tag, a file per rank.

A tag folder (``global_step100``) holds the model of every model parallel rank, and with ZeRO the
optimizer of every data parallel rank; with ZeRO 3 the weights lie in the optimizer's files alone.

Source: deepspeed 0.19, ``runtime/engine.py`` (``_get_ckpt_name``, ``_get_rank_zero_ckpt_name``,
``_get_expert_ckpt_name``, ``save_checkpoint``), ``runtime/pipe/module.py`` (``ckpt_layer_path``),
``utils/zero_to_fp32.py`` (what it refuses).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from ckptdoctor.checkpoint import Role, Scalar
from ckptdoctor.layouts.contents import values_in
from ckptdoctor.layouts.files import CheckpointFiles, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.frameworks.deepspeed.names import (
    Expert,
    Layer,
    Model,
    Optimizer,
    TagNames,
    names_in,
)
from ckptdoctor.layouts.frameworks.deepspeed.ranks import Facts, absent_ranks, facts_of
from ckptdoctor.layouts.frameworks.deepspeed.universal import (
    absent_parameters,
    is_universal,
    parameter_parts,
)
from ckptdoctor.layouts.layout import Layout
from ckptdoctor.layouts.zero_shares import WEIGHTS, ZeroShare

__all__ = ["LAYOUT", "parts_of"]

_NAME = "deepspeed"
_STEP = re.compile(r"global_step_?(\d{1,12})(?!\d)")  # or global_step100_universal
_STEP_BEHIND = re.compile(r"(?<=step)_?\d{1,12}$")
_LIGHTNING_TAG = "checkpoint"  # the only one that Lightning's strategy uses
_FP32_WEIGHTS = frozenset({"single_partition_of_fp32_groups", "fp32_flat_groups", "fp32_groups"})


def parts_of(folder: Folder, name: str) -> CheckpointFiles | None:
    """The files of a tag folder within another checkpoint; None where the folder is no such.

    Args:
        folder: the tag folder.
        name: the path to it from that checkpoint's folder: ``global_step100``, ``pytorch_model``.
    """
    own = _tag_folder(folder)
    if own is None:
        return None
    lasting = _STEP_BEHIND.sub("", name)
    return replace(
        own,
        parts=tuple(
            replace(part, name=f"{name}/{part.name}", sibling=f"{lasting}/{part.name}")
            for part in own.parts
        ),
        absent=tuple(replace(one, name=f"{name}/{one.name}") for one in own.absent),
        finished=f"{name}/{own.finished}" if own.finished else "",
    )


def _claim(folder: Folder) -> Iterator[CheckpointFiles]:
    own = _tag_folder(folder)
    if own is None and folder.path.suffix == ".ckpt" and _LIGHTNING_TAG in folder.folders:
        own = parts_of(folder.below(_LIGHTNING_TAG), _LIGHTNING_TAG)
    if own is not None:
        yield replace(own, path=folder.path)


def _tag_folder(folder: Folder) -> CheckpointFiles | None:
    names = names_in(folder)
    universal = is_universal(folder)
    if not names and not universal:
        return None
    facts = facts_of(folder, names)
    parts = (*_parts(folder, names), *(parameter_parts(folder) if universal else ()))
    absent = [*absent_ranks(names, facts, is_universal=universal)]
    if universal:
        absent += absent_parameters(folder, _values_of_model(folder, names))
    return CheckpointFiles(
        path=folder.path,
        layout=_NAME,
        parts=tuple(sorted(parts, key=lambda part: part.role is not PartRole.MODEL)),
        absent=tuple(absent),
        scalars=_scalars(folder),
        finished=_finished(names, facts, is_universal=universal),
    )


def _values_of_model(folder: Folder, names: TagNames) -> Mapping[str, Scalar]:
    return values_in(folder.path / names.models[0].file) if names.models else {}


def _scalars(folder: Folder) -> dict[str, Scalar]:
    step = _STEP.match(folder.path.name)
    return {"global_step": int(step[1])} if step else {}


def _finished(names: TagNames, facts: Facts, *, is_universal: bool) -> str:
    """The models are written before ZeRO's optimizers; the converter copies them at its end."""
    if (names.optimizers or facts.zero) and not is_universal:
        return names.optimizers[0].file if names.optimizers else Optimizer(dp=0, mp=0).file
    return names.models[0].file if names.models else ""


def _parts(folder: Folder, names: TagNames) -> Iterator[Part]:
    """Every file of a rank, the models first.

    The model of rank 0 keeps its names, since the values of the whole training stand in it; the
    names of the other ranks begin with their rank.
    """
    for model in names.models:
        part = _part(folder, model, PartRole.MODEL, _prefix_of_model(model, names))
        if model.dp is not None:
            part = replace(part, described=ZeroShare(rank=model.dp, models=(part.path,)))
        yield part
    for layer in names.layers:
        yield _part(folder, layer, PartRole.MODEL, _prefix_of_layer(layer))
    for expert in names.experts:
        yield _part(folder, expert, PartRole.MODEL, _prefix_of_expert(expert))
    # With ZeRO 3 there are no weights but those.
    role = PartRole.MODEL if names.stage_3 else PartRole.OPTIMIZER
    for optimizer in names.optimizers:
        prefix = f"zero_pp_rank_{optimizer.dp}{_mp(optimizer.mp, names)}."
        part = _part(folder, optimizer, role, prefix)
        yield replace(part, role_of=_role_in_optimizer, described=_share(folder, optimizer, names))
    for optimizer in names.expert_optimizers:
        prefix = f"expp_rank_{optimizer.dp}{_mp(optimizer.mp, names)}."
        part = _part(folder, optimizer, PartRole.OPTIMIZER, prefix)
        yield replace(part, role_of=_role_in_optimizer)


def _part(
    folder: Folder, named: Model | Layer | Expert | Optimizer, role: PartRole, prefix: str
) -> Part:
    return Part(
        path=folder.path / named.file,
        name=named.file,
        role=role,
        prefix=prefix,
        role_of=_role_in_model if role is PartRole.MODEL else None,
    )


def _share(folder: Folder, optimizer: Optimizer, names: TagNames) -> ZeroShare:
    told = (model.file for model in names.models if model.mp == optimizer.mp)
    return ZeroShare(rank=optimizer.dp, models=tuple(folder.path / name for name in told))


def _mp(rank: int, names: TagNames) -> str:
    return f"_mp_rank_{rank:02d}" if names.mp_count > 1 else ""


def _prefix_of_model(model: Model, names: TagNames) -> str:
    if not model.mp and not model.dp:
        return ""
    if model.dp is None:
        return f"mp_rank_{model.mp:02d}."
    return f"zero_pp_rank_{model.dp}{_mp(model.mp, names)}."


def _prefix_of_layer(layer: Layer) -> str:
    rank = f"{layer.rank}." if layer.rank and layer.rank != "model_00" else ""
    return f"{rank}layer_{layer.layer:02d}."


def _prefix_of_expert(expert: Expert) -> str:
    """Experts are named as within ``module``, by their number among all."""
    rank = f"mp_rank_{expert.mp:02d}." if expert.mp else ""
    old = f"expert_{expert.expert}." if expert.layer is None else ""
    return f"{rank}{old}module."


def _role_in_model(name: str) -> Role | None:
    """Frozen parameters are weights, though they stand beside ``module``."""
    return Role.MODEL if name.startswith("frozen_param_fragments.") else None


def _role_in_optimizer(name: str) -> Role | None:
    """The weights in full precision stand among the optimizer's states."""
    if name.startswith(WEIGHTS):
        return Role.MODEL
    return Role.OPTIMIZER if _FP32_WEIGHTS.isdisjoint(name.split(".")) else Role.MODEL


LAYOUT = Layout(name=_NAME, claim=_claim)
