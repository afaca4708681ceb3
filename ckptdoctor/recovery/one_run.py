"""The one run that a command is about; where there are several, which they are, and how to say."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from ckptdoctor.errors import SeveralRunsError, UsageError
from ckptdoctor.recovery.next_step import Asked, same_question
from ckptdoctor.report import Report, RunReport
from ckptdoctor.shell import command_line

__all__ = ["one_run"]

_MOST_RUNS = 20


def one_run(
    report: Report, name: str, command: str, asked: Asked, more: Sequence[str | Path] = ()
) -> RunReport | None:
    """The run that is meant; None where there is none.

    Args:
        report: ranked.
        name: the run that the user chose; "" for the only one.
        command: the command of ours that asks.
        asked: what the user asked.
        more: further words of the user's command.

    Raises:
        SeveralRunsError: there are several, and nothing chooses one; with the command for each.
        UsageError: no run has that name.
    """
    if name:
        found = [run for run in report.runs if name in (run.name, str(run.path))]
        if len(found) != 1:
            raise UsageError(_unknown(name, [run.name for run in report.runs]))
        return found[0]
    if len(report.runs) < 2:
        return next(iter(report.runs), None)
    lines = [
        line
        for run in report.runs[:_MOST_RUNS]
        for line in (
            f"  {run.name}: {_good(run)}",
            "    "
            + command_line("ckptdoctor", command, *same_question(run, asked, several=True), *more),
        )
    ]
    if len(report.runs) > _MOST_RUNS:
        lines.append(f"  … and {len(report.runs) - _MOST_RUNS} more: ckptdoctor scan lists them")
    raise SeveralRunsError(
        f"{len(report.runs)} runs are here, and a score of one says nothing about another: "
        "choose one with --run",
        *lines,
    )


def _good(run: RunReport) -> str:
    good = run.last_good
    if good is None:
        return "no checkpoint of it is fit to go on from"
    return f"last good {good.path.name} ({good.reason})"


def _unknown(name: str, known: Sequence[str]) -> str:
    if not known:
        return f"--run {name}: there is no run here"
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
    listed = ", ".join(known[:_MOST_RUNS])
    return f"--run {name}: no run has that name; the nearest is {nearest!r}, there are: {listed}"
