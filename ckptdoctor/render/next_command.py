"""The exact command to go on with."""

from __future__ import annotations

import shlex

from ckptdoctor.finding import Verdict
from ckptdoctor.report import Report

__all__ = ["next_command"]


def next_command(report: Report) -> str:
    """The command that makes the last good checkpoint the one to resume from; "" if all is well."""
    good = report.last_good
    if good is None or all(row.verdict is Verdict.HEALTHY for row in report.checkpoints):
        return ""
    if good.path.stem == "best_model_clean":  # it was restored already
        return ""
    return f"ckptdoctor restore --from {shlex.quote(str(good.path))}"
