"""``ckptdoctor inspect``: one checkpoint, tensor by tensor."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

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

__all__ = ["inspect"]


def inspect(
    file: Annotated[Path, typer.Argument(help="The checkpoint.")],
    *,
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

    Tensors with NaN or Inf come first, with the index of the first bad element.
    """
    from ckptdoctor.cli.documents import TENSOR_FORMATS, inspect_document
    from ckptdoctor.cli.output import note, write_result
    from ckptdoctor.cli.work import examine_files, screen_for, write_scan
    from ckptdoctor.render.select import select_tensors

    if not file.exists() and not file.is_symlink():
        note(f"{file}: no such file")
        return Exit.NOTHING
    report = examine_files([file], jobs=jobs, quiet=quiet, keep_details=True)
    (found,) = report.checkpoints
    shown = select_tensors(found, tensor or [])
    if tensor and not shown and found.checkpoint is not None:
        note(f"{file}: no tensor is called {' or '.join(tensor)}")
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
