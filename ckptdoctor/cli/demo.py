"""``ckptdoctor demo``: a small collapsed run to try everything on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.options import Format, NoColorOption

__all__ = ["demo"]

_EPOCH = 88
_ADDED = "deep-supervision"
_COMMAND = (
    "python train.py --checkpoint-dir checkpoints --resume-from checkpoints/best_model.pth "
    "--lr 0.0002 --deep-supervision"
)


def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to make the run.")] = Path(
        "ckptdoctor-demo"
    ),
    *,
    no_color: NoColorOption = False,
) -> int:
    """Make a small collapsed run, and go through scan, history, rank, plan and restore on it.

    The run is the one that this program was made for: best at epoch 88, declining from 89,
    collapsed at 98, NaN ever since, and a best_model.pth that was overwritten with NaN.
    """
    from ckptdoctor.cli.output import note, write_result
    from ckptdoctor.cli.work import examine_paths, screen_for, write_scan
    from ckptdoctor.demo import DemoFolderError, make_demo_run
    from ckptdoctor.recovery.added import parse_added
    from ckptdoctor.recovery.choose import Moment, choose
    from ckptdoctor.recovery.edits import Edits
    from ckptdoctor.recovery.next_step import Asked, clean_name
    from ckptdoctor.recovery.plan import make_plan
    from ckptdoctor.recovery.restore import restore
    from ckptdoctor.recovery.rewrite import Request
    from ckptdoctor.render.console.history import history_text
    from ckptdoctor.render.console.plan import plan_text
    from ckptdoctor.render.console.rank import rank_text
    from ckptdoctor.render.restored import restore_text
    from ckptdoctor.render.text import printable
    from ckptdoctor.runs.wish import Wish
    from ckptdoctor.shell import command_line
    from ckptdoctor.survey import chronicles
    from ckptdoctor.tasks.stored import stored_scalars

    try:
        checkpoints = make_demo_run(folder)
    except DemoFolderError as error:
        note(str(error))
        return Exit.REFUSED
    write_result(
        f"A small collapsed run was made in {printable(folder)}.\n\n"
        f"$ {command_line('ckptdoctor', 'scan', checkpoints)}\n",
        None,
    )
    report = examine_paths([checkpoints], jobs=None, quiet=False)
    if report is None:
        return Exit.NOTHING
    write_scan(report, Format.TABLE, None, verbosity=0, no_color=no_color)
    screen = screen_for(None, verbosity=0, no_color=no_color)
    found = chronicles([checkpoints], Wish())
    shown = history_text(found, screen)
    write_result(f"\n$ {command_line('ckptdoctor', 'history', checkpoints)}\n{shown}", None)
    head = command_line("ckptdoctor", "rank", checkpoints)
    write_result(f"\n$ {head}\n{rank_text(report, screen)}", None)
    request = Request(command=_COMMAND, added=parse_added([_ADDED]))
    asked = Asked(paths=(checkpoints,))
    made = make_plan(report.runs[0], request, stored=stored_scalars, asked=asked)
    words = ("--added", _ADDED, "--command", _COMMAND)
    head = command_line("ckptdoctor", "plan", checkpoints, *words)
    write_result(f"\n$ {head}\n{plan_text(made, screen)}", None)
    source = choose(report.runs[0], moment=Moment(number=_EPOCH), destination=None).report.path
    factor = made.advice.factor
    done = restore(source, clean_name(source), Edits(scale_lr=factor), force=True)
    words = ("--epoch", str(_EPOCH), "--scale-lr", f"{factor:g}")
    command = command_line("ckptdoctor", "restore", checkpoints, *words)
    write_result(f"\n$ {command}\n{restore_text(done, screen)}", None)
    return Exit.OK
