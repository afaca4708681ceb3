"""A callback for Lightning: ``Trainer(callbacks=[GuardCallback()])``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from ckptdoctor.guard.training_guard import TrainingGuard
from ckptdoctor.guard.watchdog import HangWatchdog

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
elif "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
    from pytorch_lightning import Callback
else:
    try:
        from lightning.pytorch import Callback
    except ImportError:
        from pytorch_lightning import Callback

__all__ = ["GuardCallback"]


class GuardCallback(Callback):
    """Looks at the gradients before every optimizer step, and at the loss before every backward.

    Works with automatic optimization: gradient accumulation, mixed precision, gradient clipping,
    several devices. With manual optimization use :class:`TrainingGuard` itself.

    Args:
        watchdog: beaten after every batch; None for none.
        options: for :class:`TrainingGuard`, such as ``action="rollback"``. Leave clipping, the
            scaler and EMA to Lightning.

    Attributes:
        guard: made when training begins; None before that.
    """

    def __init__(self, *, watchdog: HangWatchdog | None = None, **options: Any) -> None:
        refuse_what_the_framework_does("Lightning", options)
        self.guard: TrainingGuard | None = None
        self._watchdog = watchdog
        self._options = options
        self._state: dict[str, Any] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the guard, now that weights and optimizers are what they will be.

        Raises:
            RuntimeError: the module optimizes by itself.
        """
        if not pl_module.automatic_optimization:
            raise RuntimeError(
                "GuardCallback needs automatic optimization; in a manual loop use "
                "ckptdoctor.guard.TrainingGuard and its step()"
            )
        model = trainer.strategy.model if trainer.strategy.model is not None else pl_module
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
        self.guard = TrainingGuard(
            model, trainer.optimizers, scheduler=schedulers, mode="block", **self._options
        )
        if self._state is not None:
            self.guard.load_state_dict(self._state)

    def on_before_backward(
        self,
        trainer: Trainer,  # noqa: ARG002  (Lightning's signature)
        pl_module: LightningModule,  # noqa: ARG002
        loss: torch.Tensor,
    ) -> None:
        """Note the loss, that of every micro-batch."""
        if self.guard is not None:
            self.guard.observe(loss)

    def on_before_optimizer_step(
        self,
        trainer: Trainer,
        pl_module: LightningModule,  # noqa: ARG002
        optimizer: torch.optim.Optimizer,
    ) -> None:
        """Look at the step that Lightning is about to take."""
        if self.guard is not None:
            scaler = getattr(trainer.precision_plugin, "scaler", None)
            scale = None if scaler is None else float(scaler.get_scale())
            self.guard.check(optimizer=_one_of(trainer.optimizers, optimizer), loss_scale=scale)

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """A sign of life."""
        if self._watchdog is not None:
            last = self.guard.last if self.guard is not None else None
            self._watchdog.beat(grad_norm=None if last is None else last.grad_norm)

    def state_dict(self) -> dict[str, Any]:
        """What Lightning stores in its checkpoints."""
        return {} if self.guard is None else self.guard.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where the guard of the checkpoint was."""
        self._state = dict(state_dict) or None
        if self.guard is not None and self._state is not None:
            self.guard.load_state_dict(self._state)


def refuse_what_the_framework_does(framework: str, options: Mapping[str, Any]) -> None:
    """Say at once what cannot work.

    Raises:
        TypeError: an option that belongs to the framework.
    """
    taken = {"scaler", "ema", "mode", "scheduler"} & set(options)
    if taken:
        raise TypeError(f"{', '.join(sorted(taken))}: that is {framework}'s own business")


def _one_of(
    optimizers: list[torch.optim.Optimizer], wanted: torch.optim.Optimizer
) -> torch.optim.Optimizer:
    """The optimizer as the guard knows it; Lightning hands out wrappers of the same groups."""
    return next(
        (one for one in optimizers if one is wanted or one.param_groups is wanted.param_groups),
        wanted,
    )
