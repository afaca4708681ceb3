"""``ckptdoctor autopsy``: what happened to a run, in order, and its recovery guide."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptdoctor.cli.exits import Exit, exit_for
from ckptdoctor.cli.options import (
    ClusterOption,
    CommandOption,
    FailOn,
    FailOnOption,
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
    from ckptdoctor.postmortem.document import Autopsy

__all__ = ["autopsy"]


class _Format(Enum):
    """How the autopsy is written."""

    TABLE = "table"
    MARKDOWN = "markdown"
    HTML = "html"
    JSON = "json"


_BY_SUFFIX = {
    ".html": _Format.HTML,
    ".htm": _Format.HTML,
    ".md": _Format.MARKDOWN,
    ".json": _Format.JSON,
}


def autopsy(
    paths: PathsArgument = None,
    *,
    run: RunOption = "",
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="From the few elements that a scan keeps; reads no file again."
        ),
    ] = False,
    target: TargetOption = None,
    command: CommandOption = "",
    log: LogOption = None,
    log_pattern: LogPatternOption = "",
    metric: MetricOption = "",
    mode: ModeOption = None,
    fmt: Annotated[
        _Format | None,
        typer.Option(
            "--format",
            "-f",
            help="How to write it. Default: what the suffix of -o says, else table.",
            show_default=False,
        ),
    ] = None,
    output: OutputOption = None,
    fail_on: FailOnOption = FailOn.NEVER,
    quiet: QuietOption = False,
    verbose: VerboseOption = 0,
    no_color: NoColorOption = False,
    jobs: JobsOption = None,
    no_cache: NoCacheOption = False,
    cluster: ClusterOption = "",
) -> int:
    """Say what happened to a run: what went bad first, why, and what to do about it.

    Over all checkpoints, tensor by tensor: which one left its own past first, which followed, and
    whether the optimizer knew before. Then the recovery guide of this run, with the causes ranked,
    the commands to restart, and thresholds from its own noise. Write it with -o report.html.
    """
    from ckptdoctor.cli.output import write_result
    from ckptdoctor.cli.work import examining, wish_of
    from ckptdoctor.tasks.autopsy import autopsy as perform

    done = perform(
        paths or [],
        examining(jobs=jobs, quiet=quiet, cached=not no_cache, cluster=cluster),
        wish=wish_of(log, log_pattern, metric, mode),
        run=run,
        quick=quick,
        target=target,
        command=command,
        jobs=jobs,
    )
    if done is None:
        return Exit.NOTHING
    report, found = done
    wanted = fmt or _by_suffix(output)
    verbosity = -1 if quiet else verbose
    write_result(_text(found, wanted, output, verbosity=verbosity, no_color=no_color), output)
    return exit_for(report, fail_on)


def _by_suffix(output: Path | None) -> _Format:
    suffix = "" if output is None else output.suffix.lower()
    return _BY_SUFFIX.get(suffix, _Format.TABLE)


def _text(
    found: Autopsy, fmt: _Format, output: Path | None, *, verbosity: int, no_color: bool
) -> str:
    match fmt:
        case _Format.HTML:
            from ckptdoctor.render.html.autopsy import autopsy_html

            return autopsy_html(found)
        case _Format.JSON:
            from ckptdoctor.render.machine.autopsy import autopsy_json

            return autopsy_json(found)
        case _Format.MARKDOWN:
            from ckptdoctor.render.machine.autopsy import autopsy_markdown

            return autopsy_markdown(found)
        case _Format.TABLE:
            from ckptdoctor.cli.work import screen_for
            from ckptdoctor.render.console.autopsy import autopsy_text

            screen = screen_for(output, verbosity=verbosity, no_color=no_color)
            return autopsy_text(found, screen)
