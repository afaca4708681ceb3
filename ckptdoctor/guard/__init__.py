"""What lives inside the training loop: checks before each step, saves that cannot be half done.

``TrainingGuard`` keeps NaN from the weights, ``LRAdvisor`` reads the metric after each epoch,
``safe_save`` and ``CheckpointKeeper`` write checkpoints, ``HangWatchdog`` notices a loop that
stands still. This room is used next to torch and imports it; nothing else here imports this room.
Every name below is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ckptdoctor.errors import NonFiniteError, SaveError, TrainingStalledError
    from ckptdoctor.guard.advisor import Advice, LRAdvisor, Reason
    from ckptdoctor.guard.saving.keeper import CheckpointKeeper, Kept
    from ckptdoctor.guard.saving.saver import Check, SaveReport, safe_save
    from ckptdoctor.guard.steps.report import Action, GuardMode, OnSpike, StepReport
    from ckptdoctor.guard.training_guard import TrainingGuard
    from ckptdoctor.guard.watchdog import HangWatchdog, OnHang

__all__ = [
    "Action",
    "Advice",
    "Check",
    "CheckpointKeeper",
    "GuardMode",
    "HangWatchdog",
    "Kept",
    "LRAdvisor",
    "NonFiniteError",
    "OnHang",
    "OnSpike",
    "Reason",
    "SaveError",
    "SaveReport",
    "StepReport",
    "TrainingGuard",
    "TrainingStalledError",
    "safe_save",
]

_HOME_OF = {
    "Action": "ckptdoctor.guard.steps.report",
    "Advice": "ckptdoctor.guard.advisor",
    "Check": "ckptdoctor.guard.saving.saver",
    "CheckpointKeeper": "ckptdoctor.guard.saving.keeper",
    "HangWatchdog": "ckptdoctor.guard.watchdog",
    "Kept": "ckptdoctor.guard.saving.keeper",
    "LRAdvisor": "ckptdoctor.guard.advisor",
    "GuardMode": "ckptdoctor.guard.steps.report",
    "NonFiniteError": "ckptdoctor.errors",
    "OnHang": "ckptdoctor.guard.watchdog",
    "OnSpike": "ckptdoctor.guard.steps.report",
    "Reason": "ckptdoctor.guard.advisor",
    "SaveError": "ckptdoctor.errors",
    "SaveReport": "ckptdoctor.guard.saving.saver",
    "StepReport": "ckptdoctor.guard.steps.report",
    "TrainingGuard": "ckptdoctor.guard.training_guard",
    "TrainingStalledError": "ckptdoctor.errors",
    "safe_save": "ckptdoctor.guard.saving.saver",
}


if not TYPE_CHECKING:  # a type checker would take any name for a good one

    def __getattr__(name: str) -> object:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(home), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
