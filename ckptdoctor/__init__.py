"""A doctor for PyTorch checkpoints: finds NaN and damage, and the file to go on from.

``scan`` examines files and folders, ``open_checkpoint`` describes one file, ``diff`` compares two,
``repair`` puts a flipped bit right.
``free_gpu_memory`` gives back what a dead run still holds; ``ckptdoctor.guard`` goes into the
training loop. Nothing in a checkpoint is ever executed. Every name below is imported when it is
first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ckptdoctor.version import __version__

if TYPE_CHECKING:
    from ckptdoctor.api import DiffReport, ScanReport, diff, open_checkpoint, repair, scan
    from ckptdoctor.checkpoint import (
        Checkpoint,
        GlobalUse,
        Problem,
        Role,
        StorageRef,
        TensorRecord,
        TensorStats,
    )
    from ckptdoctor.difference import Change, Difference, Movement, Reshaped, TensorDifference
    from ckptdoctor.errors import (
        CheckpointError,
        CkptDoctorError,
        CorruptCheckpointError,
        DestinationError,
        LimitExceededError,
        NonFiniteError,
        NothingToExamineError,
        RestoreError,
        SaveError,
        TrainingStalledError,
        TruncatedCheckpointError,
        UnknownFormatError,
        UnsupportedCheckpointError,
        UsageError,
    )
    from ckptdoctor.finding import Finding, Severity, Verdict
    from ckptdoctor.histories import Alarm, AlarmKind, History, Point, Shift, Span
    from ckptdoctor.memory import DeviceMemory, FreedMemory, HeldName, free_gpu_memory
    from ckptdoctor.metadata import Metadata, Metric
    from ckptdoctor.recovery.repair.flip import Certainty, Flip, FlipIn, GivenBack, Repaired
    from ckptdoctor.report import (
        CheckpointReport,
        Crash,
        LastGood,
        Place,
        Report,
        TensorTotals,
    )

__all__ = [
    "Alarm",
    "AlarmKind",
    "Certainty",
    "Change",
    "Checkpoint",
    "CheckpointError",
    "CheckpointReport",
    "CkptDoctorError",
    "CorruptCheckpointError",
    "Crash",
    "DestinationError",
    "DeviceMemory",
    "DiffReport",
    "Difference",
    "Finding",
    "Flip",
    "FlipIn",
    "FreedMemory",
    "GivenBack",
    "GlobalUse",
    "HeldName",
    "History",
    "LastGood",
    "LimitExceededError",
    "Metadata",
    "Metric",
    "Movement",
    "NonFiniteError",
    "NothingToExamineError",
    "Place",
    "Point",
    "Problem",
    "Repaired",
    "Report",
    "Reshaped",
    "RestoreError",
    "Role",
    "SaveError",
    "ScanReport",
    "Severity",
    "Shift",
    "Span",
    "StorageRef",
    "TensorDifference",
    "TensorRecord",
    "TensorStats",
    "TensorTotals",
    "TrainingStalledError",
    "TruncatedCheckpointError",
    "UnknownFormatError",
    "UnsupportedCheckpointError",
    "UsageError",
    "Verdict",
    "__version__",
    "diff",
    "free_gpu_memory",
    "open_checkpoint",
    "repair",
    "scan",
]

_HOMES = {
    "api": ("DiffReport", "ScanReport", "diff", "open_checkpoint", "repair", "scan"),
    "checkpoint": (
        *("Checkpoint", "GlobalUse", "Problem", "Role"),
        *("StorageRef", "TensorRecord", "TensorStats"),
    ),
    "difference": ("Change", "Difference", "Movement", "Reshaped", "TensorDifference"),
    "errors": (
        *("CheckpointError", "CkptDoctorError", "CorruptCheckpointError", "DestinationError"),
        *("LimitExceededError", "NonFiniteError", "NothingToExamineError"),
        *("RestoreError", "SaveError"),
        *("TrainingStalledError", "TruncatedCheckpointError", "UnknownFormatError"),
        *("UnsupportedCheckpointError", "UsageError"),
    ),
    "finding": ("Finding", "Severity", "Verdict"),
    "histories": ("Alarm", "AlarmKind", "History", "Point", "Shift", "Span"),
    "memory": ("DeviceMemory", "FreedMemory", "HeldName", "free_gpu_memory"),
    "metadata": ("Metadata", "Metric"),
    "recovery.repair.flip": ("Certainty", "Flip", "FlipIn", "GivenBack", "Repaired"),
    "report": ("CheckpointReport", "Crash", "LastGood", "Place", "Report", "TensorTotals"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # a type checker would take any name for a good one

    def __getattr__(name: str) -> object:
        home = _HOME_OF.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{home}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
