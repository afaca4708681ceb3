"""The wiring that commands share. Imported only once a command really runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ckptdoctor.cli.options import FailOn, Format, Mode
from ckptdoctor.cli.output import ProgressBar, note, note_lines, write_result
from ckptdoctor.cli.remembering import remembering
from ckptdoctor.runs.discover import discover
from ckptdoctor.scanning.amount import FEW_NBYTES
from ckptdoctor.scanning.preload import preload

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ckptdoctor.cache.memory import Memory
    from ckptdoctor.diagnose import Examination
    from ckptdoctor.layouts.files import CheckpointFiles
    from ckptdoctor.render.console.screen import Screen
    from ckptdoctor.report import Report
    from ckptdoctor.runs.logs import LogPattern
    from ckptdoctor.runs.wish import Wish
    from ckptdoctor.tasks.examine import Examine

__all__ = ["examine_files", "examine_paths", "examining", "screen_for", "wish_of", "write_scan"]


_FEWEST_SHARED = 8
"""Of fewer files it is not asked whether copies of this process shall read them."""


def examine_paths(
    paths: Sequence[Path],
    *,
    jobs: int | None,
    quiet: bool,
    wish: Wish | None = None,
    cached: bool = False,
    cluster: str = "",
    take: Callable[[Report], object] | None = None,
) -> Report | None:
    """The report on what the paths name; None, with a note, where they name nothing.

    Args:
        paths: those that the user named; none for the usual places.
        jobs: threads.
        quiet: whether to show no progress.
        wish: what the user says of metric and logs.
        cached: whether what is remembered of files that have not changed will do.
        cluster: whose workers read the files, by the address of its scheduler; "" for none.
        take: given a report on each run as it comes; what is returned has the rest.

    Raises:
        ConnectionError: no scheduler answers there.
        UsageError: dask is not installed.
    """
    found = discover(paths)
    if not found.checkpoints:
        from ckptdoctor.survey import why_nothing

        for sentence in why_nothing(found):
            note(sentence)
        return None
    for folder in found.empty:
        note(f"{folder}: no checkpoint in this folder")

    def whole_run(how: Examination) -> Report:
        if take is not None:
            from ckptdoctor.by_run import survey_by_run

            return survey_by_run(found, how, wish, take)
        from ckptdoctor.survey import survey

        return survey(found, how, wish)

    with contextlib.ExitStack() as stack:
        memory = stack.enter_context(remembering(wanted=cached, quiet=quiet))
        is_known = memory is not None and memory.holds_all(found.checkpoints)
        parts = [one.path for files in found.checkpoints for one in files.parts]
        executor = stack.enter_context(_workers_of(cluster))
        is_shared = not (cluster or take or is_known)
        copies = _copies(found.checkpoints, jobs, memory) if is_shared else 0
        return _watched(
            whole_run,
            jobs=jobs,
            quiet=quiet,
            keep_details=False,
            memory=memory,
            has_much=executor is None and not is_known and _is_much(parts),
            files=parts,
            executor=executor,
            copies=copies,
        )


def _workers_of(cluster: str) -> contextlib.AbstractContextManager[Executor | None]:
    if not cluster:
        return contextlib.nullcontext()
    from ckptdoctor.executors.cluster import cluster_at

    return cluster_at(cluster)


def _copies(checkpoints: Sequence[CheckpointFiles], jobs: int | None, memory: Memory | None) -> int:
    """How many copies of this process shall help to read the files."""
    single = [files.parts[0].path for files in checkpoints if files.is_single]
    if len(single) < _FEWEST_SHARED or jobs == 1:
        return 0
    from ckptdoctor.executors.worth import copies_for
    from ckptdoctor.scanning.cores import available_cores

    unknown = [path for path in single if memory is None or not memory.holds(path, None)]
    return copies_for(unknown, min(available_cores(), jobs or available_cores()))


def examining(*, jobs: int | None, quiet: bool, cached: bool = False, cluster: str = "") -> Examine:
    """``examine_paths`` with these options, for a task that asks for a ranking.

    Args:
        jobs: threads.
        quiet: whether to show no progress.
        cached: whether what is remembered of files that have not changed will do.
        cluster: whose workers read the files; "" for none.
    """

    def examine(paths: Sequence[Path], wish: Wish | None) -> Report | None:
        report = examine_paths(
            paths, jobs=jobs, quiet=quiet, wish=wish, cached=cached, cluster=cluster
        )
        if report is not None and wish is not None:
            note_silent_logs(report, wish)
        return report

    return examine


def note_silent_logs(report: Report, wish: Wish) -> None:
    """A note for each log that the user named and that gave nothing, where the result has none."""
    for words in report.notes:
        if any(words.startswith(f"{log}: ") for log in wish.logs):
            note(words)


def examine_files(
    files: Sequence[Path | CheckpointFiles],
    *,
    jobs: int | None,
    quiet: bool,
    keep_details: bool,
) -> Report:
    """The report on these checkpoints, with a progress bar."""

    def these(how: Examination) -> Report:
        from ckptdoctor.diagnose import examine

        return examine(files, how)

    parts = [
        part
        for one in files
        for part in ([one] if isinstance(one, Path) else [part.path for part in one.parts])
    ]
    return _watched(
        these,
        jobs=jobs,
        quiet=quiet,
        keep_details=keep_details,
        has_much=_is_much(parts),
        files=parts,
    )


def _is_much(files: Iterable[Path]) -> bool:
    """Whether so much lies in files that torch's library will be needed to measure it."""
    left = FEW_NBYTES
    for path in files:
        with contextlib.suppress(OSError):
            left -= path.stat().st_size
        if left < 0:
            return True
    return False


