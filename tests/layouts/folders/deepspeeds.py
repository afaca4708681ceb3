"""What DeepSpeed leaves of two data-parallel ranks: ZeRO 0 to 3, bf16, experts, universal.

Source: folders that DeepSpeed 0.19.8 wrote on one rank of a CPU (``test_twins.py``), and its own
``zero_to_fp32.py`` for how two ranks share the flat groups out.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from tests.layouts.folders.distributed import pointer
from tests.layouts.folders.huggingface import RNG_UNSEEN, trainer_files
from tests.layouts.folders.training import Stage, adamw, stages
from tests.layouts.folders.truth import (
    LOST_STATE,
    LOST_WEIGHTS,
    ODD,
    Kind,
    Rules,
    Series,
    folder_series,
    rule,
)
from tests.layouts.folders.writing import foreign, instance, save, write

VERSION = "0.19.8"
RANKS = 2
FLAT = (("*fp32*", Kind.WEIGHTS),)
WITHIN = (("optimizer.*fp32_groups*", Kind.WEIGHTS), ("optimizer.*", Kind.OPTIMIZER))
CONSTANT_RATE = {"swapped": "groups alone, without a step: equal wherever the rate is constant"}
# the masters are lost, and the model's file still holds the weights, maybe in fewer bits
MASTERS = LOST_STATE | LOST_WEIGHTS
RULES = (
    rule("*expp_rank_*_optim_states.pt", Kind.OPTIMIZER),
    rule("*_optim_states.pt", Kind.OPTIMIZER, inside=FLAT, costs=MASTERS),
    rule("layer_*_expert_*_model_states.pt", Kind.WEIGHTS),
    rule("*mp_rank_*_model_states.pt", Kind.WEIGHTS, inside=WITHIN),
)

RULES_OF_3 = (
    rule("*_optim_states.pt", Kind.OPTIMIZER, inside=FLAT),
    # placeholders: no weight is lost with it, but nothing can be put together without it
    rule("*_model_states.pt", Kind.INDEX, costs=LOST_STATE | LOST_WEIGHTS),
)


def zero_1(root: Path) -> Series:
    """ZeRO 1."""
    return _series(root, 1)


def zero_2(root: Path) -> Series:
    """ZeRO 2."""
    return _series(root, 2)


def zero_3(root: Path) -> Series:
    """ZeRO 3: the weights lie in the optimizer's files alone."""
    return _series(root, 3, rules=RULES_OF_3)


def bf16(root: Path) -> Series:
    """bf16 weights, fp32 masters in ``bf16_zero_…``."""
    return _series(root, 1, dtype=torch.bfloat16)


def no_zero(root: Path) -> Series:
    """Without ZeRO: the optimizer lies in the model's file, which is all that there is."""
    return _series(root, 0, rules=(rule("mp_rank_*", Kind.WEIGHTS, inside=WITHIN, whole=True),))


def experts(root: Path) -> Series:
    """A mixture of two experts: files of their own, the optimizer one for each expert rank."""
    names = []
    for stage in stages():
        names.append(f"global_step{stage.step}")
        folder = root / names[-1]
        module = {k: v for k, v in stage.weights.items() if not k.startswith("body")}
        model = _model_file(stage, 0, module=module)
        model |= {"num_experts": [2], "expert_parallel_size": 2}
        model["optimizer"] = adamw(module.values(), stage)
        save(model, folder / "mp_rank_00_model_states.pt")
        for expert in range(2):
            prefix = f"body.deepspeed_moe.experts.deepspeed_experts.{expert}"
            half = stage.weights["body.weight"][expert * 16 : expert * 16 + 16].clone()
            name = f"layer_0_expert_{expert}_mp_rank_00_model_states.pt"
            save({f"{prefix}.weight": half}, folder / name)
            state = {"optimizer": adamw([half], stage)}
            save(state, folder / f"expp_rank_{expert}_mp_rank_00_optim_states.pt")
        _beside(root, names[-1])
    return folder_series(root, names, RULES, pointer("latest"))


def universal(root: Path) -> Series:
    """``ds_to_universal``: a folder a parameter, with its master and its moments."""
    names = []
    for stage in stages():
        names.append(f"global_step{stage.step}_universal")
        folder = root / names[-1]
        save(_model_file(stage, 1), folder / "mp_rank_00_model_states.pt")
        named = zip(stage.weights, stage.optimizer["state"].values(), strict=True)
        for name, state in named:
            place = folder / "zero" / name
            save({"param": stage.weights[name]}, place / "fp32.pt")
            for key in ("exp_avg", "exp_avg_sq"):
                save({"param": state[key].clone()}, place / f"{key}.pt")
        groups = stage.optimizer["param_groups"]
        save({"param_groups": groups}, folder / "zero/optimizer_state.pt")
        write(root / "latest_universal", names[-1])
    rules = (
        rule("zero/*/fp32.pt", Kind.WEIGHTS),
        rule("zero/optimizer_state.pt", Kind.OPTIMIZER, unseen=CONSTANT_RATE),
        rule("zero/*", Kind.OPTIMIZER),
        rule("mp_rank_*", Kind.WEIGHTS),
    )
    return folder_series(root, names, rules, pointer("latest_universal"))


