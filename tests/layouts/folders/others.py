"""Megatron, SpeechBrain, fairseq, pairs of files, archives, and single files with a pointer.

Megatron's, SpeechBrain's, NeMo's and fairseq's are by their documentation and source, because they
do not install here; Stable-Baselines3's, Lightning's and MMEngine's are held against the packages.
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tests.layouts.folders.distributed import lightning_meta, pointer
from tests.layouts.folders.training import LOSSES, Stage, adamw, stages
from tests.layouts.folders.truth import (
    LOST_STATE,
    LOST_WEIGHTS,
    ODD,
    SOUND,
    Kind,
    Part,
    Series,
    folder_series,
    rule,
)
from tests.layouts.folders.writing import save, write

WITHIN = (("optimizer*", Kind.OPTIMIZER), ("*optimizer_states*", Kind.OPTIMIZER))
ONE_FILE = (*WITHIN, ("*rng*", Kind.RNG), ("callbacks*", Kind.STATE))


def megatron(root: Path) -> Series:
    """Megatron-LM with two tensor-parallel ranks: all in ``model_optim_rng.pt``."""
    names = []
    for stage in stages():
        names.append(f"iter_{stage.step:07}")
        for rank in range(2):
            document = _megatron(stage, rank, pipeline=1)
            document["optimizer"] = adamw(document["model"].values(), stage)
            save(document, root / names[-1] / f"mp_rank_{rank:02}/model_optim_rng.pt")
        write(root / "latest_checkpointed_iteration.txt", str(stage.step))
    inside = (("optimizer.*", Kind.OPTIMIZER), ("rng_state*", Kind.RNG))
    rules = (rule("mp_rank_*/model_optim_rng.pt", Kind.WEIGHTS, inside=inside),)
    return folder_series(root, names, rules, pointer("latest_checkpointed_iteration.txt"))


def megatron_pipeline(root: Path) -> Series:
    """Two stages of a pipeline, and the distributed optimizer in ``distrib_optim.pt``."""
    names = []
    for stage in stages():
        names.append(f"iter_{stage.step:07}")
        for rank in range(2):
            folder = root / names[-1] / f"mp_rank_00_{rank:03}"
            save(_megatron(stage, 0, pipeline=2), folder / "model_optim_rng.pt")
            flat = torch.cat([value.flatten() for value in stage.weights.values()])
            buckets = {"param": flat, "exp_avg": flat * 0.1, "exp_avg_sq": flat**2}
            save({0: {(torch.bfloat16, torch.float32): [buckets]}}, folder / "distrib_optim.pt")
        write(root / "latest_checkpointed_iteration.txt", str(stage.step))
    rules = (
        rule("*/model_optim_rng.pt", Kind.WEIGHTS, inside=(("rng_state*", Kind.RNG),)),
        # its masters overwrite the weights on load, so they are weights
        rule(
            "*/distrib_optim.pt",
            Kind.OPTIMIZER,
            inside=(("*.param", Kind.WEIGHTS),),
            costs=LOST_STATE | LOST_WEIGHTS,
        ),
    )
    return folder_series(root, names, rules, pointer("latest_checkpointed_iteration.txt"))


def _megatron(stage: Stage, rank: int, *, pipeline: int) -> dict[str, Any]:
    half = {
        name: value.chunk(2)[rank].clone() if value.dim() > 1 else value
        for name, value in stage.weights.items()
    }
    arguments = argparse.Namespace(
        tensor_model_parallel_size=1 if pipeline > 1 else 2,
        pipeline_model_parallel_size=pipeline,
        iteration=stage.step,
        lr=5e-3,
    )
    return {
        "args": arguments,
        "checkpoint_version": 3.0,
        "iteration": stage.step,
        "model": half,
        "opt_param_scheduler": {"max_lr": 5e-3, "num_steps": stage.step * 8},
        "rng_state": [{"torch_rng_state": stage.rng, "rng_tracker_states": {}}],
        "num_floating_point_operations_so_far": 1.0,
    }


def speechbrain(root: Path) -> Series:
    """``save/CKPT+DATE``: a file for each recoverable, metrics in ``CKPT.yaml``."""
    names = []
    for stage in stages():
        names.append(f"save/CKPT+2024-05-0{stage.epoch}+12-00-00+00")
        folder = root / names[-1]
        save(stage.weights, folder / "model.ckpt")
        save(stage.optimizer, folder / "optimizer.ckpt")
        write(folder / "counter.ckpt", str(stage.epoch))
        write(folder / "dataloader-TRAIN.ckpt", "20")
        text = f"# yamllint disable\nACC: {stage.score}\nend-of-epoch: true\n"
        write(folder / "CKPT.yaml", text + f"unixtime: {1714564800 + stage.step * 100}.5\n")
    rules = (
        rule("model.ckpt", Kind.WEIGHTS),
        rule("optimizer.ckpt", Kind.OPTIMIZER),
        rule(
            "counter.ckpt", Kind.STATE, unseen={"swapped": "two checkpoints of one epoch have one"}
        ),
        rule("dataloader-*.ckpt", Kind.STATE),
        rule("CKPT.yaml", Kind.INDEX),
    )
    return folder_series(root, names, rules)


def fairseq(root: Path) -> Series:
    """``checkpointN-shardK.pt``: two ranks of a sharded state, side by side."""
    triples = []
    for stage in stages():
        names = []
        for rank in range(2):
            names.append(f"checkpoint{stage.epoch}-shard{rank}.pt")
            half = {f"decoder.{k}": v.chunk(2)[rank].clone() for k, v in stage.weights.items()}
            document = {
                "cfg": {"model": {"_name": "transformer"}},
                "args": None,
                "model": half,
                "criterion": {},
                "optimizer_history": [{"optimizer_name": "Adam", "num_updates": stage.step}],
                "task_state": {},
                "extra_state": {
                    "train_iterator": {"epoch": stage.epoch + 1, "iterations_in_epoch": 0},
                    "val_loss": stage.loss,
                    "best": min(LOSSES[: stage.epoch]),
                },
                "last_optimizer_state": adamw(half.values(), stage),
            }
            save(document, root / names[-1])
        triples.append(tuple(names))
    inside = (("last_optimizer_state*", Kind.OPTIMIZER),)
    newest, before = triples[-1], triples[-2]
    parts = tuple(
        Part(path=path, sibling=sibling, kind=Kind.WEIGHTS, inside=inside)
        for path, sibling in zip(newest, before, strict=True)
    )
    return Series(root=root, checkpoints=tuple(triples), parts=parts)


def pairs(root: Path) -> Series:
    """``model_epoch_N.pth`` beside ``optimizer_epoch_N.pth``."""
    listed = []
    for stage in stages():
        model, optimizer = (f"{what}_epoch_{stage.epoch}.pth" for what in ("model", "optimizer"))
        save(stage.weights, root / model)
        save(stage.optimizer, root / optimizer)
        listed.append((model, optimizer))
    parts = (
        Part(path="model_epoch_3.pth", sibling="model_epoch_2.pth", kind=Kind.WEIGHTS),
        Part(path="optimizer_epoch_3.pth", sibling="optimizer_epoch_2.pth", kind=Kind.OPTIMIZER),
    )
    return Series(root=root, checkpoints=tuple(listed), parts=parts)


UNSEEN_ALONE = "then the run has two checkpoints, and nothing says that it had three"


def lightning_file(root: Path) -> Series:
    """Lightning's single file."""
    return _single_files(root, "epoch={last}-step={step}.ckpt", _lightning)


