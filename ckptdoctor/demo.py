"""The run that ``ckptdoctor demo`` makes: real checkpoints of a small net that really diverged.

The curve is that of the run this program was made for: IoU 0.6413 at epoch 88, a slow decline from
89, collapse at 98, NaN from then on. Weights and optimizer states come from a real net under a real
optimizer; from epoch 98 its gradients are NaN, as they are when a loss explodes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ckptdoctor.destination import in_the_way
from ckptdoctor.shell import command_line

__all__ = ["DemoFolderError", "make_demo_run"]

_MARKER = ".ckptdoctor-demo"
_LAST_EPOCH = 101
_BEST_EPOCH = 88
_COLLAPSE_EPOCH = 98
_FIRST_SAVED = 60
_EVERY = 5
_DECLINE = (0.6371, 0.6345, 0.6312, 0.6274, 0.6231, 0.6165, 0.6093, 0.5987, 0.5742)


class DemoFolderError(Exception):
    """The folder cannot be used; the message says why and what to do."""


def make_demo_run(folder: Path) -> Path:
    """Make the run, and return the folder of its checkpoints.

    Args:
        folder: new, empty, or one that an earlier demo made.

    Raises:
        DemoFolderError: it holds something else.
        OSError: a file in it cannot be written.
    """
    marker = folder / _MARKER
    if folder.exists() and not marker.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DemoFolderError(
            f"{folder} exists and was not made by this demo; name another folder: "
            + command_line("ckptdoctor", "demo", folder.with_name(f"{folder.name}-2"))
        )
    checkpoints = folder / "checkpoints"
    try:
        checkpoints.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise DemoFolderError(f"{folder} cannot be made: {why}; name another folder") from error
    for place in (marker, log := folder / "training.log", *checkpoints.iterdir()):
        if kind := in_the_way(place):
            raise DemoFolderError(f"{place} is {kind}, which this demo did not make: move it away")
    for restored in checkpoints.glob("best_model_clean.*"):
        restored.unlink()
    marker.write_text("Made by `ckptdoctor demo`; safe to delete.\n", encoding="utf-8")
    log.write_text(_train(checkpoints), encoding="utf-8")
    return checkpoints


def _score(epoch: int) -> float:
    """The IoU of an epoch."""
    if epoch <= _BEST_EPOCH:
        return 0.6413 * (1.0 - 0.42 * math.exp(-epoch / 19.0)) / (1.0 - 0.42 * math.exp(-88 / 19.0))
    if epoch < _COLLAPSE_EPOCH:
        return _DECLINE[epoch - _BEST_EPOCH - 1]
    return 0.0022 if epoch == _COLLAPSE_EPOCH else math.nan


def _saved(epoch: int) -> Iterator[str]:
    """The files that the training script writes after an epoch."""
    if epoch % _EVERY == 0 or epoch in (_BEST_EPOCH, _COLLAPSE_EPOCH):
        yield f"checkpoint_epoch_{epoch}.pth"
    if epoch == _LAST_EPOCH:
        yield "last.pth"
        yield "best_model.pth"  # overwritten by a clean-up script that copied the last one


def _train(checkpoints: Path) -> str:
    """Train, save, collapse; returns the log."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a missing numpy, which we do not use
        import torch

    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, padding=1),
        torch.nn.BatchNorm2d(16),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 16, 3, padding=1),
        torch.nn.BatchNorm2d(16),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 1, 1),
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=120)
    lines: list[str] = []
    best = 0.0
    for epoch in range(_FIRST_SAVED - 1, _LAST_EPOCH + 1):
        score = _score(epoch)
        broken = epoch >= _COLLAPSE_EPOCH
        images = torch.randn(4, 3, 16, 16, generator=generator)
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            net(images), (images.mean(1, keepdim=True) > 0).float()
        )
        (loss * math.nan if broken else loss).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        scheduler.step()
        best = max(best, score)  # False for NaN: a frozen best, as in the story
        lr = optimizer.param_groups[0]["lr"]
        shown = "nan" if broken else f"{0.9 - score:.4f}"
        lines.append(f"Epoch {epoch}: Loss: {shown} | IoU: {score:.4f} | LR: {lr:.6f}\n")
        state: dict[str, Any] = {
            "epoch": epoch,
            "model_state_dict": net.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
            "scheduler_state_dict": scheduler.state_dict(),
            "best_iou": round(best, 4),
        }
        for name in _saved(epoch):
            state["epoch"] = _BEST_EPOCH if name == "best_model.pth" else epoch
            torch.save(state, checkpoints / name)
    return "".join(lines)
