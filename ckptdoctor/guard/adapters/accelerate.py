"""The guard in a loop that Accelerate drives: ``guard.step(loss)``, not ``optimizer.step()``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from accelerate import Accelerator

from ckptdoctor.guard.steps.report import StepReport
from ckptdoctor.guard.training_guard import TrainingGuard

__all__ = ["AccelerateGuard"]

_FOREIGN = {"scaler", "ema", "mode"}


class AccelerateGuard:
    """Steps a prepared optimizer, unless the loss or a gradient is not finite.

    Knows ``accelerator.accumulate``: between two steps it only notes the loss. Gradients are
    unscaled before they are looked at. Register it for checkpointing with
    ``accelerator.register_for_checkpointing(guard)``.

    Args:
        accelerator: that prepared both.
        model: as ``accelerator.prepare`` returned it.
        optimizer: likewise.
        options: for :class:`TrainingGuard`, such as ``max_norm=1.0``.

    Attributes:
        guard: with its counters.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: torch.nn.Module,
        optimizer: Any,
        **options: Any,
    ) -> None:
        if taken := _FOREIGN & set(options):
            raise TypeError(f"{', '.join(sorted(taken))}: that is Accelerate's own business")
        self._accelerator = accelerator
        self._optimizer = optimizer
        bare = getattr(optimizer, "optimizer", optimizer)
        self.guard = TrainingGuard(model, bare, mode="block", **options)

    def step(self, loss: torch.Tensor | float | None = None) -> StepReport | None:
        """Call it after ``accelerator.backward(loss)``, in place of ``optimizer.step()``.

        Returns:
            What was seen; None where gradients are still being accumulated.

        Raises:
            NonFiniteError: as :meth:`TrainingGuard.step`.
        """
        if not self._accelerator.sync_gradients:
            self.guard.observe(loss)
            return None
        self._accelerator.unscale_gradients(self._optimizer)
        scaler = getattr(self._accelerator, "scaler", None)
        scale = None if scaler is None else float(scaler.get_scale())
        report = self.guard.check(loss, loss_scale=scale)
        self._optimizer.step()
        return report

    def state_dict(self) -> dict[str, Any]:
        """What ``accelerator.save_state`` stores."""
        return self.guard.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the guard of the checkpoint was."""
        self.guard.load_state_dict(state)
