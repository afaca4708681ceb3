"""What every report for a terminal shares: the screen, and the look of verdicts and findings."""

from __future__ import annotations

import io

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ckptdoctor.finding import Finding, Severity, Verdict
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.render.text import printable
from ckptdoctor.render.wording import summary
from ckptdoctor.report import Report

__all__ = [
    "LEAST_LINES",
    "LOOK",
    "SEVERITY_STYLE",
    "Screen",
    "drawn",
    "height",
    "print_finding",
    "print_hanging",
    "summary_line",
]

LOOK = {
    Verdict.HEALTHY: ("✓", "green"),
    Verdict.SUSPECT: ("?", "yellow"),
    Verdict.SALVAGEABLE: ("~", "yellow"),
    Verdict.CORRUPT: ("✗", "red"),
    Verdict.UNREADABLE: ("!", "red"),
}
SEVERITY_STYLE = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.ERROR: "red"}

_ROWS = 24
LEAST_LINES = _ROWS - 1
"""What is written for, whatever the screen: the prompt takes one."""
_LEAST_WORDS = 20
_FINDING_INDENT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What is written to.

    Attributes:
        width: columns; None to find out.
        colour: True or False to decide; None to find out.
        height: lines; None to find out.
        verbosity: -1 quiet, 0, 1 or more for every row and every finding.
    """

    width: int | None = None
    colour: bool | None = None
    height: int | None = None
    verbosity: int = 0

    def console(self) -> Console:
        """A console that keeps what it draws, drawing as for standard output."""
        real = Console()
        colour = self.colour if self.colour is not None else real.is_terminal
        return Console(
            file=io.StringIO(),
            width=self.width or (real.width if real.is_terminal else max(real.width, 80)),
            force_terminal=colour,
            color_system="auto" if colour else None,
            no_color=real.no_color or self.colour is False,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
            _environ={} if not colour else None,  # FORCE_COLOR would win over us
        )

    def rows(self) -> int:
        """The lines that it shows at once; 24 for what is no terminal."""
        real = Console()
        return self.height or (real.height if real.is_terminal else _ROWS)

    def lines(self) -> int:
        """The lines that a result may take beside the prompt: 23, or more on a taller screen."""
        return max(LEAST_LINES, self.rows() - 1)


def drawn(console: Console) -> str:
    """What the console of a :class:`Screen` holds."""
    console.file.seek(0)
    lines = console.file.read().split("\n")
    return "\n".join(_no_command(line.rstrip()) for line in lines)


def height(text: str, screen: Screen) -> int:
    """The lines that a text takes on a screen, the long ones broken by the terminal."""
    width = screen.console().width
    plain = Text.from_ansi(text).plain.split("\n") if "\x1b" in text else text.split("\n")
    return sum(max(1, -(-cell_len(line) // width)) for line in plain) - (plain[-1] == "")


def summary_line(report: Report) -> Text:
    """``6 checkpoints, 294 kB: 4 healthy, 2 corrupt``, in the colours of the verdicts."""
    line = Text(summary(report))
    for verdict in Verdict:
        line.highlight_regex(rf"(?<=[:,] )\d+ {verdict.value}\b", LOOK[verdict][1])
    return line


def _no_command(line: str) -> str:
    """The line, its colons spelled where GitHub would take it for a command: a name was wrapped."""
    start = line.lstrip()
    return f"{line[: -len(start)]}\\x3a{start[1:]}" if start.startswith("::") else line


def print_finding(console: Console, finding: Finding) -> None:
    """A finding on lines of its own, those after the first further in."""
    line = Text("  ")
    line.append(f"{finding.code} {finding.severity.label}", SEVERITY_STYLE[finding.severity])
    line.append(f" {printable(finding.subject)}: {printable(finding.message)}")
    print_hanging(console, line, _FINDING_INDENT)


def print_hanging(console: Console, line: Text, indent: int) -> None:
    """A line that is broken between words, each part after the first so many columns further in.

    Args:
        console: of a screen.
        line: of which at least ``indent`` characters, a column each, come before the first break.
        indent: columns.
    """
    head, body = line.divide([indent])
    for at, part in enumerate(body.wrap(console, max(_LEAST_WORDS, console.width - indent))):
        part.rstrip()
        console.print((head if at == 0 else Text(" " * indent)).append_text(part), soft_wrap=True)
