"""What ``inspect`` does: the one checkpoint that a path is, and the tensors that are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from ckptdoctor.checkpoint import TensorRecord
from ckptdoctor.diagnose import Examination, files_of, judged
from ckptdoctor.errors import CheckpointError, NothingToExamineError, UsageError
from ckptdoctor.keeper import Keeper
from ckptdoctor.layouts.describe import describe
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.measure import nbytes_of, report_of
from ckptdoctor.metadata import read_metadata
from ckptdoctor.one_file import failed_by
from ckptdoctor.places import place_of
from ckptdoctor.render.select import none_called, select_tensors
from ckptdoctor.report import CheckpointReport, Report
from ckptdoctor.rules import Case
from ckptdoctor.runs.absent import why_absent
from ckptdoctor.runs.discover import checkpoint_in, discover
from ckptdoctor.runs.form import form_runs
from ckptdoctor.tasks.examine import ExamineFiles

__all__ = ["Inspected", "examined_headers", "inspect"]

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """One checkpoint, and what is shown of it.

    Attributes:
        report: on that one.
        checkpoint: what is known of it, with its details; of the parts that were asked for.
        shown: its tensors that were asked for, those with NaN or Inf first.
    """

    report: Report
    checkpoint: CheckpointReport
    shown: tuple[TensorRecord, ...]


def inspect(
    file: Path, examine: ExamineFiles, *, parts: Sequence[str] = (), tensors: Sequence[str] = ()
) -> Inspected:
    """What is in one checkpoint.

    Args:
        file: it, or the folder that is one.
        examine: asked for the report.
        parts: globs of the files of a folder; none for all.
        tensors: globs of the names of tensors; none for all.

    Raises:
        NothingToExamineError: there is no such path.
        UsageError: it is no one checkpoint, or has no such part or tensor.
    """
    if not file.exists() and not file.is_symlink():
        raise NothingToExamineError(why_absent(file))
    report = examine([_meant(file)])
    (found,) = report.checkpoints
    if parts:
        found = _of_parts(found, parts)
    shown = select_tensors(found, tensors)
    if tensors and not shown and found.checkpoint is not None:
        raise UsageError(f"{file}: {none_called(found.checkpoint, tensors)}")
    return Inspected(report=report, checkpoint=found, shown=tuple(shown))


def examined_headers(files: Sequence[Path | CheckpointFiles]) -> Report:
    """The report on a checkpoint of which the headers alone are read: nobody looks at a tensor.

    Args:
        files: a single checkpoint; one of several files is described as a whole.
    """
    how = Examination(keep_details=True)
    (one,) = files_of(files)
    try:
        checkpoint = describe(one)
    except (CheckpointError, OSError) as error:
        failed = replace(failed_by(error, None), nbytes=nbytes_of(one.path))
        return Report(checkpoints=(report_of(one.path, failed),))
    case = Case(
        checkpoint=checkpoint,
        stats={},
        problems=(*one.problems, *checkpoint.problems),
        unchecked=0,
        metadata=read_metadata(checkpoint),
    )
    kept = [Keeper(how).kept(case)]
    report = judged(kept, form_runs([member for member, _ in kept], None, one_by_one=True), how)
    found = tuple(replace(row, headers_only=True) for row in report.checkpoints)
    return replace(report, checkpoints=found)


def _meant(path: Path) -> CheckpointFiles:
    """The checkpoint that a path is.

    Raises:
        UsageError: it is a folder of several, or of none.
    """
    if not path.is_dir():
        return checkpoint_in(path)
    found = discover([path]).checkpoints
    for files in found:
        if place_of(files.path) == place_of(path):
            return files
    if len(found) == 1:
        return found[0]
    names = ", ".join(str(files.path) for files in found[:_SHOWN])
    what = f"{len(found)} checkpoints lie in it: name one, such as {names}" if found else ""
    raise UsageError(f"{path} is a folder, and no checkpoint itself; {what or 'none is in it'}")


def _of_parts(report: CheckpointReport, globs: Sequence[str]) -> CheckpointReport:
    """The report with the tensors of some of its files.

    Raises:
        UsageError: it has no such file.
    """
    names = [one.part.name for one in report.parts]
    chosen = [one for one in report.parts if any(fnmatchcase(one.part.name, g) for g in globs)]
    if not chosen:
        raise UsageError(
            f"{report.path} has no part {' or '.join(globs)}; it consists of {', '.join(names)}"
            if names
            else f"{report.path} is one file: --part is for folders"
        )
    if report.checkpoint is None:
        return report
    own = {t.fqn for one in chosen if one.checkpoint is not None for t in one.checkpoint.tensors}
    tensors = tuple(t for t in report.checkpoint.tensors if t.fqn in own)
    return replace(report, checkpoint=replace(report.checkpoint, tensors=tensors))
