"""The doctor from Python: ``ckptdoctor.scan``, ``open_checkpoint``, ``diff`` and ``repair``.

Nothing here prints, prompts or exits. What the command says by its exit code is an exception or
stands in the report.
"""

from __future__ import annotations

import math
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, Role
from ckptdoctor.compare import Comparison, compare
from ckptdoctor.diagnose import Examination
from ckptdoctor.difference import Difference
from ckptdoctor.errors import NothingToExamineError, RestoreError, UsageError
from ckptdoctor.finding import Verdict
from ckptdoctor.formats import Limits
from ckptdoctor.formats import open_checkpoint as _open_checkpoint
from ckptdoctor.metadata import Mode
from ckptdoctor.recovery.repair.flip import Repaired
from ckptdoctor.recovery.repair.repair import repair_file
from ckptdoctor.report import Report
from ckptdoctor.runs.discover import discover
from ckptdoctor.runs.wish import Wish
from ckptdoctor.survey import survey, why_nothing

__all__ = ["DiffReport", "ScanReport", "diff", "open_checkpoint", "repair", "scan"]

Progress = Callable[[int, int], object]
"""Told of the bytes done and the bytes expected so far."""

_MOST_RUNS = 5
"""Runs that are named at a prompt."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ScanReport(Report):
    """A report that shows itself: a line a run at a prompt, a table in a notebook."""

    def __repr__(self) -> str:
        return f"<ScanReport: {'; '.join(self._lines())}>"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        from ckptdoctor.render.text import plural, printable

        counts = [
            f"{count} {verdict.value}" for verdict in Verdict if (count := self.count(verdict))
        ]
        yield f"{plural(len(self.checkpoints), 'checkpoint')}: {', '.join(counts)}"
        if len(self.runs) > 1:
            for run in self.runs[:_MOST_RUNS]:
                good = "none" if run.last_good is None else printable(run.last_good.path)
                yield f"last good of {printable(run.name)}: {good}"
            if len(self.runs) > _MOST_RUNS:
                yield f"… and {len(self.runs) - _MOST_RUNS} more runs"
        elif self.last_good is None:
            yield "none is fit to go on from"
        else:
            yield f"last good: {printable(self.last_good.path)}"

    def _repr_html_(self) -> str:
        """The table that a notebook shows."""
        from ckptdoctor.render.html.notebook import report_fragment

        return report_fragment(self)


def scan(
    *paths: str | os.PathLike[str],
    jobs: int | None = None,
    keep_details: bool = False,
    logs: Sequence[str | os.PathLike[str]] = (),
    metric: str = "",
    mode: str | None = None,
    progress: Progress | None = None,
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
        progress: called with the bytes done and the bytes expected so far, from several threads but
            never from two at once. What it raises ends the scan.

    Raises:
        NothingToExamineError: the paths name nothing, or folders without a checkpoint; also a
            ``FileNotFoundError``.
        OSError: one of ``logs`` cannot be read.
        UsageError: ``jobs`` is less than one, no run has that metric, or the mode is neither.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs={jobs}: a scan needs at least one thread")
    if mode not in (None, "max", "min"):
        raise UsageError(f"mode={mode!r}: it is 'max' or 'min'")
    wish = Wish(
        metric=metric,
        mode=None if mode is None else Mode(mode),
        logs=tuple(Path(log) for log in logs),
    )
    for log in wish.logs:
        log.stat()  # a name that is misspelled would be passed over
    found = discover(Path(path) for path in paths)
    if not found.checkpoints:
        raise NothingToExamineError("; ".join(why_nothing(found)))
    for folder in found.empty:
        warnings.warn(f"{folder}: no checkpoint in this folder", stacklevel=2)
    meter = _Meter(progress)
    how = Examination(
        jobs=jobs,
        keep_details=keep_details,
        progress=None if progress is None else meter.advance,
        expect=None if progress is None else meter.expect,
    )
    report = survey(found, how, wish)
    return ScanReport(**{field.name: getattr(report, field.name) for field in fields(report)})


def open_checkpoint(path: str | os.PathLike[str], limits: Limits | None = None) -> Checkpoint:
    """What a checkpoint file holds: its tensors, scalars, globals, and the damage that was met.

    Tensor bytes are not read, and nothing in the file is executed or imported.

    Args:
        path: the file, whatever its name ends in.
        limits: bounds on the work; by default what the size of the file explains.

    Raises:
        CheckpointError: nothing could be read; the subclass tells why.
        OSError: the file cannot be opened or read.
    """
    return _open_checkpoint(Path(path), limits)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DiffReport(Difference):
    """A difference that shows itself in two lines."""

    def __repr__(self) -> str:
        return f"<DiffReport: {'; '.join(self._lines())}>"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        from ckptdoctor.render.text import number, plural, printable

        yield f"{printable(self.a)} to {printable(self.b)}"
        if self.identical:
            yield f"identical: {plural(len(self.tensors), 'tensor')}"
            return
        moved = sum(tensor.movement.changed > 0 for tensor in self.tensors)
        counts = [f"{moved} of {plural(len(self.tensors), 'tensor')} changed"]
        if any(tensor.role is Role.MODEL for tensor in self.tensors):
            if spoiled := self.spoiled():
                counts.append(f"{plural(spoiled, 'tensor')} of the weights not finite any more")
            if not math.isnan(self.total().relative):
                counts.append(f"weights by {number(self.total().relative)} of their norm")
        others = {
            "reshaped": self.reshaped,
            "added": self.added,
            "removed": self.removed,
            "lost": self.lost,
        }
        counts += [f"{len(names)} {what}" for what, names in others.items() if names]
        yield ", ".join(counts)


def diff(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    ignore_prefixes: Sequence[str] = (),
    exact_names: bool = False,
    globs: Sequence[str] = (),
    progress: Progress | None = None,
) -> DiffReport:
    """What moved from one checkpoint to another: ``ckptdoctor diff``.

    The files may be larger than memory. Nothing in them is executed. torch is imported.

    Args:
        a: a checkpoint, the earlier one as a rule.
        b: another.
        ignore_prefixes: taken from names before they are matched, such as ``module.``.
        exact_names: match equal names alone.
        globs: compare only tensors whose name matches one of them; all if there is none.
        progress: called with the bytes done and the bytes expected. What it raises ends the
            comparison.

    Raises:
        CheckpointError: one of them is no checkpoint, or was cut while it was read.
        OSError: one of them cannot be read.
    """
    meter = _Meter(progress)
    how = Comparison(
        ignore_prefixes=tuple(ignore_prefixes),
        exact_names=exact_names,
        globs=tuple(globs),
        progress=None if progress is None else meter.advance,
        expect=None if progress is None else meter.expect,
    )
    found = compare(Path(a), Path(b), how)
    return DiffReport(**{field.name: getattr(found, field.name) for field in fields(found)})


def repair(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    sha256: str = "",
    accept_odds: bool = False,
    force: bool = False,
    dry_run: bool = False,
    jobs: int | None = None,
) -> Repaired:
    """A new file with a flipped bit put right: ``ckptdoctor repair``.

    Args:
        path: the damaged file; never changed.
        output: the file to write; None for ``last_repaired.pth`` beside ``last.pth``.
        sha256: of the whole file, where it is known: it decides.
        accept_odds: whether to write what is only likely.
        force: whether a file that is there may be replaced.
        dry_run: say what is wrong, and write nothing; then nothing is raised either where it
            cannot be put right: ``refused`` says why.
        jobs: threads of the scan that verifies.

    Returns:
        What was wrong, how sure it is, and where the new file is; ``sound`` where nothing was.

    Raises:
        RestoreError: refused, and nothing was written: no single bit explains the damage, or other
            damage could look the same, or the destination cannot be written.
        UsageError: ``sha256`` is none.
        OSError: the file cannot be read or written.
    """
    destination = None if output is None else Path(output)
    done = repair_file(
        Path(path),
        destination,
        sha256=sha256,
        accept_odds=accept_odds,
        force=force,
        dry_run=dry_run,
        jobs=jobs,
    )
    if done.refused and not dry_run:
        raise RestoreError(*done.refused)
    return done


class _Meter:
    """Adds up what the threads report, and tells one listener at a time."""

    def __init__(self, listener: Progress | None) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._done = 0
        self._expected = 0

    def expect(self, _: Path, nbytes: int) -> None:
        """More work is coming."""
        with self._lock:
            self._expected += nbytes

    def advance(self, nbytes: int) -> None:
        """Some of it is done."""
        with self._lock:
            self._done += nbytes
            if self._listener is not None:
                self._tell(self._listener)

    def _tell(self, listener: Progress) -> None:
        try:
            listener(self._done, self._expected)
        except OSError as error:  # would be taken for a file that cannot be read
            raise RuntimeError(f"progress failed: {error}") from error
