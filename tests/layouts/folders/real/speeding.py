"""DeepSpeed on the CPU, two ranks over gloo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.layouts.folders.real.data import SCORES, batches
from tests.layouts.folders.real.processes import free_port
from tests.layouts.folders.training import Net
from tests.leaving import leave


def train(name: str, root: Path) -> None:
    """Three epochs of four steps, ``global_stepN`` after each."""
    _start(name, "train", [root], None)


def resume(name: str, paths: list[Path]) -> list[dict[str, torch.Tensor]]:
    """One epoch more from each: its tag is the folder's name."""
    saved = Path(os.environ.get("TMPDIR", "/tmp")) / f"ended-{os.getpid()}.pt"
    try:
        _start(name, "resume", paths, saved)
        ended: list[dict[str, torch.Tensor]] = torch.load(saved)
        return ended
    finally:
        saved.unlink(missing_ok=True)


def _start(name: str, what: str, paths: list[Path], saved: Path | None) -> None:
    from torch.multiprocessing.spawn import spawn

    spawn(  # type: ignore[no-untyped-call]
        _work, args=(int(name[-1]), what, paths, saved, free_port()), nprocs=2
    )


def _work(
    rank: int, zero: int, what: str, paths: list[Path], saved: Path | None, port: int
) -> None:
    os.environ |= {
        "DS_ACCELERATOR": "cpu",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "LOCAL_SIZE": "2",
    }
    torch.set_num_threads(1)
    import deepspeed

    deepspeed.init_distributed("gloo")
    if what == "train":
        engine = _engine(zero)
        for epoch, score in enumerate(SCORES, 1):
            _epoch(engine)
            engine.save_checkpoint(str(paths[0]), client_state={"epoch": epoch, "val_acc": score})
        leave()
    ended = []
    for path in paths:
        engine = _engine(zero)
        engine.load_checkpoint(str(path.parent), tag=path.name)
        _epoch(engine)
        ended.append(_weights(engine))
    if rank == 0:
        torch.save(ended, str(saved))
    leave()


def _weights(engine: Any) -> dict[str, torch.Tensor]:
    from deepspeed.utils import safe_get_full_fp32_param

    return {
        name: safe_get_full_fp32_param(value).detach().clone()
        for name, value in engine.module.named_parameters()
    }


def _epoch(engine: Any) -> None:
    for x, y in batches():
        loss = nn.functional.mse_loss(engine(x), y)
        engine.backward(loss)
        engine.step()


def _engine(zero: int) -> Any:
    import deepspeed

    torch.manual_seed(0)
    net = Net()
    configuration = {
        "train_batch_size": 16,
        "optimizer": {"type": "AdamW", "params": {"lr": 5e-3, "torch_adam": True}},
        "zero_optimization": {"stage": zero},
    }
    engine, *_ = deepspeed.initialize(
        model=net, model_parameters=net.parameters(), config=configuration
    )
    return engine
