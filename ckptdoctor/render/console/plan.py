"""A restart plan for a person at a terminal: the recommended command first, ready to be copied."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import chain

from rich.text import Text

from ckptdoctor.recovery.option import Option
from ckptdoctor.recovery.plan import Plan
from ckptdoctor.recovery.rewrite import Change
from ckptdoctor.recovery.timeline import Timeline, duration
from ckptdoctor.render.console.screen import Screen, drawn
from ckptdoctor.render.text import number, printable

__all__ = ["plan_text"]


def plan_text(plan: Plan, screen: Screen) -> str:
    """The result of ``plan``: the commands, then the reasons, as many as one screen holds.

    Commands are printed whole, in lines that a shell takes as they are. Where the screen is too
    small for all, the command of what is recommended and its warnings stay; ``-v`` shows the rest.

    Args:
        plan: the options.
        screen: where it is shown.
    """
    console = screen.console()
    if not plan.options:
        console.print(Text("There is no checkpoint to go on from, and no command to start.", "red"))
    page = _Page(plan, console.width)
    for line in page.whole() if screen.verbosity else page.fitting(screen.rows()):
        console.print(line, soft_wrap=True)
    if screen.verbosity > 0:
        for option in plan.options:
            console.print()
            console.print(Text(f"{option.name}:", "bold"))
            for line in chain.from_iterable(page.details(option)):
                console.print(line, soft_wrap=True)
        for line in chain.from_iterable(page.notes):
            console.print(line, soft_wrap=True)
    return drawn(console)


class _Page:
    """The parts of a plan as lines, and which of them a screen has room for.

    Args:
        plan: the options.
        width: columns.
    """

    def __init__(self, plan: Plan, width: int) -> None:
        self._plan = plan
        self._width = width
        target = [] if plan.timeline is None else [("Target:", _timeline(plan.timeline))]
        self._target = [self._paragraph(label, words) for label, words in target]
        self.notes = [self._paragraph("Note:", note) for note in plan.notes]

    def whole(self) -> list[Text]:
        """All commands, and the target."""
        commands = [self._command(option) for option in self._plan.options]
        return list(chain(*commands, *self._target))

    def fitting(self, rows: int) -> list[Text]:
        """What a screen of so many lines shows at once, the prompt below it included."""
        options = self._plan.options
        best = next((option for option in options if option.recommended), None)
        details = [] if best is None else self.details(best)
        warned = 0 if best is None else len(best.warnings)
        needed, wanted = details[:warned], [*details[warned:], *self.notes]
        room = rows - 1 - self._height(chain(*needed, *self._target))
        commands = [self._command(option) for option in options]
        others = [option.name for option in options if not option.recommended]
        if self._height(chain(*commands, *wanted)) <= room:
            return list(chain(*commands, *needed, *wanted, *self._target))
        commands = [
            self._command(option)[: None if option.recommended else 1] for option in options
        ]
        if self._height(chain(*commands)) > room - 1 and best is not None:
            commands = [self._command(best)]
        told, cut = self._told(wanted, room - 1 - self._height(chain(*commands)))
        more = [f"the commands of {' and '.join(others)}"] if others else []
        more += [f"{cut} more lines of reasons"] if cut else []
        last = [Text(f"-v shows {', and '.join(more)}", "dim")] if more else []
        return list(chain(*commands, *needed, *told, *self._target, last))

    def _told(self, wanted: Sequence[list[Text]], room: int) -> tuple[list[list[Text]], int]:
        """As many paragraphs as there is room for, and how many lines the others have."""
        told = []
        for paragraph in wanted:
            if len(paragraph) > room:
                break
            told.append(paragraph)
            room -= len(paragraph)
        return told, sum(map(len, wanted[len(told) :]))

    def details(self, option: Option) -> list[list[Text]]:
        """What it cannot vouch for, changes, and why: a paragraph each, with its letter."""
        told = [
            *(("mind", warning) for warning in option.warnings),
            *(("change", _change(change)) for change in option.changes),
            *(("why", reason) for reason in option.reasons),
        ]
        return [self._paragraph(f"{option.name} {label}", words) for label, words in told]

    def _command(self, option: Option) -> list[Text]:
        """The title, then the command; a long line that the user did not break is left whole."""
        mark = " (recommended)" if option.recommended else ""
        style = "bold green" if option.recommended else "bold"
        title = Text(f"{option.name}: {printable(option.title)}{mark}", style)
        return [title, *(Text(f"  {printable(line)}") for line in option.command.split("\n"))]

    def _paragraph(self, label: str, words: str) -> list[Text]:
        room = max(20, self._width - 10)
        lines = textwrap.wrap(printable(words), room)
        return [
            Text.assemble((f"{label if at == 0 else '':<9} ", "dim"), line)
            for at, line in enumerate(lines)
        ]

    def _height(self, lines: Iterable[Text]) -> int:
        """The lines on the screen, the long ones broken by the terminal."""
        return sum(max(1, -(-line.cell_len // self._width)) for line in lines)


def _change(change: Change) -> str:
    if change.after is None:
        value = "" if change.before is None else f" {change.before}"
        return f"without {change.flag}{value}: {change.reason}"
    if change.before is None:
        return f"{change.flag} {change.after} (new): {change.reason}"
    return f"{change.flag} {change.before} -> {change.after}: {change.reason}"


def _timeline(timeline: Timeline) -> str:
    what = f"{number(timeline.target)}"
    low, high = timeline.low, timeline.high
    if low is None:
        return f"{what}: no estimate. {timeline.method.removeprefix('none: ').capitalize()}"
    if low == high == 0:
        return f"{what}: {timeline.method}"
    many = f"{low} to {high} epochs" if high is not None and high != low else f"{low} epochs"
    if high is None:
        many = f"{low} epochs or more, perhaps never"
    took = ""
    if timeline.epoch_s is not None:
        least = duration(low * timeline.epoch_s)
        most = "" if high in (None, low) else f" to {duration((high or 0) * timeline.epoch_s)}"
        took = f", {least}{most}"
    return f"{what} in about {many}{took}. From {timeline.method}"
