"""``ckptdoctor rank``: backups from best to worst, and why each stands where it does."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from ckptdoctor.cli.exits import Exit, exit_for
from ckptdoctor.cli.options import (
    ClusterOption,
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
)

__all__ = ["rank"]


class _Format(Enum):
    """How the ranking is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def rank(
    paths: PathsArgument = None,
    *,
    metric: MetricOption = "",
    mode: ModeOption = None,
    log: LogOption = None,
    log_pattern: LogPatternOption = "",
    fmt: Annotated[_Format, typer.Option("--format", "-f", help="How to write the ranking.")] = (
        _Format.TABLE
    ),
    output: OutputOption = None,
    fail_on: FailOnOption = FailOn.ERROR,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
    jobs: JobsOption = None,
    no_cache: NoCacheOption = False,
    cluster: ClusterOption = "",
) -> int:
    """Rank backups from best to worst, each with the reason for its place.

    By verdict, then by this file's own score (its own key, or the log's value for its epoch), then
    by epoch. A best score that is only carried along counts for the first file that holds it; a
    score inside a decline or after a collapse never wins.
    """
    from ckptdoctor.cli.configured import report_settled
    from ckptdoctor.cli.output import write_result
    from ckptdoctor.cli.work import examine_paths, note_silent_logs, wish_of
    from ckptdoctor.report import Report

    wish = wish_of(log, log_pattern, metric, mode)
    report = examine_paths(
        paths or [], jobs=jobs, quiet=quiet, wish=wish, cached=not no_cache, cluster=cluster
    )
    report = None if report is None else report_settled(report)
    if report is not None and (fmt is _Format.CSV or (fmt is _Format.TABLE and quiet)):
        note_silent_logs(report, wish)
    ranking = report or Report()
    if fmt is _Format.JSON:
        from ckptdoctor.render.machine.rank import rank_json

        text = rank_json(ranking)
    elif fmt is _Format.CSV:
        from ckptdoctor.render.machine.rank import rank_csv

        text = rank_csv(ranking)
    elif report is None:
        return Exit.NOTHING
    else:
        from ckptdoctor.render.console.rank import rank_text
        from ckptdoctor.render.console.screen import Screen

        plain = no_color or output is not None
        screen = Screen(colour=False if plain else None, verbosity=-1 if quiet else 0)
        text = rank_text(ranking, screen)
    write_result(text, output)
    return Exit.NOTHING if report is None else exit_for(report, fail_on)
