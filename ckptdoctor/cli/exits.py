"""Exit codes, the same for every command and every output format."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from ckptdoctor.cli.options import FailOn

if TYPE_CHECKING:
    from ckptdoctor.render.machine.tally import Tally
    from ckptdoctor.report import Report

__all__ = ["Exit", "exit_for"]


class Exit(IntEnum):
    """What the process tells its caller."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    NOTHING = 3  # nothing to examine
    REFUSED = 4  # nothing was written
    BUG = 70
    INTERRUPTED = 130


def exit_for(report: Report | Tally, fail_on: FailOn) -> Exit:
    """The exit code for a report: a bug of ours first, then findings."""
    if report.crashes:
        return Exit.BUG
    threshold, worst = fail_on.severity, report.worst()
    if threshold is not None and worst is not None and worst >= threshold:
        return Exit.FINDINGS
    return Exit.OK
