"""``ckptdoctor inspect``: one checkpoint, tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptdoctor.cli.exits import Exit, exit_for
from ckptdoctor.cli.options import (
    FailOn,
    FailOnOption,
    Format,
    FormatOption,
    JobsOption,
    NoColorOption,
    OutputOption,
    QuietOption,
    VerboseOption,
)

if TYPE_CHECKING:
    from ckptdoctor.layouts.files import CheckpointFiles
    from ckptdoctor.report import CheckpointReport

__all__ = ["inspect"]

_SHOWN = 3


def inspect(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The checkpoint: a file, or a folder that is one."),
    ],
    *,
    part: Annotated[
        list[str] | None,
        typer.Option("--part", metavar="GLOB", help="Only these files of a folder; repeatable."),
    ] = None,
    tensor: Annotated[
        list[str] | None,
        typer.Option(
            "--tensor", "-t", metavar="GLOB", help="Only tensors whose name matches; repeatable."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="List every tensor, not only the first ones.")
    ] = False,
    fmt: FormatOption = Format.TABLE,
    output: OutputOption = None,
    fail_on: FailOnOption = FailOn.ERROR,
    quiet: QuietOption = False,
    verbose: VerboseOption = 0,
    no_color: NoColorOption = False,
    jobs: JobsOption = None,
) -> int:
    """Look into one checkpoint: its tensors with dtype, shape, extremes, NaN and Inf.

    Tensors with NaN or Inf come first, with the index of the first bad element. A checkpoint that
    is a folder shows the tensors of all its files; with --part those of some.
    """
    from ckptdoctor.cli.documents import TENSOR_FORMATS, inspect_document
    from ckptdoctor.cli.output import note, write_result
    from ckptdoctor.cli.work import examine_files, screen_for, write_scan
    from ckptdoctor.errors import UsageError
    from ckptdoctor.render.select import none_called, select_tensors
    from ckptdoctor.runs.absent import why_absent

    if not file.exists() and not file.is_symlink():
        note(why_absent(file))
        return Exit.NOTHING
    report = examine_files([_meant(file)], jobs=jobs, quiet=quiet, keep_details=True)
    (found,) = report.checkpoints
    if part:
        found = _of_parts(found, part)
    shown = select_tensors(found, tensor or [])
    if tensor and not shown and found.checkpoint is not None:
        raise UsageError(f"{file}: {none_called(found.checkpoint, tensor)}")
    code, verbosity = exit_for(report, fail_on), -1 if quiet else verbose
    if fmt in TENSOR_FORMATS:
        screen = partial(screen_for, output, verbosity=verbosity, no_color=no_color)
        everything = everything or bool(tensor)
        write_result(inspect_document(found, shown, fmt, screen, everything=everything), output)
    else:
        from ckptdoctor.recovery import ranked

        write_scan(
            ranked(report),
            fmt,
            output,
            verbosity=verbosity,
            no_color=no_color,
            fail_on=fail_on,
            exit_code=code,
        )
    return code


def _meant(path: Path) -> CheckpointFiles:
    """The checkpoint that a path is.

    Raises:
        UsageError: it is a folder of several, or of none.
    """
    from ckptdoctor.errors import UsageError
    from ckptdoctor.places import place_of
    from ckptdoctor.runs.discover import checkpoint_in, discover

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
    from dataclasses import replace

    from ckptdoctor.errors import UsageError

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
