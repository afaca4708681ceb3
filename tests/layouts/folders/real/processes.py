"""torch.distributed.checkpoint in one process, and FSDP2 in two over gloo."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.layouts.folders.real.data import batches
from tests.layouts.folders.training import Net
from tests.leaving import leave


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def train(name: str, root: Path) -> None:
    """Three epochs of four steps, ``step-N`` after each."""
    _start(name, "train", [root])


def resume(name: str, paths: list[Path]) -> list[dict[str, torch.Tensor]]:
    """One epoch more from each."""
    saved = Path(os.environ.get("TMPDIR", "/tmp")) / f"ended-{os.getpid()}.pt"
    try:
        _start(name, "resume", paths, saved)
        ended: list[dict[str, torch.Tensor]] = torch.load(saved)
        return ended
    finally:
        saved.unlink(missing_ok=True)


def _start(name: str, what: str, paths: list[Path], saved: Path | None = None) -> None:
    if name == "dcp":
        _work(0, what, paths, saved, 0)
        return
    from torch.multiprocessing.spawn import spawn

    spawn(  # type: ignore[no-untyped-call]
        _work, args=(what, paths, saved, free_port()), nprocs=2
    )


def _work(rank: int, what: str, paths: list[Path], saved: Path | None, port: int) -> None:
    import torch.distributed as dist

    torch.set_num_threads(1)
    if port:
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        dist.init_process_group("gloo", rank=rank, world_size=2)
    if what == "train":
        _train(paths[0], shared=bool(port))
    else:
        ended = [_resumed(path, shared=bool(port)) for path in paths]
        if rank == 0:
            torch.save(ended, str(saved))
    if port:
        dist.destroy_process_group()
        leave()


def _train(root: Path, *, shared: bool) -> None:
    from torch.distributed.checkpoint.state_dict import get_state_dict
    from torch.distributed.checkpoint.state_dict_saver import save

    net, optimizer = _prepared(shared=shared)
    for epoch in (1, 2, 3):
        _epoch(net, optimizer)
        whole: dict[str, Any] = {"step": epoch * 4}
        if shared:
            whole["model"], whole["optimizer"] = get_state_dict(net, optimizer)
        else:
            whole |= {"model": net.state_dict(), "optim": optimizer.state_dict()}
        save(whole, checkpoint_id=str(root / f"step-{epoch * 4}"))


def _resumed(path: Path, *, shared: bool) -> dict[str, torch.Tensor]:
    from torch.distributed.checkpoint.state_dict import (
        StateDictOptions,
        get_model_state_dict,
        get_state_dict,
        set_state_dict,
    )
    from torch.distributed.checkpoint.state_dict_loader import load

    net, optimizer = _prepared(shared=shared)
    if not shared:
        _epoch(net, optimizer)  # it makes the state that is loaded into
        plain = {"model": net.state_dict(), "optim": optimizer.state_dict()}
        load(plain, checkpoint_id=str(path))
        net.load_state_dict(plain["model"])
        optimizer.load_state_dict(plain["optim"])
        _epoch(net, optimizer)
        return {name: value.clone() for name, value in net.state_dict().items()}
    model, state = get_state_dict(net, optimizer)
    whole: dict[str, Any] = {"model": model, "optimizer": state}
    load(whole, checkpoint_id=str(path))
    set_state_dict(
        net,
        optimizer,
        model_state_dict=whole["model"],
        optim_state_dict=whole["optimizer"],
    )
    _epoch(net, optimizer)
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    ended = get_model_state_dict(net, options=options)
    return {name: value.detach().clone() for name, value in ended.items()}  # type: ignore[union-attr]


def _epoch(net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for x, y in batches():
        optimizer.zero_grad()
        nn.functional.mse_loss(net(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _prepared(*, shared: bool) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    net = Net()
    if shared:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        fully_shard(net, mesh=init_device_mesh("cpu", (2,)))
    return net, torch.optim.AdamW(net.parameters(), lr=5e-3)
