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
    suffix = "".join(good.path.suffixes[-1:]) or ".pth"
    destination = good.path.with_name(f"best_model_clean{suffix}")
    return f"cp -n {shlex.quote(str(good.path))} {shlex.quote(str(destination))}"
