"""``ckptdoctor gpu``: who holds the GPU's memory, and how to get it back."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.options import NoColorOption, OutputOption, QuietOption

__all__ = ["gpu"]


class _Format(Enum):
    """How the result is written."""

    TABLE = "table"
    JSON = "json"


def gpu(
    *,
    fmt: Annotated[
        _Format, typer.Option("--format", "-f", help="How to write the result.")
    ] = _Format.TABLE,
    output: OutputOption = None,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
) -> int:
    """Show GPU memory by process, and how to free it.

    A run that was interrupted often keeps its memory until its process ends. Nothing is ended here.
    """
    from ckptdoctor.cli.output import note, write_result
    from ckptdoctor.cli.work import screen_for
    from ckptdoctor.gpu import NoGpuError, read_gpus
    from ckptdoctor.render.console_gpu import gpu_json, gpu_text

    try:
        gpus = read_gpus()
    except NoGpuError as error:
        note(str(error))
        if fmt is _Format.JSON:
            write_result(gpu_json((), str(error)), output)
        return Exit.NOTHING
    screen = screen_for(output, verbosity=-1 if quiet else 0, no_color=no_color)
    write_result(gpu_json(gpus) if fmt is _Format.JSON else gpu_text(gpus, screen), output)
    return Exit.OK
