"""The ranking for a person at a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from ckptdoctor.metadata import count_text
from ckptdoctor.render.console.screen import LOOK, Screen, drawn
from ckptdoctor.render.paths import common_folder, relative
from ckptdoctor.render.text import printable, shorten_middle
from ckptdoctor.report import Place, Report

__all__ = ["rank_text"]


def rank_text(report: Report, screen: Screen) -> str:
    """The result of ``rank``: best first, each with its reason, and the command to go on with."""
    console = screen.console()
    shown = report.ranking[: 1 if screen.verbosity < 0 else None]
    best = report.last_good
    if best is None:
        console.print(Text("No checkpoint here is fit to go on from.", "bold red"))
    console.print(_table(shown, console.width))
    return drawn(console)


def _table(places: Sequence[Place], width: int) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("")
    table.add_column("checkpoint", no_wrap=True)
    table.add_column("epoch", justify="right", no_wrap=True)
    table.add_column("why here", overflow="fold")
    root = common_folder([place.report.path for place in places])
    for place in places:
        mark, style = LOOK[place.report.verdict]
        data = place.report.metadata
        epoch = data.epoch if data.epoch is not None else data.name_epoch
        name = shorten_middle(printable(relative(place.report.path, root)), max(16, width - 46))
        table.add_row(
            str(place.rank),
            Text(mark, style),
            Text(name, "bold" if place.rank == 1 and place.usable else ""),
            "" if epoch is None else count_text(epoch),
            Text(printable(place.reason)),
        )
    return table
