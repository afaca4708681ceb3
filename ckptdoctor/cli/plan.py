"""``ckptdoctor plan``: how to go on, as commands that are ready to run."""

from __future__ import annotations

import math
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.options import (
    CommandOption,
    JobsOption,
    LogOption,
    LogPatternOption,
    MetricOption,
    ModeOption,
    NoCacheOption,
    NoColorOption,
    OutputOption,
    PathsArgument,
    QuietOption,
    RunOption,
    TargetOption,
    VerboseOption,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ckptdoctor.checkpoint import Scalar

__all__ = ["plan", "stored_scalars"]


class _Format(Enum):
    """How the plan is written."""

    TABLE = "table"
    JSON = "json"


def plan(
    paths: PathsArgument = None,
    *,
    run: RunOption = "",
    command: CommandOption = "",
    added: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT",
            help="What was added before it went wrong: deep-supervision, ema, augmentation, "
            "batch-size:X2. Repeatable.",
            show_default=False,
        ),
    ] = None,
    scale_lr: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR",
            help="This factor for the learning rate, in place of what the evidence asks for; 1 "
            "keeps the rate.",
            show_default=False,
        ),
    ] = None,
    lr_flag: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FLAG",
            help="A flag of the command that holds a learning rate; repeatable. Default: those "
            "whose name ends in lr, but for floors such as --min-lr.",
            show_default=False,
        ),
    ] = None,
    resume_flag: Annotated[
        str,
        typer.Option(
            metavar="FLAG", help="The flag that takes the checkpoint.", show_default=False
        ),
    ] = "",
    earlier: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Checkpoints of an earlier run, for option B.", show_default=False
        ),
    ] = None,
    target: TargetOption = None,
    log: LogOption = None,
    log_pattern: LogPatternOption = "",
    metric: MetricOption = "",
    mode: ModeOption = None,
    fmt: Annotated[
        _Format, typer.Option("--format", "-f", help="How to write the plan.")
    ] = _Format.TABLE,
    output: OutputOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = 0,
    no_color: NoColorOption = False,
    jobs: JobsOption = None,
    no_cache: NoCacheOption = False,
) -> int:
    """Plan the restart: ready commands to resume safely, with the reason for every change.

    A resumes from the last good checkpoint, B from an earlier one, C starts afresh. The command is
    your own, with another checkpoint, another folder and a smaller learning rate. The factors are
    rules of thumb. Nothing is run and nothing is written.
    """
    from ckptdoctor.cli.output import write_result
    from ckptdoctor.cli.work import examine_paths, screen_for, wish_of
    from ckptdoctor.errors import UsageError
    from ckptdoctor.recovery.command_line import parse_command
    from ckptdoctor.recovery.lr_rules import parse_added
    from ckptdoctor.recovery.plan import make_plan
    from ckptdoctor.recovery.rewrite import Request

    request = Request(
        command=command,
        added=parse_added(added or []),
        lr_flags=tuple(lr_flag or ()),
        resume_flag=resume_flag,
        target=target,
        factor=scale_lr,
    )
    if scale_lr is not None and not 0.0 < scale_lr < math.inf:
        raise UsageError(f"--scale-lr {scale_lr:g}: a factor above 0 is needed, such as 0.5")
    if target is not None and not math.isfinite(target):
        raise UsageError(f"--target {target}: a number is needed")
    if command:
        parse_command(command)  # what cannot be parsed is said before the work begins
    wish = wish_of(log, log_pattern, metric, mode)
    report = examine_paths(paths or [], jobs=jobs, quiet=quiet, wish=wish, cached=not no_cache)
    before = (
        None
        if earlier is None
        else examine_paths([earlier], jobs=jobs, quiet=quiet, wish=None, cached=not no_cache)
    )
    if report is None and (_leads_nowhere(paths or []) or (before is None and not command)):
        return Exit.NOTHING
    from ckptdoctor.recovery.next_step import Asked
    from ckptdoctor.recovery.one_run import one_run
    from ckptdoctor.report import Report

    asked = Asked(paths=tuple(paths or ()), wish=wish)
    more = ("--command", command) if command else ()
    chosen = one_run(report or Report(), run, "plan", asked, more)
    several = report is not None and len(report.runs) > 1
    made = make_plan(
        chosen, request, earlier=before, stored=stored_scalars, asked=asked, several=several
    )
    if fmt is _Format.JSON:
        from ckptdoctor.render.machine.plan import plan_json

        text = plan_json(made)
    else:
        from ckptdoctor.render.console.plan import plan_text

        verbosity = -1 if quiet else verbose
        text = plan_text(made, screen_for(output, verbosity=verbosity, no_color=no_color))
    write_result(text, output)
    return Exit.OK


def _leads_nowhere(paths: list[Path]) -> bool:
    """Whether one of the paths is not there: a plan for another run than was meant is none."""
    return any(not path.exists() for path in paths)


def stored_scalars(path: Path) -> Mapping[str, Scalar] | None:
    """What a checkpoint stores; None where it cannot be read."""
    from ckptdoctor.errors import CheckpointError
    from ckptdoctor.layouts.describe import describe
    from ckptdoctor.runs.discover import checkpoint_at

    try:
        return describe(checkpoint_at(path)).scalars
    except (CheckpointError, OSError):
        return None
