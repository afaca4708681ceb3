"""``ckptdoctor scan``: a verdict for every checkpoint, and which one to go on from."""

from __future__ import annotations

from ckptdoctor.cli.exits import Exit, exit_for
from ckptdoctor.cli.options import (
    ClusterOption,
    FailOn,
    FailOnOption,
    Format,
    FormatOption,
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
    VerboseOption,
)

__all__ = ["scan"]


def scan(
    paths: PathsArgument = None,
    *,
    fmt: FormatOption = Format.TABLE,
    output: OutputOption = None,
    fail_on: FailOnOption = FailOn.ERROR,
    quiet: QuietOption = False,
    verbose: VerboseOption = 0,
    no_color: NoColorOption = False,
    metric: MetricOption = "",
    mode: ModeOption = None,
    log: LogOption = None,
    log_pattern: LogPatternOption = "",
    jobs: JobsOption = None,
    no_cache: NoCacheOption = False,
    cluster: ClusterOption = "",
) -> int:
    """Examine checkpoints: which are still good, and which one to go on from.

    Every tensor is looked at, in the weights and in the optimizer, and every checksum. Nothing in
    the files is executed, and nothing is changed.
    """
    from ckptdoctor.cli.configured import accepts_findings, report_settled
    from ckptdoctor.cli.work import examine_paths, note_silent_logs, wish_of, write_scan
    from ckptdoctor.report import Report

    wish = wish_of(log, log_pattern, metric, mode)
    if fmt is Format.JSONL and not accepts_findings():
        from ckptdoctor.cli.by_run import scan_by_run

        return scan_by_run(
            paths or [],
            output,
            fail_on,
            jobs=jobs,
            quiet=quiet,
            wish=wish,
            cached=not no_cache,
            cluster=cluster,
        )
    report = examine_paths(
        paths or [], jobs=jobs, quiet=quiet, wish=wish, cached=not no_cache, cluster=cluster
    )
    report = None if report is None else report_settled(report)
    if report is not None and (fmt is Format.CSV or (fmt is Format.TABLE and quiet)):
        note_silent_logs(report, wish)
    code = Exit.NOTHING if report is None else exit_for(report, fail_on)
    if report is not None or fmt is not Format.TABLE:  # a machine gets its empty report
        write_scan(
            report or Report(),
            fmt,
            output,
            verbosity=-1 if quiet else verbose,
            no_color=no_color,
            fail_on=fail_on,
            exit_code=code,
        )
    return code