def trainer_zero_2(root: Path) -> Series:
    """transformers' Trainer on DeepSpeed: ``checkpoint-N/global_stepN`` and ``latest`` within."""
    names = []
    for stage in stages():
        names.append(f"checkpoint-{stage.step}")
        folder = root / names[-1]
        _ranks(folder / f"global_step{stage.step}", stage, 2)
        _beside(folder, f"global_step{stage.step}")
        trainer_files(folder, stage, ranks=RANKS)
        (folder / "optimizer.pt").unlink()
    rules = (
        *((f"global_step*/{pattern}", part) for pattern, part in RULES),
        rule("scheduler.pt", Kind.SCHEDULER),
        rule("rng_state*.pth", Kind.RNG, unseen=RNG_UNSEEN),
        rule("trainer_state.json", Kind.STATE),
        rule("training_args.bin", Kind.ARGS),
        rule("latest", Kind.POINTER, costs=ODD | LOST_STATE),  # a resume ends without it
        rule("zero_to_fp32.py", Kind.TEXT),
    )
    return folder_series(root, names, rules)


def _series(
    root: Path, stage_of_zero: int, *, dtype: torch.dtype = torch.float32, rules: Rules = RULES
) -> Series:
    names = []
    for stage in stages():
        names.append(f"global_step{stage.step}")
        _ranks(root / names[-1], stage, stage_of_zero, dtype=dtype)
        _beside(root, names[-1])
    return folder_series(root, names, rules, pointer("latest"))


def _beside(root: Path, tag: str) -> None:
    write(root / "latest", tag)
    write(root / "zero_to_fp32.py", "#!/usr/bin/env python\n")


def _ranks(folder: Path, stage: Stage, zero: int, *, dtype: torch.dtype = torch.float32) -> None:
    if zero < 3:
        module = {name: value.to(dtype) for name, value in stage.weights.items()}
        save(_model_file(stage, zero, module=module), folder / "mp_rank_00_model_states.pt")
    for rank in range(RANKS if zero else 0):
        if zero == 3:
            name = f"zero_pp_rank_{rank}_mp_rank_00_model_states.pt"
            empty = {key: torch.empty(0) for key in stage.weights}
            save(_model_file(stage, zero, module=empty), folder / name)
        flavour = "bf16_" if dtype == torch.bfloat16 else ""
        name = f"{flavour}zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
        _save_optimizer(folder / name, stage, zero, rank)


def _model_file(
    stage: Stage, zero: int, *, module: dict[str, torch.Tensor] | None = None
) -> dict[str, Any]:
    shapes = OrderedDict((name, value.shape) for name, value in stage.weights.items())
    return {
        "module": OrderedDict(stage.weights if module is None else module),
        "buffer_names": [],
        "optimizer": None if zero else stage.optimizer,
        "param_shapes": [shapes] if zero else None,
        "frozen_param_shapes": None,
        "shared_params": {},
        "frozen_param_fragments": None,
        "lr_scheduler": None,
        "data_sampler": None,
        "random_ltd": None,
        "sparse_tensor_module_names": set(),
        "skipped_steps": 0,
        "global_steps": stage.step,
        "global_samples": stage.step * 8,
        "dp_world_size": RANKS,
        "mp_world_size": 1,
        "ds_config": {"train_batch_size": 8, "zero_optimization": {"stage": zero}},
        "ds_version": VERSION,
        "epoch": stage.epoch,
        "val_acc": stage.score,
    }


def _save_optimizer(path: Path, stage: Stage, zero: int, rank: int) -> None:
    state = stage.optimizer
    each = state["state"].values()
    flat = _mine([value.flatten() for value in stage.weights.values()], rank, zero)
    moments = {
        "step": torch.tensor(float(stage.step)),
        "exp_avg": _mine([one["exp_avg"].flatten() for one in each], rank, zero),
        "exp_avg_sq": _mine([one["exp_avg_sq"].flatten() for one in each], rank, zero),
    }
    base = {"state": {0: moments}, "param_groups": [{**state["param_groups"][0], "params": [0]}]}
    module, scaling = "deepspeed.runtime.zero.config", "deepspeed.runtime.fp16.loss_scaler"
    with foreign(module, "ZeroStageEnum"), foreign(scaling, "LossScaler") as scaler:
        import sys

        levels = IntEnum("ZeroStageEnum", {f"stage_{at}": at for at in range(4)}, module=module)  # type: ignore[misc]
        with patch.object(sys.modules[module], "ZeroStageEnum", levels):
            document: dict[str, Any] = {
                "loss_scaler": instance(scaler, cur_scale=1.0, dynamic=False),
                "dynamic_loss_scale": False,
                "overflow": False,
                "zero_stage": levels(zero),
            }
            if zero == 3:
                document |= {
                    "partition_count": RANKS,
                    "optimizer_state_dict": base,
                    "fp32_flat_groups": [flat],
                }
            else:
                document |= {
                    "clip_grad": 1.0,
                    "base_optimizer_state": base,
                    "single_partition_of_fp32_groups": [flat],
                    "group_paddings": [0],
                    "partition_count": [RANKS],
                    "ds_version": VERSION,
                }
            whole = {
                "optimizer_state_dict": document,
                "ds_config": {"zero_optimization": {"stage": zero}},
                "ds_version": VERSION,
            }
            save(whole, path)


def _mine(pieces: list[torch.Tensor], rank: int, zero: int) -> torch.Tensor:
    """One rank's part: of all in a row, or with ZeRO 3 of each parameter, both padded."""
    if zero < 3:
        pieces = [torch.cat(pieces)]
    halves = []
    for piece in pieces:
        each = -(-piece.numel() // RANKS)
        padded = torch.nn.functional.pad(piece, (0, each * RANKS - piece.numel()))
        halves.append(padded[rank * each : (rank + 1) * each])
    return torch.cat(halves).clone()
