"""``ckptdoctor demo``: a small collapsed run to try everything on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.options import Format, NoColorOption

__all__ = ["demo"]

_EPOCH = 88
_FACTOR = 0.75  # what deep supervision asks for


def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to make the run.")] = Path(
        "ckptdoctor-demo"
    ),
    *,
    no_color: NoColorOption = False,
) -> int:
    """Make a small collapsed run, examine it, rank its backups and restore the best one.

    The run is the one that this program was made for: best at epoch 88, declining from 89,
    collapsed at 98, NaN ever since, and a best_model.pth that was overwritten with NaN.
    """
    from ckptdoctor.cli.output import note, write_result
    from ckptdoctor.cli.work import examine_paths, screen_for, write_scan
    from ckptdoctor.demo import DemoFolderError, make_demo_run
    from ckptdoctor.recovery.choose import choose, clean_name
    from ckptdoctor.recovery.edits import Edits
    from ckptdoctor.recovery.restore import restore
    from ckptdoctor.render.console_rank import rank_text
    from ckptdoctor.render.restored import restore_text

    try:
        checkpoints = make_demo_run(folder)
    except DemoFolderError as error:
        note(str(error))
        return Exit.REFUSED
    write_result(
        f"A small collapsed run was made in {folder}.\n\n$ ckptdoctor scan {checkpoints}\n", None
    )
    report = examine_paths([checkpoints], jobs=None, quiet=False)
    if report is None:
        return Exit.NOTHING
    write_scan(report, Format.TABLE, None, verbosity=0, no_color=no_color)
    screen = screen_for(None, verbosity=0, no_color=no_color)
    write_result(f"\n$ ckptdoctor rank {checkpoints}\n{rank_text(report, screen)}", None)
    source = choose(report, epoch=_EPOCH, destination=None).report.path
    done = restore(source, clean_name(source), Edits(scale_lr=_FACTOR), force=True)
    command = f"ckptdoctor restore {checkpoints} --epoch {_EPOCH} --scale-lr {_FACTOR}"
    write_result(f"\n$ {command}\n{restore_text(done, screen)}", None)
    return Exit.OK
