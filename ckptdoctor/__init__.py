"""A doctor for PyTorch checkpoints: finds NaN and damage, and the file to go on from.

``scan`` examines files and folders, ``rank`` puts them in order, ``inspect`` and
``open_checkpoint`` look into one, ``diff`` compares two. ``history`` is the metric over the epochs,
``plan`` says how to go on, ``restore`` writes the clean file to go on from, ``repair`` puts a
flipped bit right.
``free_gpu_memory`` gives back what a dead run still holds; ``ckptdoctor.guard`` goes into the
training loop. Nothing in a checkpoint is ever executed. Every name below is imported when it is
first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ckptdoctor.version import __version__

if TYPE_CHECKING:
    from ckptdoctor.api.looking import diff, history, inspect, open_checkpoint, rank, scan
    from ckptdoctor.api.recovering import autopsy, plan, repair, restore
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
        ExhaustedError,
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
    from ckptdoctor.recovery.option import Option
    from ckptdoctor.recovery.plan import Plan
    from ckptdoctor.recovery.repair.flip import Certainty, Flip, FlipIn, GivenBack, Repaired
    from ckptdoctor.recovery.restored import Restored
    from ckptdoctor.report import (
        CheckpointReport,
        Crash,
        LastGood,
        Place,
        Report,
        RunReport,
        TensorTotals,
    )
    from ckptdoctor.results.diff import DiffReport
    from ckptdoctor.results.history import HistoryReport
    from ckptdoctor.results.inspect import InspectReport, TensorReport
    from ckptdoctor.results.scan import RankReport, ScanReport
    from ckptdoctor.results.ways import AutopsyReport, PlanReport, RepairReport, RestoreReport

__all__ = [
    "Alarm",
    "AlarmKind",
    "AutopsyReport",
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
    "ExhaustedError",
    "Finding",
    "Flip",
    "FlipIn",
    "FreedMemory",
    "GivenBack",
    "GlobalUse",
    "HeldName",
    "History",
    "HistoryReport",
    "InspectReport",
    "LastGood",
    "LimitExceededError",
    "Metadata",
    "Metric",
    "Movement",
    "NonFiniteError",
    "NothingToExamineError",
    "Option",
    "Place",
    "Plan",
    "PlanReport",
    "Point",
    "Problem",
    "RankReport",
    "RepairReport",
    "Repaired",
    "Report",
    "Reshaped",
    "RestoreError",
    "RestoreReport",
    "Restored",
    "Role",
    "RunReport",
    "SaveError",
    "ScanReport",
    "Severity",
    "Shift",
    "Span",
    "StorageRef",
    "TensorDifference",
    "TensorRecord",
    "TensorReport",
    "TensorStats",
    "TensorTotals",
    "TrainingStalledError",
    "TruncatedCheckpointError",
    "UnknownFormatError",
    "UnsupportedCheckpointError",
    "UsageError",
    "Verdict",
    "__version__",
    "autopsy",
    "diff",
    "free_gpu_memory",
    "history",
    "inspect",
    "open_checkpoint",
    "plan",
    "rank",
    "repair",
    "restore",
    "scan",
]

_HOMES = {
    "api.looking": ("diff", "history", "inspect", "open_checkpoint", "rank", "scan"),
    "api.recovering": ("autopsy", "plan", "repair", "restore"),
    "checkpoint": (
        *("Checkpoint", "GlobalUse", "Problem", "Role"),
        *("StorageRef", "TensorRecord", "TensorStats"),
    ),
    "difference": ("Change", "Difference", "Movement", "Reshaped", "TensorDifference"),
    "errors": (
        *("CheckpointError", "CkptDoctorError", "CorruptCheckpointError", "DestinationError"),
        *("ExhaustedError", "LimitExceededError", "NonFiniteError", "NothingToExamineError"),
        *("RestoreError", "SaveError"),
        *("TrainingStalledError", "TruncatedCheckpointError", "UnknownFormatError"),
        *("UnsupportedCheckpointError", "UsageError"),
    ),
    "finding": ("Finding", "Severity", "Verdict"),
    "histories": ("Alarm", "AlarmKind", "History", "Point", "Shift", "Span"),
    "memory": ("DeviceMemory", "FreedMemory", "HeldName", "free_gpu_memory"),
    "metadata": ("Metadata", "Metric"),
    "recovery.option": ("Option",),
    "recovery.plan": ("Plan",),
    "recovery.repair.flip": ("Certainty", "Flip", "FlipIn", "GivenBack", "Repaired"),
    "recovery.restored": ("Restored",),
    "report": (
        *("CheckpointReport", "Crash", "LastGood", "Place", "Report", "RunReport", "TensorTotals"),
    ),
    "results.diff": ("DiffReport",),
    "results.history": ("HistoryReport",),
    "results.inspect": ("InspectReport", "TensorReport"),
    "results.scan": ("RankReport", "ScanReport"),
    "results.ways": ("AutopsyReport", "PlanReport", "RepairReport", "RestoreReport"),
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
