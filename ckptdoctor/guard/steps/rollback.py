"""Going back to the last snapshot with a lower learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ckptdoctor.guard.learning_rate import scale_learning_rate
from ckptdoctor.guard.steps.running_stats import RunningStats
from ckptdoctor.guard.steps.scaling import Scaling
from ckptdoctor.guard.steps.snapshot import Snapshots, Stateful

__all__ = ["Rollback"]


class Rollback:
    """Takes snapshots while training goes well, and goes back to them.

    Args:
        modules: whose parameters and buffers go back.
        stats: running statistics of the model, which go back too.
        optimizers: whose state and learning rate go back; the latter is then lowered.
        schedulers: likewise.
        scaling: goes back too, but its scale never rises by that.
        every: good steps between two snapshots.
        device: where they lie; None is beside the tensors.
        lr_factor: by which the learning rate is lowered, each time.
        most: how many times.
    """

    def __init__(
        self,
        *,
        modules: list[torch.nn.Module],
        stats: RunningStats,
        optimizers: list[torch.optim.Optimizer],
        schedulers: list[Any],
        scaling: Scaling | None,
        every: int,
        device: torch.device | None,
        lr_factor: float,
        most: int,
    ) -> None:
        self._optimizers = optimizers
        self._schedulers = schedulers
        self._scaling = scaling
        self._every = every
        self._lr_factor = lr_factor
        self._most = most
        others = [*schedulers, *([] if scaling is None else [scaling.scaler])]
        of = Stateful(
            modules=modules,
            optimizers=optimizers,
            others=others,
            left_out=stats.live,
            instead=stats.kept,
        )
        self._snapshots = Snapshots(of, device)
        self._stats = stats
        self._good_steps = 0
        self._first_unrest = self._last_unrest = 0  # steps; 0 is none
        self._lr_scale = 1.0
        self.count = 0

    @property
    def exhausted(self) -> bool:
        """Whether it was done as often as it may be."""
        return self.count >= self._most

    @property
    def needless(self) -> bool:
        """Whether no step was ever taken, so that there is nothing to undo."""
        return self._snapshots.empty

    def note_unrest(self, step: int) -> None:
        """Remember that norm or loss of a step stood out: so begins an explosion."""
        self._first_unrest = self._first_unrest or step
        self._last_unrest = step

    def note_calm_step(self, step: int) -> None:
        """Copy the training as it is after ``step``, if there is no copy or an old one."""
        if self._first_unrest and step - self._last_unrest >= self._every:
            self._first_unrest = 0
        self._good_steps += 1
        if self._snapshots.empty or (self._good_steps >= self._every and not self._first_unrest):
            self._snapshots.take(step, self._lr_scale)
            self._good_steps = 0

    def go_back(self, step: int) -> tuple[int, float]:
        """Restore; the step gone back to, and by what the first learning rate is multiplied now.

        Args:
            step: that was bad. A snapshot is not trusted if it is younger than half the distance
                between two, or if the step after it was not calm: weights show in the next loss.
        """
        scale = None if self._scaling is None else self._scaling.read()
        latest = step - self._every // 2
        if self._first_unrest:
            latest = min(latest, self._first_unrest - 2)
        back_at, lr_scale_then = self._snapshots.restore(latest)
        self._stats.put_back()
        if self._scaling is not None and scale is not None:
            self._scaling.lower_to(scale)
        self._lr_scale *= self._lr_factor
        scale_learning_rate(self._optimizers, self._schedulers, self._lr_scale / lr_scale_then)
        self.count += 1
        self._good_steps = self._first_unrest = 0
        return back_at, self._lr_scale

    def state_dict(self) -> dict[str, Any]:
        """Counters; no snapshot, as the checkpoint they are saved in is one."""
        return {"count": self.count, "lr_scale": self._lr_scale}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on counting; snapshots of the training before are forgotten."""
        self.count, self._lr_scale = int(state["count"]), float(state["lr_scale"])
        self._good_steps = self._first_unrest = 0
        self._snapshots.forget()
