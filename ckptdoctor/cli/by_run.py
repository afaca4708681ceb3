"""``scan`` with a result that grows by the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ckptdoctor.cli.exits import Exit, exit_for

if TYPE_CHECKING:
    from ckptdoctor.cli.options import FailOn
    from ckptdoctor.report import Report
    from ckptdoctor.runs.wish import Wish

__all__ = ["scan_by_run"]


def scan_by_run(
    paths: Sequence[Path],
    output: Path | None,
    fail_on: FailOn,
    *,
    jobs: int | None,
    quiet: bool,
    wish: Wish,
    cached: bool,
    cluster: str,
) -> int:
    """The exit code of ``scan --format jsonl``: each run is written once its last file is read.

    Where nobody reads any more the rest is not read either. Then it is the code for what was
    found, or that for what was interrupted: nobody knows whether the rest is sound.

    Args:
        paths: those that the user named.
        output: the file to write; None for standard output.
        fail_on: what counts.
        jobs: threads.
        quiet: whether to show no progress.
        wish: what the user says of metric and logs.
        cached: whether what is remembered of files that have not changed will do.
        cluster: whose workers read the files; "" for none.

    Raises:
        DestinationError: the result cannot be written.
        UsageError: as ``examine_paths`` says.
    """
    import gc

    from ckptdoctor.cli.configured import Settling
    from ckptdoctor.cli.growing import GrowingResult, NobodyReadsError
    from ckptdoctor.cli.work import examine_paths
    from ckptdoctor.render.machine.jsonl import report_lines, summary_line
    from ckptdoctor.render.machine.tally import Tally

    gc.enable()  # off for commands that end soon: what was told is to be freed
    settling, tally = Settling(), Tally()
    with GrowingResult(output) as result:

        def take(report: Report) -> None:
            told = settling.settled(report)
            tally.add(told)
            result.write(report_lines(told))

        try:
            last = examine_paths(
                paths,
                jobs=jobs,
                quiet=quiet,
                wish=wish,
                cached=cached,
                cluster=cluster,
                take=take,
            )
            if last is not None:
                tally.add(settling.last(last))
            result.write(summary_line(tally))
        except NobodyReadsError:
            return exit_for(tally, fail_on) or Exit.INTERRUPTED
    return Exit.NOTHING if last is None else exit_for(tally, fail_on)
