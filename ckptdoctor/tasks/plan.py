"""What ``plan`` does: the run that is meant, and its restart options."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ckptdoctor.errors import UsageError
from ckptdoctor.recovery.command_line import parse_command
from ckptdoctor.recovery.next_step import Asked
from ckptdoctor.recovery.one_run import one_run
from ckptdoctor.recovery.plan import Plan, make_plan
from ckptdoctor.recovery.rewrite import Request
from ckptdoctor.report import Report
from ckptdoctor.runs.wish import Wish
from ckptdoctor.tasks.examine import Examine
from ckptdoctor.tasks.stored import stored_scalars

__all__ = ["plan"]


def plan(
    paths: Sequence[Path],
    request: Request,
    examine: Examine,
    *,
    wish: Wish | None = None,
    run: str = "",
    earlier: Path | None = None,
) -> Plan | None:
    """The restart options; None where the paths name nothing that a plan could be about.

    Args:
        paths: where to look; none for the usual places.
        request: what the user wants.
        examine: asked for the ranking.
        wish: what the user says of metric and logs.
        run: the run that is meant; "" for the only one.
        earlier: checkpoints of an earlier run; None without.

    Raises:
        SeveralRunsError: several runs are here, and nothing chooses one.
        UsageError: the request contradicts itself, or its command is none.
    """
    factor, target = request.factor, request.target
    if factor is not None and not 0.0 < factor < math.inf:
        raise UsageError(f"--scale-lr {factor:g}: a factor above 0 is needed, such as 0.5")
    if target is not None and not math.isfinite(target):
        raise UsageError(f"--target {target}: a number is needed")
    command = request.command
    if command:
        parse_command(command)  # what cannot be parsed is said before the work begins
    report = examine(paths, wish)
    before = None if earlier is None else examine([earlier], None)
    if report is None and (_leads_nowhere(paths) or (before is None and not command)):
        return None
    asked = Asked(paths=tuple(paths), wish=wish)
    more = ("--command", command) if command else ()
    chosen = one_run(report or Report(), run, "plan", asked, more)
    several = report is not None and len(report.runs) > 1
    return make_plan(
        chosen, request, earlier=before, stored=stored_scalars, asked=asked, several=several
    )


def _leads_nowhere(paths: Sequence[Path]) -> bool:
    """Whether one of the paths is not there: a plan for another run than was meant is none."""
    return any(not path.exists() for path in paths)
