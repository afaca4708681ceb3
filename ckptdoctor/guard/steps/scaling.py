"""The GradScaler of mixed precision, told what the guard saw."""

from __future__ import annotations

from typing import Any

import torch
from torch.amp.grad_scaler import GradScaler, OptState

__all__ = ["Scaling"]


class Scaling:
    """One scaler, for the optimizers of one step.

    A scaler decides from the gradients of its own rank, and backs off when one of them is not
    finite. Here all ranks have to decide alike, and a bad loss counts as well.
    """

    def __init__(self, scaler: GradScaler) -> None:
        self.scaler = scaler

    @property
    def scale(self) -> torch.Tensor | None:
        """The loss scale, a 0-d tensor where the gradients are; None before its first use."""
        return self.scaler._get_scale_async()  # noqa: SLF001

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Divide the gradients by the scale, unless the caller did so to clip them."""
        if self._of(optimizer)["stage"] is OptState.READY:
            self.scaler.unscale_(optimizer)

    def mark(self, optimizer: torch.optim.Optimizer, flag: torch.Tensor) -> None:
        """Make the scaler believe ``flag``, a 0-d bool tensor; it is not waited for."""
        for found in self._of(optimizer)["found_inf_per_device"].values():
            found.copy_(flag)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Step, unless it was marked."""
        self.scaler.step(optimizer)

    def update(self) -> None:
        """Adapt the scale to what was found since the last update, if anything was."""
        states = self.scaler._per_optimizer_states.values()  # noqa: SLF001
        if any(state["found_inf_per_device"] for state in states):
            self.scaler.update()

    def lower_to(self, scale: float) -> None:
        """Keep a scale that has backed off from coming back with an older state."""
        if self.scaler.get_scale() > scale:
            self.scaler.update(scale)

    def read(self) -> float:
        """The scale; waits for the device."""
        return float(self.scaler.get_scale())

    def _of(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        return self.scaler._per_optimizer_states[id(optimizer)]  # noqa: SLF001
