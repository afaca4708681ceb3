"""The events of a watch, one a line: for a terminal, and as JSON."""

from __future__ import annotations

import datetime as dt

from rich.text import Text

from ckptdoctor.finding import Severity
from ckptdoctor.render.console.screen import SEVERITY_STYLE, Screen, drawn, print_hanging
from ckptdoctor.render.machine.as_json import dump_line, finding_object
from ckptdoctor.render.text import printable, shorten_middle
from ckptdoctor.watch.events import Event, EventKind

__all__ = ["event_json", "event_text"]

_MOST_CHARS = 400
_INDENT = 11
_MARKS = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.INFO: "·"}
_GOOD = {EventKind.CHECKPOINT: ("✓", "green"), EventKind.RESUMED: ("✓", "green")}


def event_text(event: Event, screen: Screen, *, wraps: bool = False) -> str:
    """An event as one line: the time of day, a mark, the code, the words.

    Args:
        event: what happened.
        screen: where it is shown.
        wraps: whether a line that is too long is broken between words, and a command then gets a
            line of its own, whole; a log or another program wants a line an event.
    """
    console = screen.console()
    moment = dt.datetime.fromtimestamp(event.time_s).astimezone().strftime("%H:%M:%S")
    mark, style = _GOOD.get(event.kind, ("·", "dim"))
    if event.severity is not None:
        mark, style = _MARKS[event.severity], SEVERITY_STYLE[event.severity]
    message = shorten_middle(printable(event.message), _MOST_CHARS)
    line = Text.assemble((f"{moment} ", "dim"), (f"{mark} ", style))
    if event.code and event.kind is not EventKind.CHECKPOINT:
        line.append(f"{event.code} ", style)
    style = style if event.severity is Severity.ERROR else ""
    line.append(message, style)
    known = Text(" (known from before)" if event.known else "", "dim")
    command = Text(f": {event.command}" if event.command else "", style)  # never shortened
    if not wraps or line.cell_len + command.cell_len + known.cell_len <= console.width:
        console.print(line.append_text(command).append_text(known), soft_wrap=True)
    else:
        line.append(":" if event.command else "", style)
        print_hanging(console, line.append_text(known), _INDENT)
        if event.command:
            console.print(Text(f"{'':<{_INDENT}}{event.command}", style), soft_wrap=True)
    stack = event.data.get("stack")
    if isinstance(stack, str) and stack:
        for row in stack.splitlines():
            console.print(Text(f"           {printable(row)}", "dim"), soft_wrap=True)
    return drawn(console)


def event_json(event: Event) -> str:
    """An event as one line of JSON."""
    moment = dt.datetime.fromtimestamp(event.time_s, tz=dt.UTC)
    return dump_line(
        {
            "schema_version": 1,
            "type": event.kind.value,
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "severity": None if event.severity is None else event.severity.label,
            "code": event.code or None,
            "message": f"{event.message}: {event.command}" if event.command else event.message,
            "command": event.command or None,
            "path": None if event.path is None else str(event.path),
            "epoch": event.epoch,
            "known": event.known,
            "findings": [finding_object(finding) for finding in event.findings],
            "data": dict(event.data),
        }
    )
