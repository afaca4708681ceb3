"""The ranking for a person at a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ckptdoctor.histories import Clock
from ckptdoctor.render.console.answer import print_notes, print_set_aside
from ckptdoctor.render.console.columns import NARROW, list_table
from ckptdoctor.render.console.screen import LOOK, Screen, drawn
from ckptdoctor.render.paths import common_folder, relative, shorten_apart
from ckptdoctor.render.sections import BESIDE, Section, logs_words, sections
from ckptdoctor.render.text import printable
from ckptdoctor.render.wording import NOTHING_GOOD, counted_by, place_text
from ckptdoctor.report import Place, Report

__all__ = ["rank_text"]


def rank_text(report: Report, screen: Screen) -> str:
    """The result of ``rank``: each run from its best, every place with its reason."""
    console = screen.console()
    for at, section in enumerate(sections(report)):
        if screen.verbosity < 0 and section.is_beside:
            continue
        if at:
            console.print()
        _print_heading(console, section)
        shown = section.ranking[: 1 if screen.verbosity < 0 else None]
        console.print(_table(shown, console.width))
    print_set_aside(console, report)
    if screen.verbosity >= 0:
        print_notes(console, report.notes, all_of_them=True)
    return drawn(console)


def _print_heading(console: Console, section: Section) -> None:
    """The run that is ranked, the logs that were believed, and where nothing of it is sound."""
    logs = logs_words(section.run)
    if section.is_beside:
        console.print(Text(f"{BESIDE.capitalize()}:", "dim"))
    elif section.name:
        facts = f": {logs}" if logs else ""
        console.print(Text.assemble((printable(section.name), "bold"), facts), soft_wrap=True)
    elif logs:
        console.print(Text(logs[:1].upper() + logs[1:], "dim"))
    if section.last_good is None and not section.is_beside:
        console.print(Text(NOTHING_GOOD, "bold red"))


def _table(places: Sequence[Place], width: int) -> Table:
    clock = counted_by([place.report for place in places])
    root = common_folder([place.report.path for place in places])
    paths = [printable(relative(place.report.path, root)) for place in places]
    if width < NARROW:
        names = shorten_apart(paths, max(16, width - 8))
        return list_table([_item(*one, clock) for one in zip(places, names, strict=True)])
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("")
    table.add_column("checkpoint", no_wrap=True)
    table.add_column(clock.word, justify="right", no_wrap=True)
    table.add_column("why here", overflow="fold")
    names = shorten_apart(paths, max(16, width - 46))
    for at, (place, name) in enumerate(zip(places, names, strict=True)):
        mark, style = LOOK[place.report.verdict]
        table.add_row(
            str(place.rank),
            Text(mark, style),
            Text(name, "bold" if at == 0 and place.usable else ""),
            place_text(place.report, clock),
            Text(printable(place.reason)),
        )
    return table


def _item(place: Place, name: str, clock: Clock) -> tuple[Text, Text, list[Text]]:
    """A place for a list: its number and name, and below why it is there."""
    mark, style = LOOK[place.report.verdict]
    at = place_text(place.report, clock)
    where = f"{clock.word} {at}: " if at else ""
    called = Text(f"{place.rank}. {name}", "bold" if place.usable and place.rank == 1 else "")
    return Text(mark, style), called, [Text(f"{where}{printable(place.reason)}")]
