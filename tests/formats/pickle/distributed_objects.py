"""What torch.distributed writes, from a group of one process."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint
import torch.distributed.fsdp
from torch import nn

__all__ = ["DISTRIBUTED", "group_of_one"]

checkpoint: Any = torch.distributed.checkpoint
dist: Any = torch.distributed  # most of what is used here is not exported explicitly
fsdp: Any = torch.distributed.fsdp


@contextmanager
def group_of_one() -> Iterator[None]:
    """A process group that holds this process alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        try:
            yield
        finally:
            dist.destroy_process_group()


def _wrapped() -> Any:
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    return fsdp.FullyShardedDataParallel(
        net,
        device_id=torch.device("cpu"),
        use_orig_params=True,
        auto_wrap_policy=fsdp.wrap.ModuleWrapPolicy({nn.Linear}),
        mixed_precision=fsdp.MixedPrecision(param_dtype=torch.bfloat16),
    )


def _state_of(kind: str, folder: Path) -> object:
    net: Any = _wrapped()
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    with fsdp.FullyShardedDataParallel.state_dict_type(net, fsdp.StateDictType[kind]):
        states: list[object] = [net.state_dict()]
        if kind != "LOCAL_STATE_DICT":
            states.append(fsdp.FullyShardedDataParallel.optim_state_dict(net, optimizer))
    return states


def _sharded(folder: Path) -> object:
    from torch.distributed._shard import sharded_tensor
    from torch.distributed._shard.sharding_spec import ChunkShardingSpec

    spec = ChunkShardingSpec(dim=0, placements=["rank:0/cpu"])
    sharded: Any = sharded_tensor
    return [sharded.ones(spec, 4, 4), sharded.rand(spec, 4, 4).metadata()]


def _distributed_tensor(folder: Path) -> object:
    from torch.distributed import tensor

    mesh = dist.device_mesh.init_device_mesh("cpu", (1, 1), mesh_dim_names=("data", "model"))
    kinds: list[list[tensor.Placement]] = [
        [tensor.Shard(0), tensor.Replicate()],
        [tensor.Replicate(), tensor.Replicate()],
    ]
    return [tensor.distribute_tensor(torch.ones(4, 4), mesh, placed) for placed in kinds]


def _fully_sharded(folder: Path) -> object:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    mesh = dist.device_mesh.init_device_mesh("cpu", (1,))
    fsdp.fully_shard(net, mesh=mesh)
    return net.state_dict()


def _metadata(folder: Path) -> object:
    state = {"net": nn.Linear(4, 2).state_dict(), "epoch": 3, "sharded": _sharded(folder)}
    return checkpoint.save(state, checkpoint_id=folder / "saved")


def _zero(folder: Path) -> object:
    from torch.distributed.optim import ZeroRedundancyOptimizer

    optimizer = ZeroRedundancyOptimizer(
        nn.Linear(2, 2).parameters(), optimizer_class=torch.optim.SGD, lr=0.1
    )
    optimizer.consolidate_state_dict()
    return optimizer.state_dict()


def _averaged(folder: Path) -> object:
    from torch.distributed.algorithms.ddp_comm_hooks import powerSGD_hook as power

    return power.PowerSGDState(None)


DISTRIBUTED: dict[str, Callable[[Path], object]] = {
    "sharded state": lambda folder: _state_of("SHARDED_STATE_DICT", folder),
    "local state": lambda folder: _state_of("LOCAL_STATE_DICT", folder),
    "full state": lambda folder: _state_of("FULL_STATE_DICT", folder),
    "sharded tensor": _sharded,
    "distributed tensor": _distributed_tensor,
    "fully sharded": _fully_sharded,
    "metadata": _metadata,
    "zero": _zero,
    "power": _averaged,
    "data parallel": lambda folder: nn.parallel.DistributedDataParallel(nn.Linear(2, 2)),
    "settings": lambda folder: [
        fsdp.ShardedStateDictConfig(),
        fsdp.CPUOffload(),
        fsdp.ShardingStrategy.FULL_SHARD,
        fsdp.BackwardPrefetch.BACKWARD_PRE,
        fsdp.StateDictType.SHARDED_STATE_DICT,
    ],
}
