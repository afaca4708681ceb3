"""The guard in an Ignite engine: ``guard = attach(trainer, model, optimizer)``.

An engine's update function computes gradients and steps in one go, and no event lies between. So
the optimizer itself is asked to look before it steps, by torch's own hook, for as long as the
engine runs.
"""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events

from ckptdoctor.guard.training_guard import TrainingGuard
from ckptdoctor.guard.watchdog import HangWatchdog

__all__ = ["attach"]

_FOREIGN = {"scaler", "ema", "mode"}


def attach(
    engine: Engine,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    watchdog: HangWatchdog | None = None,
    **options: Any,
) -> TrainingGuard:
    """The guard, which looks at every step that ``optimizer`` takes while ``engine`` runs.

    A step of which the GradScaler knows that it overflows never gets to the optimizer, and is not
    counted. Save ``guard`` with Ignite's ``Checkpoint``: it has ``state_dict``.

    Args:
        engine: the trainer.
        model: that it trains.
        optimizer: that its update function steps.
        watchdog: beaten after every iteration; None for none.
        options: for :class:`TrainingGuard`, such as ``action="raise"``.
    """
    if taken := _FOREIGN & set(options):
        raise TypeError(f"{', '.join(sorted(taken))}: give that to the update function")
    guard = TrainingGuard(model, optimizer, mode="block", **options)
    handles: list[Any] = []

    def look(*_: object) -> None:
        guard.check()

    def end() -> None:
        while handles:
            handles.pop().remove()

    def begin() -> None:
        end()  # an earlier run may have ended by an exception
        handles.append(optimizer.register_step_pre_hook(look))

    def beat() -> None:
        if watchdog is not None:
            watchdog.beat(grad_norm=None if guard.last is None else guard.last.grad_norm)

    engine.add_event_handler(Events.STARTED, begin)
    engine.add_event_handler(Events.ITERATION_COMPLETED, beat)
    for over in (Events.COMPLETED, Events.TERMINATE, Events.INTERRUPT):
        engine.add_event_handler(over, end)
    return guard