def mmengine(root: Path) -> Series:
    """``epoch_N.pth`` with ``last_checkpoint``, which holds a path."""
    series = _single_files(root, "epoch_{epoch}.pth", _mmengine)
    write(root / "last_checkpoint", str(root / series.checkpoints[-1][0]))
    (alone,) = series.parts
    parts = (replace(alone, unseen=None), pointer("last_checkpoint"))  # the pointer tells
    return Series(root=root, checkpoints=series.checkpoints, parts=parts)


def _single_files(root: Path, pattern: str, document: Any) -> Series:
    names = []
    for stage in stages():
        names.append(pattern.format(epoch=stage.epoch, last=stage.epoch - 1, step=stage.step))
        save(document(stage), root / names[-1])
    part = Part(
        path=names[-1],
        sibling=names[-2],
        kind=Kind.WEIGHTS,
        inside=ONE_FILE,
        whole=True,
        unseen={"deleted": UNSEEN_ALONE},
    )
    return Series(root=root, checkpoints=tuple((name,) for name in names), parts=(part,))


def _lightning(stage: Stage) -> dict[str, Any]:
    return {
        **lightning_meta(stage),
        "state_dict": stage.weights,
        "optimizer_states": [stage.optimizer],
    }


def _mmengine(stage: Stage) -> dict[str, Any]:
    meta = {"epoch": stage.epoch, "iter": stage.step, "mmengine_version": "0.10.7", "cfg": ""}
    return {
        "meta": meta,
        "state_dict": stage.weights,
        "message_hub": {"log_scalars": {}, "runtime_info": {}, "resumed_keys": {}},
        "optimizer": stage.optimizer,
    }


