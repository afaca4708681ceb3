"""``ckptdoctor plan``: how to go on, as commands that are ready to run."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.options import (
    ClusterOption,
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

__all__ = ["plan"]


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
    cluster: ClusterOption = "",
) -> int:
    """Plan the restart: ready commands to resume safely, with the reason for every change.

    A resumes from the last good checkpoint, B from an earlier one, C starts afresh. The command is
    your own, with another checkpoint, another folder and a smaller learning rate. The factors are
    rules of thumb. Nothing is run and nothing is written.
    """
    from ckptdoctor.cli.output import write_result
    from ckptdoctor.cli.work import examining, screen_for, wish_of
    from ckptdoctor.recovery.added import parse_added
    from ckptdoctor.recovery.rewrite import Request
    from ckptdoctor.tasks.plan import plan as plan_restart

    request = Request(
        command=command,
        added=parse_added(added or []),
        lr_flags=tuple(lr_flag or ()),
        resume_flag=resume_flag,
        target=target,
        factor=scale_lr,
    )
    made = plan_restart(
        paths or [],
        request,
        examining(jobs=jobs, quiet=quiet, cached=not no_cache, cluster=cluster),
        wish=wish_of(log, log_pattern, metric, mode),
        run=run,
        earlier=earlier,
    )
    if made is None:
        return Exit.NOTHING
    if fmt is _Format.JSON:
        from ckptdoctor.render.machine.plan import plan_json

        text = plan_json(made)
    else:
        from ckptdoctor.render.console.plan import plan_text

        verbosity = -1 if quiet else verbose
        text = plan_text(made, screen_for(output, verbosity=verbosity, no_color=no_color))
    write_result(text, output)
    return Exit.OK
