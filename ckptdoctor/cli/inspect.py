"""``ckptdoctor inspect``: one checkpoint, tensor by tensor."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ckptdoctor.cli.exits import exit_for
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

__all__ = ["inspect"]


_OF_HEADERS = (Format.TABLE, Format.JSON, Format.JSONL, Format.CSV)


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
    headers: Annotated[
        bool,
        typer.Option("--headers", help="Read no tensor: names, dtypes and shapes, no verdict."),
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
    is a folder shows the tensors of all its files; with --part those of some. With --headers no
    tensor is read: of a checkpoint in a bucket that takes a few requests.
    """
    from ckptdoctor.cli.documents import TENSOR_FORMATS, inspect_document
    from ckptdoctor.cli.output import write_result
    from ckptdoctor.cli.work import examine_files, screen_for, write_scan
    from ckptdoctor.errors import UsageError
    from ckptdoctor.tasks.inspect import examined_headers
    from ckptdoctor.tasks.inspect import inspect as look_into

    if headers and (part or fmt not in _OF_HEADERS):
        what = "--part" if part else f"--format {fmt.value}"
        known = ", ".join(one.value for one in _OF_HEADERS)
        raise UsageError(f"{what} does not go with --headers, whose formats are {known}")
    scanned = partial(examine_files, jobs=jobs, quiet=quiet, keep_details=True)
    examine = examined_headers if headers else scanned
    done = look_into(file, examine, parts=part or [], tensors=tensor or [])
    code, verbosity = exit_for(done.report, fail_on), -1 if quiet else verbose
    if fmt in TENSOR_FORMATS:
        screen = partial(screen_for, output, verbosity=verbosity, no_color=no_color)
        everything = everything or bool(tensor)
        text = inspect_document(done.checkpoint, done.shown, fmt, screen, everything=everything)
        write_result(text, output)
    else:
        from ckptdoctor.recovery import ranked

        write_scan(
            ranked(done.report),
            fmt,
            output,
            verbosity=verbosity,
            no_color=no_color,
            fail_on=fail_on,
            exit_code=code,
        )
    return code
