"""What an autopsy costs beside a scan of the same run, in processor time of whole processes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

__all__ = ["cost_lines"]

_ROUNDS = 3
_SHAPES = (
    ("10 files of 12 large tensors", 12, 512, 10),
    ("12 files of 300 small ones", 300, 8, 12),
)


def cost_lines(folder: Path) -> Iterator[str]:
    """A line a run and command: seconds, and how many times those of the scan."""
    for name, tensors, side, files in _SHAPES:
        run = folder / name.replace(" ", "-")
        _write(run, tensors, side, files)
        scan = _least("scan", run)
        yield f"{name}: scan {scan:.2f} s"
        for words in (("autopsy",), ("autopsy", "--quick")):
            took = _least(*words, run)
            yield f"{name}: {' '.join(words)} {took:.2f} s, {took / scan:.1f} times the scan"


def _write(folder: Path, tensors: int, side: int, files: int) -> None:
    """A run with the states of AdamW."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    weights = {f"layers.{at}.weight": torch.randn(side, side) for at in range(tensors)}
    state = {
        at: {"exp_avg": torch.randn(side, side), "exp_avg_sq": torch.rand(side, side)}
        for at in range(tensors)
    }
    groups = [{"lr": 1e-3, "betas": (0.9, 0.999), "params": list(range(tensors))}]
    for epoch in range(files):
        for weight in weights.values():
            weight.add_(1e-3 * torch.randn(side, side))
        saved = {"epoch": epoch, "model_state_dict": weights}
        saved["optimizer_state_dict"] = {"state": state, "param_groups": groups}
        torch.save(saved, folder / f"epoch_{epoch}.pth")


def _least(*words: str | Path) -> float:
    """The least processor time of a few rounds, in seconds."""
    return min(_once(*words) for _ in range(_ROUNDS))


def _once(*words: str | Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "ckptdoctor", *map(str, words), "--no-cache"]
    subprocess.run(command, check=False, capture_output=True, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
