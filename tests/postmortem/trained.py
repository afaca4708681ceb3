"""A small run on disk, whose weights take steps of a known length, with one fault in it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["EPOCHS", "ONSET", "STEPS", "Fault", "flip", "freeze", "poison", "raise_rate", "run_of"]

EPOCHS, ONSET, STEPS = 12, 9, 50
Fault = Callable[[int, nn.Module, torch.optim.Optimizer], None]


def _net() -> nn.Module:
    def block(wide: int, narrow: int) -> nn.Module:
        return nn.Sequential(nn.Linear(wide, narrow), nn.BatchNorm1d(narrow), nn.ReLU())

    return nn.Sequential(block(6, 8), block(8, 8), block(8, 8), nn.Linear(8, 2))


def run_of(folder: Path, fault: Fault | None = None, *, log: bool = True, **extra: Any) -> Path:
    """Train a little, save every epoch; one that was trained before is written again.

    Args:
        folder: that the run goes to.
        fault: is called once an epoch, before its steps.
        log: whether there is one.
        extra: of every file.
    """
    if extra:
        return _train(folder, fault, log=log, **extra)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in _trained(fault, log=log).items():
        (folder / name).write_bytes(data)
    return folder


@functools.cache
def _trained(fault: Fault | None, *, log: bool) -> Mapping[str, bytes]:
    with TemporaryDirectory() as folder:
        run = _train(Path(folder), fault, log=log)
        return {path.name: path.read_bytes() for path in sorted(run.iterdir())}


def _train(folder: Path, fault: Fault | None, *, log: bool, **extra: Any) -> Path:
    torch.manual_seed(0)
    net = _net()
    groups = [{"params": [one]} for one in net.parameters()]
    optimizer = torch.optim.AdamW(groups, lr=2e-3, foreach=False)
    folder.mkdir(parents=True, exist_ok=True)
    features = torch.randn(64, 6)
    labels = (features.sum(1) > 0).long()
    lines = []
    for epoch in range(EPOCHS):
        if fault is not None:
            fault(epoch, net, optimizer)
        loss = _epoch(net, optimizer, features, labels)
        lines.append(f"Epoch {epoch}: Loss: {float(loss):.4f} | IoU: {0.5 + epoch / 100:.4f}\n")
        state = {
            "epoch": epoch,
            "model_state_dict": net.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
        }
        torch.save(state | extra, folder / f"epoch_{epoch}.pth")
    if log:
        (folder / "train.log").write_text("".join(lines), encoding="utf-8")
    return folder


def _epoch(
    net: nn.Module, optimizer: torch.optim.Optimizer, features: Tensor, labels: Tensor
) -> Tensor:
    loss = torch.zeros(())
    for _ in range(STEPS // 10):
        batch = torch.randint(64, (32,))
        loss = nn.functional.cross_entropy(net(features[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return loss.detach()


def flip(epoch: int, net: nn.Module, _: torch.optim.Optimizer) -> None:
    """One element of a weight becomes by far the largest."""
    if epoch == ONSET:
        with torch.no_grad():
            net[1][0].weight[3, 2] = 40.0  # type: ignore[index]


def freeze(epoch: int, net: nn.Module, _: torch.optim.Optimizer) -> None:
    """One norm is left in eval mode."""
    if epoch >= ONSET:
        net[1][1].eval()  # type: ignore[index]


def raise_rate(epoch: int, net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """The rate of one tensor doubles every epoch."""
    if epoch >= ONSET - 3:
        names = [name for name, _ in net.named_parameters()]
        optimizer.param_groups[names.index("2.0.weight")]["lr"] *= 2.0


def poison(epoch: int, net: nn.Module, _: torch.optim.Optimizer) -> None:
    """Everything turns to NaN at once."""
    if epoch == ONSET:
        with torch.no_grad():
            for one in net.parameters():
                one.fill_(float("nan"))
