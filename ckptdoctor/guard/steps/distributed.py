"""One verdict on all ranks: every one adds its part, every one takes the same branch."""

from __future__ import annotations

import torch
import torch.distributed as dist

from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Ranks", "copies_of", "ranks_of", "whole"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """The processes that train one model together.

    Args:
        group: their process group; None is the default one.
        size: how many there are; 1 where nothing is to be agreed on.
        sharded: plain gradients are shards (FSDP1).
    """

    group: dist.ProcessGroup | None
    size: int
    sharded: bool

    def total(self, parts: torch.Tensor) -> torch.Tensor:
        """The sum over all ranks, on the device that ``parts`` came from; every rank must call."""
        if self.size == 1:
            return parts
        device = _device_of(self.group, parts.device)
        summed = parts.to(device)
        dist.all_reduce(summed, group=self.group)
        return summed.to(parts.device)

    def highest(self, value: int) -> int:
        """The highest value of any rank; every rank must call."""
        if self.size == 1:
            return value
        device = _device_of(self.group, torch.device("cpu"))
        highest = torch.tensor([value], device=device)
        dist.all_reduce(highest, op=dist.ReduceOp.MAX, group=self.group)
        return int(highest.item())


def ranks_of(model: torch.nn.Module, group: dist.ProcessGroup | None) -> Ranks:
    """Who trains along.

    Args:
        model: as it is trained; an FSDP1 wrapper says that plain gradients are shards.
        group: if given, those ranks and no others.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return Ranks(group=None, size=1, sharded=False)
    from torch.distributed.fsdp import FullyShardedDataParallel

    sharded = any(isinstance(module, FullyShardedDataParallel) for module in model.modules())
    return Ranks(group=group, size=dist.get_world_size(group), sharded=sharded)


def copies_of(grad: torch.Tensor, ranks: int, *, sharded: bool) -> tuple[torch.Tensor, float]:
    """The part of a gradient on this rank, and how many of the ranks hold that same part."""
    if ranks == 1 and type(grad) is torch.Tensor:
        return grad, 1.0
    mesh = getattr(grad, "device_mesh", None)
    if mesh is None:
        return grad, 1.0 if sharded else float(ranks)
    return _local(grad)


def whole(number: torch.Tensor | float) -> torch.Tensor | float:
    """A number that every rank knows, where each holds only a part of it; every rank must call."""
    full = getattr(number, "full_tensor", None)
    return number if full is None else full()


def _local(grad: torch.Tensor) -> tuple[torch.Tensor, float]:
    from torch.distributed.tensor import DTensor

    if not isinstance(grad, DTensor):
        raise NotImplementedError(f"a gradient of type {type(grad).__name__}")
    shards = 1
    for dim, placement in enumerate(grad.placements):
        if placement.is_partial():
            raise NotImplementedError(f"a gradient with placements {grad.placements}: reduce it")
        if placement.is_shard():
            shards *= grad.device_mesh.size(dim)
    return grad.to_local(), grad.device_mesh.size() / shards


def _device_of(group: dist.ProcessGroup | None, wanted: torch.device) -> torch.device:
    """Where the backend can reduce: NCCL has no CPU, gloo needs no GPU."""
    if dist.get_backend(group) == "nccl":
        return (
            wanted if wanted.type == "cuda" else torch.device("cuda", torch.cuda.current_device())
        )
    return torch.device("cpu") if dist.get_backend(group) == "gloo" else wanted
