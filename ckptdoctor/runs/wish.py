"""What the user says of the metric and of the logs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.metadata import Mode

if TYPE_CHECKING:
    from ckptdoctor.runs.logs import LogPattern

__all__ = ["Wish"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the user says of the metric and of the logs.

    Attributes:
        metric: its name; "" for the one that the run is found to be judged by.
        mode: which direction is better; None for what the name tells.
        logs: further logs, which speak for every checkpoint.
        pattern: how to read lines of logs, from ``compile_pattern``; None for the usual ways.
        may_come: whether the metric may be named before anything of it is there, as in a watch.
        finds_logs: whether to look for logs beside the checkpoints.
    """

    metric: str = ""
    mode: Mode | None = None
    logs: tuple[Path, ...] = ()
    pattern: LogPattern | None = None
    may_come: bool = False
    finds_logs: bool = True
