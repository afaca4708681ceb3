"""A callback for the Hugging Face Trainer: ``Trainer(..., callbacks=[GuardCallback()])``.

The Trainer hides NaN: with ``logging_nan_inf_filter``, which is on by default, a NaN loss is left
out of the mean that it logs, and ``loss: 0.0`` is all that is seen. So the gradients are looked at,
where the Trainer is about to step.
"""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from ckptdoctor.guard.training_guard import TrainingGuard
from ckptdoctor.guard.watchdog import HangWatchdog

__all__ = ["GuardCallback"]

_FOREIGN = {"scaler", "ema", "mode", "scheduler"}


class GuardCallback(TrainerCallback):
    """Looks at the gradients before every optimizer step of the Trainer.

    Args:
        watchdog: beaten after every step; None for none.
        options: for :class:`TrainingGuard`, such as ``action="raise"``. Clipping is the Trainer's
            own (``max_grad_norm``), and so is the scaler.

    Attributes:
        guard: made when training begins; None before that.
    """

    def __init__(self, *, watchdog: HangWatchdog | None = None, **options: Any) -> None:
        if taken := _FOREIGN & set(options):
            raise TypeError(f"{', '.join(sorted(taken))}: that is the Trainer's own business")
        self.guard: TrainingGuard | None = None
        self._watchdog = watchdog
        self._options = options
        self._state: dict[str, Any] | None = None

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,  # noqa: ARG002  (the Trainer's signature)
        control: TrainerControl,  # noqa: ARG002
        **objects: Any,
    ) -> None:
        """Make the guard.

        Raises:
            RuntimeError: DeepSpeed steps by itself, and no callback is asked before.
        """
        if getattr(args, "deepspeed", None):
            raise RuntimeError("DeepSpeed steps by itself: the guard cannot look before it does")
        scheduler = objects.get("lr_scheduler")
        self.guard = TrainingGuard(
            objects["model"],
            _bare(objects["optimizer"]),
            scheduler=None if scheduler is None else getattr(scheduler, "scheduler", scheduler),
            mode="block",
            **self._options,
        )
        if self._state is not None:
            self.guard.load_state_dict(self._state)

    def on_pre_optimizer_step(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **objects: Any,
    ) -> None:
        """Look at the step that the Trainer is about to take."""
        if self.guard is not None:
            scaler = getattr(objects.get("optimizer"), "scaler", None)
            self.guard.check(loss_scale=None if scaler is None else float(scaler.get_scale()))

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """A sign of life."""
        if self._watchdog is not None:
            last = self.guard.last if self.guard is not None else None
            self._watchdog.beat(grad_norm=None if last is None else last.grad_norm)

    def state_dict(self) -> dict[str, Any]:
        """Counters, to be kept by the caller: the Trainer stores no state of callbacks."""
        return {} if self.guard is None else self.guard.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another guard was, from the beginning of the training on."""
        self._state = dict(state) or None


def _bare(optimizer: Any) -> Any:
    """The optimizer within Accelerate's wrapper."""
    return getattr(optimizer, "optimizer", optimizer)
