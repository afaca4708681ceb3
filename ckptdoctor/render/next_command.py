"""The exact command to go on with."""

from __future__ import annotations

from ckptdoctor.finding import Verdict
from ckptdoctor.report import Report
from ckptdoctor.shell import command_line

__all__ = ["next_command"]


def next_command(report: Report) -> str:
    """The command that makes the last good checkpoint the one to resume from; "" if all is well."""
    good = report.last_good
    if good is None or all(row.verdict is Verdict.HEALTHY for row in report.checkpoints):
        return ""
    if good.path.stem == "best_model_clean":  # it was restored already
        return ""
    return command_line("ckptdoctor", "restore", "--from", good.path)
