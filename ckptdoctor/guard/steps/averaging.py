"""The moving average of the weights, which takes part in good steps only."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["Averager"]


class Averager:
    """Whatever averages: an ``AveragedModel``, a callable that gets the model, or None.

    In "async" it is called at the start of the next step, once the verdict is there. The weights
    are still those after the step, so that the average is the same, a step late.
    """

    def __init__(self, ema: Any, model: torch.nn.Module) -> None:
        self._model = model
        self.modules = [ema] if isinstance(ema, torch.nn.Module) else []
        self._update = getattr(ema, "update_parameters", ema)
        if ema is not None and not callable(self._update):
            raise TypeError(f"ema must be an AveragedModel or a callable, not {type(ema).__name__}")

    def update(self) -> None:
        """Take the weights in."""
        if self._update is not None:
            self._update(self._model)
