"""``ckptdoctor gpu``: GPU memory by process, what to free and how."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.options import NoColorOption, OutputOption, QuietOption

__all__ = ["gpu"]


class _Format(Enum):
    """How the report is written."""

    TABLE = "table"
    JSON = "json"


def gpu(
    *,
    fmt: Annotated[_Format, typer.Option("--format", "-f", help="How to write the report.")] = (
        _Format.TABLE
    ),
    output: OutputOption = None,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
) -> int:
    """Show GPU memory by process, what to free and how.

    Asks the NVIDIA driver (pip install nvidia-ml-py) which processes hold memory, and which of
    them compute nothing. Ends no process: it names the command that would. In the notebook that
    holds the memory, ckptdoctor.free_gpu_memory() gives back what is no longer needed.
    """
    from ckptdoctor.cli.output import note, write_result
    from ckptdoctor.gpu import read_gpus

    report = read_gpus()
    if report.unavailable:
        note(report.unavailable)
    if fmt is _Format.JSON:
        from ckptdoctor.render.machine.gpu import gpu_json

        text = gpu_json(report)
    elif report.unavailable:
        return Exit.NOTHING
    else:
        from ckptdoctor.render.console.gpu import gpu_text
        from ckptdoctor.render.console.screen import Screen

        plain = no_color or output is not None
        screen = Screen(colour=False if plain else None, verbosity=-1 if quiet else 0)
        text = gpu_text(report, screen)
    write_result(text, output)
    return Exit.NOTHING if report.unavailable else Exit.OK