def nemo(root: Path) -> Series:
    """``.nemo``: a tar of the weights and the configuration."""
    names = []
    for stage in stages():
        names.append(f"model--val_acc={stage.score}-epoch={stage.epoch}.nemo")
        weights = io.BytesIO()
        torch.save(stage.weights, weights)
        root.mkdir(exist_ok=True)
        members = {"./model_config.yaml": b"target: nemo.Model\n"}
        members["./model_weights.ckpt"] = weights.getvalue()
        with tarfile.open(root / names[-1], "w:") as archive:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return archives(root, names, NEMO_MEMBERS)


def stable_baselines(root: Path) -> Series:
    """Stable-Baselines3: a zip of zips, and no metric."""
    names = []
    for stage in stages():
        names.append(f"rl_model_{stage.step}_steps.zip")
        members: dict[str, bytes] = {"data": json.dumps(_sb3_data(stage), indent=4).encode()}
        tensors: dict[str, Any] = {
            "pytorch_variables.pth": {},
            "policy.pth": stage.weights,
            "policy.optimizer.pth": stage.optimizer,
        }
        for name, value in tensors.items():
            buffer = io.BytesIO()
            torch.save(value, buffer)
            members[name] = buffer.getvalue()
        members["_stable_baselines3_version"] = b"2.9.2"
        members["system_info.txt"] = b"- OS: Linux\n"
        root.mkdir(exist_ok=True)
        with zipfile.ZipFile(root / names[-1], "w") as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name), content)
    return archives(root, names, SB3_MEMBERS)


def _sb3_data(stage: Stage) -> dict[str, Any]:
    return {
        "policy_class": {":type:": "<class 'abc.ABCMeta'>", "__module__": "x"},
        "num_timesteps": stage.step,
        "_total_timesteps": 60,
        "learning_rate": 5e-3,
        "n_envs": 1,
    }


def archives(root: Path, names: list[str], kinds: dict[str, Part]) -> Series:
    """The series of archives whose members are parts."""
    parts = tuple(
        replace(part, path=names[-1], sibling=names[-2], member=member)
        for member, part in kinds.items()
    )
    return Series(root=root, checkpoints=tuple((name,) for name in names), parts=parts)


def _member(kind: Kind, **more: object) -> Part:
    return rule("", kind, **more)[1]


SB3_MEMBERS = {
    # the class of the policy stands there: without it the framework loads nothing
    "data": _member(Kind.STATE, costs=ODD | LOST_STATE | LOST_WEIGHTS),
    "pytorch_variables.pth": _member(Kind.STATE),
    "policy.pth": _member(Kind.WEIGHTS),
    "policy.optimizer.pth": _member(Kind.OPTIMIZER),
    "_stable_baselines3_version": _member(Kind.TEXT),
    "system_info.txt": _member(Kind.TEXT),
}
NEMO_MEMBERS = {
    "./model_config.yaml": _member(Kind.ARGS, costs=SOUND | ODD | LOST_STATE | LOST_WEIGHTS),
    "./model_weights.ckpt": _member(
        Kind.WEIGHTS,
        unseen={"swapped": "all else is the same in every archive: it is the older one"},
    ),
}
