"""Small ZeRO checkpoints, shared out among ranks as DeepSpeed does it."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tests.builders import save

__all__ = ["weights", "zero_folder"]

LEARNING_RATE = 1e-3


def weights() -> dict[str, torch.Tensor]:
    """Parameters whose sizes no number of ranks divides."""
    torch.manual_seed(0)
    return {
        "emb.weight": torch.randn(5, 7),
        "emb.bias": torch.randn(5),
        "out.weight": torch.randn(3, 5),
        "out.bias": torch.randn(()),
    }


def zero_folder(
    folder: Path, stage: int, ranks: int, *, nan_in: str = "", padding: float = 0.0
) -> dict[str, torch.Tensor]:
    """A tag folder; what its weights are, the buffers and a tied one among them.

    Args:
        folder: to make.
        stage: of ZeRO.
        ranks: that share the weights.
        nan_in: ``moments`` or ``weights``, those of the last rank.
        padding: what stands behind the shares of ZeRO 3, and behind their moments.
    """
    folder.mkdir(parents=True)
    params, frozen = weights(), torch.randn(3, 3)
    buffers = {"bn.running_mean": torch.randn(5).bfloat16(), "bn.count": torch.tensor(3)}
    flat = _zero_3(params, ranks, padding) if stage == 3 else _zero_2(params, ranks)
    if nan_in == "weights":
        flat[-1][0][0] = math.nan
    for rank in range(ranks):
        nan = nan_in == "moments" and rank == ranks - 1
        moments = [torch.rand(share.numel()) for share in flat[rank]]
        if stage == 3 and rank:
            like = _zero_3(
                {name: torch.rand(p.shape) for name, p in params.items()}, ranks, padding
            )
            moments = like[rank]
        _write_optimizer(folder, stage, rank, flat[rank], moments, ranks=ranks, nan=nan)
    for rank in range(ranks if stage == 3 else 1):
        model = _model(stage, rank, ranks, params, buffers, frozen, padding)
        name = f"zero_pp_rank_{rank}_" if stage == 3 else ""
        save(folder / f"{name}mp_rank_00_model_states.pt", model)
    (folder.parent / "latest").write_text(folder.name)
    return (
        {name: t.float() if t.is_floating_point() else t for name, t in buffers.items()}
        | {"frozen.weight": frozen}
        | params
        | {"tied.weight": params["emb.weight"]}
    )


def _zero_2(params: Mapping[str, torch.Tensor], ranks: int) -> list[list[torch.Tensor]]:
    """Two groups, each cut into equal shares; the last one without its padding."""
    names = list(params)
    shares: list[list[torch.Tensor]] = [[] for _ in range(ranks)]
    for group in (names[::2], names[1::2]):
        whole = torch.cat([params[name].flatten() for name in group])
        each = -(-whole.numel() // ranks)
        for rank in range(ranks):
            shares[rank].append(whole[rank * each : (rank + 1) * each].clone())
    return shares


def _zero_3(
    params: Mapping[str, torch.Tensor], ranks: int, padding: float
) -> list[list[torch.Tensor]]:
    """Each parameter cut, in two flat groups."""
    shares: list[list[torch.Tensor]] = [[] for _ in range(ranks)]
    for group in (list(params)[:2], list(params)[2:]):
        pieces = [_cut(params[name], ranks, padding) for name in group]
        for rank in range(ranks):
            shares[rank].append(torch.cat([piece[rank] for piece in pieces]))
    return shares


def _cut(tensor: torch.Tensor, ranks: int, padding: float) -> list[torch.Tensor]:
    each = -(-tensor.numel() // ranks)
    whole = torch.full((each * ranks,), padding, dtype=tensor.dtype)
    whole[: tensor.numel()] = tensor.flatten()
    return [whole[rank * each : (rank + 1) * each].clone() for rank in range(ranks)]


def _write_optimizer(
    folder: Path,
    stage: int,
    rank: int,
    flat: list[torch.Tensor],
    like: list[torch.Tensor],
    *,
    ranks: int,
    nan: bool,
) -> None:
    moments = {
        at: {
            "step": torch.tensor(3.0),
            "exp_avg": one.clone(),
            "exp_avg_sq": one.clone(),
        }
        for at, one in enumerate(like)
    }
    if nan:
        moments[0]["exp_avg"][0] = math.nan
    groups = [
        {"lr": LEARNING_RATE * 0.9, "initial_lr": LEARNING_RATE, "params": [at]}
        for at in range(len(flat))
    ]
    base = {"state": moments, "param_groups": groups}
    state: dict[str, Any] = {"zero_stage": stage, "partition_count": ranks}
    if stage == 3:
        state |= {"optimizer_state_dict": base, "fp32_flat_groups": flat}
    else:
        state |= {"base_optimizer_state": base, "single_partition_of_fp32_groups": flat}
    name = f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
    save(folder / name, {"optimizer_state_dict": state, "ds_version": "0.19.8"})


def _model(
    stage: int,
    rank: int,
    ranks: int,
    params: Mapping[str, torch.Tensor],
    buffers: Mapping[str, torch.Tensor],
    frozen: torch.Tensor,
    padding: float,
) -> dict[str, Any]:
    names = list(params)
    groups = [names] if stage == 3 else [names[::2], names[1::2]]
    placeholder = torch.empty(0, dtype=torch.bfloat16)
    module = {name: placeholder if stage == 3 else t.bfloat16() for name, t in params.items()}
    fragment = _cut(frozen, ranks, padding)[rank] if stage == 3 else frozen
    return {
        "module": OrderedDict(module | dict(buffers)),
        "buffer_names": list(buffers),
        "param_shapes": [OrderedDict((n, params[n].shape) for n in group) for group in groups],
        "frozen_param_shapes": OrderedDict({"frozen.weight": frozen.shape}),
        "frozen_param_fragments": OrderedDict({"frozen.weight": fragment}),
        "shared_params": {"tied.weight": "emb.weight"},
        "lr_scheduler": {"base_lrs": [LEARNING_RATE], "_last_lr": [LEARNING_RATE * 0.9]},
        "global_steps": 3,
        "dp_world_size": ranks,
        "mp_world_size": 1,
        "ds_version": "0.19.8",
    }