def _watched(
    examination: Callable[[Examination], Report],
    *,
    jobs: int | None,
    quiet: bool,
    keep_details: bool,
    has_much: bool,
    files: Iterable[Path],
    memory: Memory | None = None,
    executor: Executor | None = None,
    copies: int = 0,
) -> Report:
    """The report, with a progress bar while it is made, and a note for every bug of ours."""
    if has_much:
        preload()  # before the imports that take their time
    from ckptdoctor.diagnose import Examination

    with ProgressBar(files, quiet=quiet) as bar:
        report = examination(
            Examination(
                jobs=jobs,
                keep_details=keep_details,
                progress=bar.advance,
                expect=bar.expect,
                memory=memory,
                executor=executor,
                copies=copies,
            )
        )
    for crash in report.crashes:
        note_lines(
            f"{crash.path}: the rule {crash.rule} failed; please report this:\n{crash.error}"
        )
    return report


def write_scan(
    report: Report,
    fmt: Format,
    output: Path | None,
    *,
    verbosity: int,
    no_color: bool,
    fail_on: FailOn = FailOn.ERROR,
    exit_code: int = 0,
) -> None:
    """Write a report in the format asked for; some formats tell the exit code as well."""
    from ckptdoctor.cli.documents import scan_document

    screen = partial(screen_for, output, verbosity=verbosity, no_color=no_color)
    text = scan_document(report, fmt, screen, fail_on=fail_on, exit_code=exit_code)
    write_result(text, output)
    if fmt is Format.GITHUB:
        from ckptdoctor.cli.step_summary import append_step_summary

        append_step_summary(report)


def wish_of(
    logs: Sequence[Path] | None,
    pattern: str = "",
    metric: str = "",
    mode: Mode | None = None,
) -> Wish:
    """What the user's options say of metric and logs.

    Raises:
        UsageError: the pattern is no regular expression, or lacks a group.
    """
    from ckptdoctor.metadata import Mode as Direction
    from ckptdoctor.runs.wish import Wish

    compiled: LogPattern | None = None
    if pattern:
        from ckptdoctor.runs.logs import compile_pattern

        compiled = compile_pattern(pattern, note)
    return Wish(
        metric=metric,
        mode=None if mode is None else Direction(mode.value),
        logs=tuple(logs or ()),
        pattern=compiled,
    )


def screen_for(output: Path | None, *, verbosity: int, no_color: bool) -> Screen:
    """The screen that a table is drawn for; a file takes no colours."""
    from ckptdoctor.render.console.screen import Screen

    plain = no_color or output is not None
    return Screen(colour=False if plain else None, verbosity=verbosity)
