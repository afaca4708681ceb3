"""What a watch tells: one event a line."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType

from ckptdoctor.finding import Evidence, Finding, Severity
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Event", "EventKind"]


class EventKind(enum.Enum):
    """What happened."""

    START = "start"
    CHECKPOINT = "checkpoint"
    EPOCH = "epoch"
    FINDING = "finding"
    STALL = "stall"
    RESUMED = "resumed"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: what it is.
        time_s: when, in seconds since 1970.
        message: a sentence.
        command: what to run; "" for nothing.
        severity: None where nothing is wrong.
        code: of the finding; "" without one.
        path: the checkpoint or the log; None where it is about neither.
        epoch: that it is about; None where it is about none.
        findings: of a checkpoint, worst first.
        data: figures for machines.
        known: it was there when the watch began; no reason for an alert.
    """

    kind: EventKind
    time_s: float
    message: str
    severity: Severity | None = None
    code: str = ""
    path: Path | None = None
    epoch: int | float | None = None
    findings: tuple[Finding, ...] = ()
    data: Mapping[str, Evidence] = field(default_factory=lambda: MappingProxyType({}))
    known: bool = False
    command: str = ""
