"""Runs whose every number is known: what chance or a machine decides is in none of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.builders import save

__all__ = ["RUNS", "hostile", "one", "turned_to_nan"]

_EPOCHS, _BAD = 12, 8
_LAYERS, _SIDE = 4, 6
_HOSTILE = "<b>|`x`\x1b[2J\u202e"


def turned_to_nan(folder: Path) -> Path:
    """A metric that declines, then NaN in all weights and states from one checkpoint on."""

    def values(epoch: int) -> tuple[float, float]:
        if epoch >= _BAD:
            return math.nan, math.nan
        decline = 0.02 * max(0, epoch - 4)
        return 0.9 - 0.05 * epoch, 0.5 + 0.02 * min(epoch, 4) - decline

    return _write(folder, "layers", lambda epoch: math.nan if epoch >= _BAD else 1.0, values)


def hostile(folder: Path) -> Path:
    """One element is overwritten; every name is an attack on some format."""

    def values(epoch: int) -> tuple[float, float]:
        return 0.9 - 0.05 * epoch, 0.5 + 0.02 * epoch

    return _write(folder / "a <i>b|`c`", _HOSTILE, lambda _: 1.0, values, element=3e4)


def one(folder: Path) -> Path:
    """One checkpoint, and no log."""
    return _write(folder, "layers", lambda _: 1.0, None, epochs=1)


def _write(
    folder: Path,
    name: str,
    factor: Callable[[int], float],
    values: Callable[[int], tuple[float, float]] | None,
    *,
    element: float = 0.0,
    epochs: int = _EPOCHS,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for epoch in range(epochs):
        weights = {
            f"{name}.{layer}.weight": _weight(layer, epoch) * factor(epoch)
            for layer in range(_LAYERS)
        }
        if element and epoch >= _BAD:
            weights[f"{name}.1.weight"][2, 3] = element
        state: dict[str, Any] = {"epoch": epoch, "model_state_dict": weights}
        save(folder / f"epoch_{epoch}.pth", state | _optimizer(epoch, factor(epoch)))
        if values is not None:
            loss, score = values(epoch)
            lines.append(f"Epoch {epoch}: Loss: {loss:.4f} | IoU: {score:.4f} | LR: 0.001\n")
    if values is not None:
        (folder / "train.log").write_text("".join(lines), encoding="utf-8")
    return folder


def _weight(layer: int, epoch: int) -> Tensor:
    """A weight that takes a short step each epoch."""
    places = torch.arange(_SIDE * _SIDE, dtype=torch.float64).reshape(_SIDE, _SIDE)
    step = 0.004 * epoch + 0.0004 * (epoch * (layer + 1) % 3)
    return (((places * (layer + 3)) % 11 - 5.25) / 8 + step * ((places % 3) - 1)).float()


def _optimizer(epoch: int, factor: float) -> dict[str, Any]:
    state = {
        layer: {
            "step": torch.tensor(100.0 * (epoch + 1)),
            "exp_avg": torch.full((_SIDE, _SIDE), 1e-3) * factor,
            "exp_avg_sq": torch.full((_SIDE, _SIDE), 1e-5 * (1 + epoch % 3 / 10)) * factor,
        }
        for layer in range(_LAYERS)
    }
    groups = [{"lr": 1e-3, "betas": (0.9, 0.999), "params": list(range(_LAYERS))}]
    return {"optimizer_state_dict": {"state": state, "param_groups": groups}}


RUNS: Mapping[str, Callable[[Path], Path]] = {
    "nan": turned_to_nan,
    "hostile": hostile,
    "one": one,
}
"""By the name of the golden files, what makes the run."""
