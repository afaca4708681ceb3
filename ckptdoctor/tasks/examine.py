"""How a task has files examined: the command draws a bar and remembers, Python does neither."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.report import Report
from ckptdoctor.runs.wish import Wish

__all__ = ["Examine", "ExamineFiles", "Note"]

ExamineFiles = Callable[[Sequence[Path | CheckpointFiles]], Report]
"""The report on these checkpoints, with their details."""

Note = Callable[[str], object]
"""Told what the user should know, a sentence each."""


class Examine(Protocol):
    """The ranked report on what paths name."""

    def __call__(self, paths: Sequence[Path], wish: Wish | None) -> Report | None:
        """The report; None where the paths name nothing, which was said.

        Args:
            paths: none for the usual places.
            wish: what the user says of metric and logs.
        """
        ...
