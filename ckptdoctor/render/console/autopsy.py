"""An autopsy for a person at a terminal: one screen first, the whole guide with ``-v``."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from ckptdoctor.postmortem.document import Autopsy, Command, Section, Table, Worst
from ckptdoctor.render.console.screen import Screen, drawn, height
from ckptdoctor.render.text import printable, shorten_middle

__all__ = ["autopsy_text", "spark"]

_BARS = "▁▂▃▄▅▆▇█"
_BAD, _UNKNOWN = "×", " "
_SPARK = 20
_NAME = 27
_WHEN = 10
_FIGURE = 18
_LABEL = 11
_NOTHING = "nothing that the files tell"
_MOST_FOR, _MOST_AGAINST = 1, 1


def autopsy_text(found: Autopsy, screen: Screen) -> str:
    """The result of ``autopsy``: what happened, what went bad first, the worst ten, what to do.

    Args:
        found: the autopsy.
        screen: where it is shown; ``-v`` has the whole guide behind it.
    """
    console = screen.console()
    for line in _summary(found, console.width):
        console.print(line, soft_wrap=True)
    room = screen.rows() - 6 - height(drawn(console), screen)
    shown = found.worst if screen.verbosity > 0 else found.worst[: max(3, room)]
    if screen.verbosity >= 0 and shown:
        console.print()
        _print_worst(console, found, shown)
    if screen.verbosity > 0:
        for section in found.sections:
            _print_section(console, section)
    _print_end(console, found, screen)
    return drawn(console)


def _summary(found: Autopsy, width: int) -> Iterator[Text]:
    yield from _paragraph("Happened:", found.headline, width, "bold")
    yield from _paragraph("First:", found.first, width, "")
    causes = next((one for one in found.sections if one.key == "causes"), None)
    tables = [part for part in causes.parts if isinstance(part, Table)] if causes else []
    for table in tables[:2]:
        yield from _paragraph("Cause:" if table is tables[0] else "", table.head[1], width, "")
        for kind, words in _shown(table) if table is tables[0] else ():
            yield from _paragraph("", f"{kind}: {words}", width, "dim")
    if found.apart:
        yield from _paragraph("Restart:", found.apart, width, "")


def _shown(table: Table) -> Iterator[tuple[str, str]]:
    """What speaks for and against a cause, so much of it that the screen has room for the rest."""
    for kind, most in (("for", _MOST_FOR), ("against", _MOST_AGAINST)):
        told = [words for one, words in table.rows if one == kind and words != _NOTHING]
        more = f" (and {len(told) - most} more)" if len(told) > most else ""
        for number, words in enumerate(told[:most], start=1):
            yield kind, words + (more if number == most else "")


def _paragraph(label: str, words: str, width: int, style: str) -> Iterator[Text]:
    lines = textwrap.wrap(printable(words), max(20, width - _LABEL)) or [""]
    for at, line in enumerate(lines):
        head = label if at == 0 else ""
        yield Text.assemble((f"{head:<{_LABEL}}", "dim"), (line, style))


def _print_worst(console: Console, found: Autopsy, shown: Sequence[Worst]) -> None:
    course = found.course
    spare = max(0, console.width - _NAME - _WHEN - _FIGURE - _SPARK - 4)
    wide, names = _SPARK + min(20, spare // 3), _NAME + min(40, spare // 2)
    title = f"{'tensor':<{names}} {'from':<{_WHEN}} {'over the run':<{wide}} figure"
    console.print(Text(title[: console.width], "dim"), no_wrap=True)
    for one in shown:
        name = shorten_middle(printable(course.short(one.name)), names)
        when = shorten_middle(course.say(one.place), _WHEN)
        line = Text(f"{name:<{names}} {when:<{_WHEN}} ")
        before, after = spark(one.values, wide, one.place)
        line.append(before, "dim")
        line.append(after, "bold red")
        line.append(" " * (wide - len(before) - len(after)))
        line.append(f" {shorten_middle(one.trait.word, max(8, console.width - line.cell_len - 1))}")
        console.print(line, no_wrap=True, crop=True)


def spark(values: Sequence[float], width: int, place: int) -> tuple[str, str]:
    """A line of bars of the logs of values, cut where a place is; ``×`` for NaN and Inf.

    Args:
        values: by checkpoint; NaN where none is known.
        width: columns; of more checkpoints those around the place are shown.
        place: the first checkpoint of the second part.
    """
    first = max(0, min(place - width // 2, len(values) - width))
    shown = list(values[first : first + width])
    logs = [math.log(value) if 0.0 < value < math.inf else None for value in shown]
    known = [value for value in logs if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    span = high - low or 1.0
    bars = []
    for at, value in enumerate(logs):
        if value is not None:
            bars.append(_BARS[round((value - low) / span * (len(_BARS) - 1))])
        elif shown[at] == 0.0:
            bars.append(_BARS[0])
        else:
            bars.append(_UNKNOWN if first + at < place else _BAD)
    line = "".join(bars)
    return line[: place - first], line[place - first :]


def _print_section(console: Console, section: Section) -> None:
    console.print()
    console.print(Text(section.title, "bold"))
    for part in section.parts:
        if isinstance(part, Command):
            for line in part.text.split("\n"):
                console.print(Text(f"  {printable(line)}", "cyan"), soft_wrap=True)
        elif isinstance(part, Table):
            _print_table(console, part)
        else:
            for line in textwrap.wrap(printable(part), max(20, console.width)):
                console.print(Text(line))


def _print_table(console: Console, table: Table) -> None:
    """Rows with a hanging indent: cells are sentences."""
    heads = [cell for cell in table.head if cell]
    console.print(Text("  " + ", ".join(map(printable, heads)), "dim"), soft_wrap=True)
    for row in table.rows:
        *first, last = [printable(cell) for cell in row]
        label = "  ".join(cell for cell in first if cell)
        words = textwrap.wrap(f"{label}  {last}" if label else last, max(20, console.width - 6))
        for at, line in enumerate(words):
            console.print(Text(f"{'  ' if at == 0 else '      '}{line}"), soft_wrap=True)


def _print_end(console: Console, found: Autopsy, screen: Screen) -> None:
    if screen.verbosity == 0:
        console.print()
    if found.next_here:
        console.print(Text.assemble("Next:      ", (found.next_here, "bold")), soft_wrap=True)
    if screen.verbosity == 0:
        text = "-v shows the whole guide; -o report.html writes it with pictures"
        console.print(Text(text, "dim"))
