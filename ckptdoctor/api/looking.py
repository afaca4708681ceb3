"""Looking: ``scan``, ``rank``, ``history``, ``inspect``, ``open_checkpoint`` and ``diff``."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from ckptdoctor.api.asking import AnyPath, as_result, examination, looks_anew, surveyed, wish_of
from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.compare import Comparison, compare
from ckptdoctor.diagnose import examine
from ckptdoctor.errors import UsageError
from ckptdoctor.formats import Limits
from ckptdoctor.formats import open_checkpoint as _open_checkpoint
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.progress import Progress, metered
from ckptdoctor.report import Report
from ckptdoctor.results.diff import DiffReport
from ckptdoctor.results.history import HistoryReport
from ckptdoctor.results.inspect import InspectReport
from ckptdoctor.results.scan import RankReport, ScanReport
from ckptdoctor.sources import path_of
from ckptdoctor.survey import chronicles

__all__ = ["diff", "history", "inspect", "open_checkpoint", "rank", "scan"]


@looks_anew
def scan(
    *paths: AnyPath,
    jobs: int | None = None,
    keep_details: bool = False,
    logs: Sequence[AnyPath] = (),
    metric: str = "",
    mode: str | None = None,
    log_pattern: str = "",
    progress: Progress | bool | None = None,
    executor: Executor | None = None,
) -> ScanReport:
    """A verdict for every checkpoint, and which one to go on from: ``ckptdoctor scan``.

    Every tensor is looked at, in the weights and in the optimizer, and every checksum. Nothing in
    the files is executed, and nothing is changed. torch is not imported where its library can be
    called without.

    A damaged file raises nothing: it gets the verdict that it deserves. So does a path that is
    missing beside others that are not. A rule of ours that failed stands in ``crashes``.

    Args:
        paths: files, folders (searched to the bottom) or globs; none for ``$CKPTDOCTOR_DIR``, else
            ``checkpoints/``, else the current folder.
        jobs: threads; None for one a core. They are gone when this returns.
        keep_details: keep each checkpoint's tensors and statistics in its report.
        logs: training logs; those that lie beside the checkpoints are found without.
        metric: the name of the metric to judge by; "" for the one that the run is judged by.
        mode: ``max`` or ``min``, which direction of it is better; None for what its name tells.
        log_pattern: how to read a line of the logs, as ``--log-pattern`` has it; "" for our own.
        progress: called with the bytes done and the bytes expected so far, from several threads but
            never from two at once. What it raises ends the scan. None for a bar in a notebook
            where it takes more than a second, and nothing elsewhere; False for nothing.
        executor: whose workers read the files, each in a thread of its own: any of
            ``concurrent.futures``, dask's ``client.get_executor()``, mpi4py's, loky's. It is not
            shut down. The workers need ckptdoctor, and have to see the files by the same paths.

    Raises:
        NothingToExamineError: the paths name nothing, or folders without a checkpoint; also a
            ``FileNotFoundError``.
        OSError: one of ``logs`` cannot be read, or the executor gives no work back.
        UsageError: ``jobs`` is less than one, no run has that metric, the mode is neither, or the
            executor's workers cannot do the work.
    """
    wish = wish_of(logs, log_pattern, metric, mode)
    with metered(progress) as meter:
        how = examination(jobs, meter, keep_details=keep_details, executor=executor)
        report = surveyed(paths, how, wish)
    return as_result(ScanReport, report)


@looks_anew
def rank(
    *paths: AnyPath,
    jobs: int | None = None,
    logs: Sequence[AnyPath] = (),
    metric: str = "",
    mode: str | None = None,
    log_pattern: str = "",
    progress: Progress | bool | None = None,
    executor: Executor | None = None,
) -> RankReport:
    """The checkpoints from best to worst, each with the reason for its place: ``ckptdoctor rank``.

    Args:
        paths: as for ``scan``.
        jobs: as for ``scan``, and so are the others.
        logs: training logs beside those that are found.
        metric: the metric to judge by.
        mode: ``max`` or ``min``.
        log_pattern: how to read a line of the logs.
        progress: told of the bytes.
        executor: whose workers read the files.

    Raises:
        NothingToExamineError, OSError, UsageError: as ``scan``.
    """
    wish = wish_of(logs, log_pattern, metric, mode)
    with metered(progress) as meter:
        report = surveyed(paths, examination(jobs, meter, executor=executor), wish)
    return as_result(RankReport, report)


@looks_anew
def history(
    *paths: AnyPath,
    logs: Sequence[AnyPath] = (),
    metric: str = "",
    mode: str | None = None,
    log_pattern: str = "",
) -> HistoryReport:
    """The metric of each run over its time, and what went wrong: ``ckptdoctor history``.

    No tensor is read. Where no epoch of a metric is known the result is empty, and its ``notes``
    and ``readings`` say why.

    Args:
        paths: checkpoints, folders or logs; none for the usual places.
        logs: training logs beside those that are found.
        metric: the metric to judge by.
        mode: ``max`` or ``min``.
        log_pattern: how to read a line of the logs.

    Raises:
        OSError: one of ``logs`` cannot be read.
        UsageError: no run has that metric, or the mode is neither.
    """
    found = chronicles([path_of(path) for path in paths], wish_of(logs, log_pattern, metric, mode))
    return as_result(HistoryReport, found)


@looks_anew
def inspect(
    path: AnyPath,
    *,
    tensors: Sequence[str] = (),
    parts: Sequence[str] = (),
    headers: bool = False,
    jobs: int | None = None,
    progress: Progress | bool | None = None,
) -> InspectReport:
    """One checkpoint, tensor by tensor: ``ckptdoctor inspect``.

    Args:
        path: a file, or a folder that is one checkpoint.
        tensors: globs of the names that are wanted; none for all.
        parts: globs of the files of a folder; none for all.
        headers: whether to read no tensor; there is no verdict then.
        jobs: threads; None for one a core.
        progress: as for ``scan``.

    Raises:
        NothingToExamineError: there is no such path.
        UsageError: it is no one checkpoint, or has no such part or tensor; parts of headers alone.
    """
    from ckptdoctor.tasks.inspect import examined_headers
    from ckptdoctor.tasks.inspect import inspect as look_into

    if headers and parts:
        raise UsageError("parts are not told apart by headers alone")
    with metered(progress) as meter:
        how = examination(jobs, meter, keep_details=True)

        def examined(files: Sequence[Path | CheckpointFiles]) -> Report:
            return examined_headers(files) if headers else examine(files, how)

        done = look_into(path_of(path), examined, parts=parts, tensors=tensors)
    return as_result(InspectReport, done.checkpoint, tensors_shown=done.shown)


@looks_anew
def open_checkpoint(path: AnyPath, limits: Limits | None = None) -> Checkpoint:
    """What a checkpoint file holds: its tensors, scalars, globals, and the damage that was met.

    Tensor bytes are not read, and nothing in the file is executed or imported.

    Args:
        path: the file, whatever its name ends in.
        limits: bounds on the work; by default what the size of the file explains.

    Raises:
        CheckpointError: nothing could be read; the subclass tells why.
        OSError: the file cannot be opened or read.
    """
    return _open_checkpoint(path_of(path), limits)


@looks_anew
def diff(
    a: AnyPath,
    b: AnyPath,
    *,
    ignore_prefixes: Sequence[str] = (),
    exact_names: bool = False,
    globs: Sequence[str] = (),
    progress: Progress | bool | None = None,
) -> DiffReport:
    """What moved from one checkpoint to another: ``ckptdoctor diff``.

    The files may be larger than memory. Nothing in them is executed. torch is imported.

    Args:
        a: a checkpoint, the earlier one as a rule.
        b: another.
        ignore_prefixes: taken from names before they are matched, such as ``module.``.
        exact_names: match equal names alone.
        globs: compare only tensors whose name matches one of them; all if there is none.
        progress: as for ``scan``.

    Raises:
        CheckpointError: one of them is no checkpoint, or was cut while it was read.
        OSError: one of them cannot be read.
    """
    with metered(progress) as meter:
        how = Comparison(
            ignore_prefixes=tuple(ignore_prefixes),
            exact_names=exact_names,
            globs=tuple(globs),
            progress=None if meter is None else meter.advance,
            expect=None if meter is None else meter.expect,
        )
        found = compare(path_of(a), path_of(b), how)
    return as_result(DiffReport, found)
