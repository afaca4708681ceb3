"""What the functions share: how the caller's words become a question, and who is told of it."""

from __future__ import annotations

import functools
import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import fields
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ckptdoctor.bulk import few_collections
from ckptdoctor.diagnose import Examination
from ckptdoctor.errors import NothingToExamineError, UsageError
from ckptdoctor.metadata import Mode
from ckptdoctor.progress import Meter
from ckptdoctor.report import Report
from ckptdoctor.runs.discover import discover
from ckptdoctor.runs.wish import Wish
from ckptdoctor.sources import path_of
from ckptdoctor.survey import survey, why_nothing

__all__ = [
    "AnyPath",
    "Examiner",
    "as_result",
    "examination",
    "looks_anew",
    "surveyed",
    "warn",
    "wish_of",
]

AnyPath = str | os.PathLike[str]
Kept = TypeVar("Kept")


Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")
_lock = threading.Lock()
_lookers = 0


def looks_anew(call: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
    """A function that sees a bucket as it is when it is called, not as it was at the call before.

    What several calls look at side by side is asked for once.
    """

    @functools.wraps(call)
    def looking(*args: Parameters.args, **named: Parameters.kwargs) -> Returned:
        global _lookers  # noqa: PLW0603  (the mirror of far files is one for all)
        with _lock:
            far = sys.modules.get("ckptdoctor.sources.mirror")
            if far is not None and not _lookers:
                far.mirror.renew()
            _lookers += 1
        try:
            return call(*args, **named)
        finally:
            with _lock:
                _lookers -= 1

    return looking


class Examiner:
    """Has files examined for a task; what names nothing is raised.

    Args:
        jobs: threads.
        meter: told of the bytes; None where nobody listens.
    """

    def __init__(self, jobs: int | None, meter: Meter | None) -> None:
        self._how = examination(jobs, meter)

    def __call__(self, paths: Sequence[Path], wish: Wish | None) -> Report:
        """The ranked report on what paths name."""
        return surveyed(paths, self._how, wish)


def surveyed(paths: Sequence[AnyPath], how: Examination, wish: Wish | None) -> Report:
    """The ranked report on what paths name.

    Raises:
        NothingToExamineError: they name nothing.
    """
    found = discover(path_of(path) for path in paths)
    if not found.checkpoints:
        raise NothingToExamineError("; ".join(why_nothing(found)))
    for folder in found.empty:
        warn(f"{folder}: no checkpoint in this folder")
    with few_collections():
        return survey(found, how, wish)


def examination(
    jobs: int | None,
    meter: Meter | None,
    *,
    keep_details: bool = False,
    executor: Executor | None = None,
) -> Examination:
    """How to examine.

    Raises:
        UsageError: there is no thread to do it.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs={jobs}: a scan needs at least one thread")
    return Examination(
        jobs=jobs,
        keep_details=keep_details,
        progress=None if meter is None else meter.advance,
        expect=None if meter is None else meter.expect,
        executor=executor,
    )


def wish_of(logs: Sequence[AnyPath], pattern: str, metric: str, mode: str | None) -> Wish:
    """What the caller says of metric and logs.

    Raises:
        UsageError: the mode is neither, or the pattern is none.
        OSError: a log is not there.
    """
    if mode not in (None, "max", "min"):
        raise UsageError(f"mode={mode!r}: it is 'max' or 'min'")
    compiled = None
    if pattern:
        from ckptdoctor.runs.logs import compile_pattern

        compiled = compile_pattern(pattern, warn)
    wish = Wish(
        metric=metric,
        mode=None if mode is None else Mode(mode),
        logs=tuple(path_of(log) for log in logs),
        pattern=compiled,
    )
    for log in wish.logs:
        log.stat()  # a name that is misspelled would be passed over
    return wish


def as_result(kind: type[Kept], found: Any, **more: Any) -> Kept:
    """The same facts as a result that shows itself."""
    return kind(**{field.name: getattr(found, field.name) for field in fields(found)}, **more)


_PACKAGE = str(Path(__file__).parent.parent)


def warn(message: str) -> None:
    """A warning at the line of whoever called into the package."""
    depth, frame = 2, sys._getframe(1)  # noqa: SLF001  (before 3.12 warnings cannot skip files)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, stacklevel=depth)
