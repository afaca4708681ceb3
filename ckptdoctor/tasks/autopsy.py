"""What ``autopsy`` does: the run that is meant, and what happened to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ckptdoctor.errors import NothingToExamineError, UsageError
from ckptdoctor.postmortem.document import Autopsy
from ckptdoctor.postmortem.figures import Looking
from ckptdoctor.postmortem.perform import perform
from ckptdoctor.recovery.command_line import parse_command
from ckptdoctor.recovery.next_step import Asked
from ckptdoctor.recovery.one_run import one_run
from ckptdoctor.report import Report
from ckptdoctor.runs.wish import Wish
from ckptdoctor.tasks.examine import Examine
from ckptdoctor.tasks.stored import stored_scalars

__all__ = ["autopsy"]


def autopsy(
    paths: Sequence[Path],
    examine: Examine,
    *,
    wish: Wish | None = None,
    run: str = "",
    quick: bool = False,
    target: float | None = None,
    command: str = "",
    jobs: int | None = None,
) -> tuple[Report, Autopsy] | None:
    """The report on what the paths name, and what happened to the run; None where there is none.

    Args:
        paths: where to look; none for the usual places.
        examine: asked for the ranking.
        wish: what the user says of metric and logs.
        run: the run that is meant; "" for the only one.
        quick: from the few elements that a scan keeps.
        target: of the metric, to estimate the time to.
        command: that the run was started with; "" for that in the log.
        jobs: threads.

    Raises:
        NothingToExamineError: no checkpoint is of a run: none of them holds a tensor.
        SeveralRunsError: several runs are here, and nothing chooses one.
        UsageError: the command or the target is none.
    """
    if target is not None and not math.isfinite(target):
        raise UsageError(f"--target {target}: a number is needed")
    if command:
        parse_command(command)  # what cannot be parsed is said before the work begins
    report = examine(paths, wish)
    if report is None:
        return None
    chosen = one_run(report, run, "autopsy", Asked(paths=tuple(paths), wish=wish))
    if chosen is None:
        where = ", ".join(map(str, paths)) or "here"
        raise NothingToExamineError(f"{where}: none of the checkpoints holds a tensor to look at")
    files = [one for one in paths if not one.is_dir()]
    asked = Asked(paths=tuple(files) or (chosen.path,), wish=wish)
    found = perform(
        chosen,
        stored_scalars,
        Looking(quick=quick, jobs=jobs),
        target=target,
        command=command,
        asked=asked,
        several=sum(one.path == chosen.path for one in report.runs) > 1,
    )
    return report, found
