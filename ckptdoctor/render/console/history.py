"""The metric over the epochs for a person at a terminal: a plot, and what went wrong."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from ckptdoctor.histories import History, LogFacts
from ckptdoctor.metadata import MetricKind, Source
from ckptdoctor.render.console.answer import print_notes, print_run_findings, print_set_aside
from ckptdoctor.render.console.braille_plot import plot_lines
from ckptdoctor.render.console.screen import Screen, drawn, print_hanging
from ckptdoctor.render.text import number, plural, printable, shorten_middle
from ckptdoctor.render.wording import NOTHING, form_words, values_words
from ckptdoctor.survey import Chronicles

__all__ = ["history_text"]

_INDENT = 11
_PLOT_LINES = 12
_PLOT_LINES_OF_SEVERAL = 8
_MOST_FINDINGS = 4
_MOST_PLOTS = 8
_STYLES = {"●": "bold green", "▼": "bold red", "✗": "red"}


def history_text(found: Chronicles, screen: Screen) -> str:
    """The result of ``history``: of each run a plot, the findings, and the command to go on with.

    Args:
        found: with at least one history.
        screen: where it is shown.
    """
    console = screen.console()
    several = len(found.runs) > 1
    lines = _PLOT_LINES_OF_SEVERAL if several else _PLOT_LINES
    if screen.verbosity < 0 or (screen.verbosity == 0 and len(found.runs) > _MOST_PLOTS):
        lines = 0
    for at, run in enumerate(found.runs):
        if at:
            console.print()
        if several:
            console.print(Text(printable(run.name), "bold"), soft_wrap=True)
        _print_run(console, run.history, screen.verbosity, lines)
        print_run_findings(console, run.findings, None if screen.verbosity > 0 else _MOST_FINDINGS)
        if run.next:
            console.print(Text.assemble("Next:      ", (run.next, "bold")), soft_wrap=True)
    print_set_aside(console, found)
    if screen.verbosity >= 0:
        print_notes(console, found.notes, all_of_them=screen.verbosity > 0)
    return drawn(console)


def _print_run(console: Console, history: History, verbosity: int, height: int) -> None:
    console.print(_headline(history))
    best = history.best
    if best is not None:
        carried = " (carried along, no file's own score)" if _is_carried(history) else ""
        source = f", from the {_SOURCES[best.source]}"
        text = f"Best:      {history.clock.say(best.at)}, {number(best.value)}{source}{carried}"
        print_hanging(console, Text(text), _INDENT)
    if height:
        name = shorten_middle(printable(history.metric), 30)
        lines = plot_lines(history, console.width, height)
        if lines:
            console.print(Text(name, "dim"))
        for line in lines:
            console.print(_styled(line), no_wrap=True)
    if history.superseded:
        first, last = history.superseded[0].at, history.superseded[-1].at
        text = f"           {history.clock.word}s {first}–{last} are of an earlier attempt"
        console.print(Text(text, "dim"))
    if verbosity > 0:
        for log in history.readings:
            _print_log(console, log)
    elif history.unread:
        text = f"           {plural(history.unread, 'line')} could not be read (-v shows some)"
        console.print(Text(text, "dim"))


def _print_log(console: Console, log: LogFacts) -> None:
    """How a log was read: as what, how much of it, what it holds, and why it was not believed."""
    lines = f", {plural(log.lines, 'line')}" if log.lines else ""
    console.print(
        Text(f"Log:       {printable(log.path.name)}: {form_words(log)}{lines}"), soft_wrap=True
    )
    if log.reason or not log.rows:
        why = log.reason or NOTHING
        console.print(Text(f"           set aside: it {printable(why)}", "dim"), soft_wrap=True)
    if log.names:
        text = f"           {plural(log.rows, 'place')} with {values_words(log)}"
        console.print(Text(text, "dim"), soft_wrap=True)
    if log.unread:
        text = f"           {plural(log.unread, 'line')} could not be read:"
        console.print(Text(text, "dim"))
    for example in log.examples:
        console.print(Text(f"  {printable(example)}", "dim"), soft_wrap=True)


_SOURCES = {Source.LOG: "log", Source.CONTENTS: "contents", Source.FILENAME: "file name"}


def _is_carried(history: History) -> bool:
    return history.best is not None and history.best.kind is MetricKind.RUNNING_BEST


def _headline(history: History) -> Text:
    if not history.points:
        return Text("No metric is known; of the values in the logs only NaN and the like is told")
    places = [point.at for point in history.points]
    name = shorten_middle(printable(history.metric), 30)
    line = Text(f"{name} of {plural(len(places), history.clock.word)}")
    if len(places) > 1:
        line.append(f", {min(places)} to {max(places)}")
    logs = [shorten_middle(printable(path.name), 24) for path in history.logs]
    from_logs = any(point.source is Source.LOG for point in history.points)
    if from_logs and logs:
        more = f" and {len(logs) - 1} more" if len(logs) > 1 else ""
        line.append(f", from {logs[0]}{more}")
    return line


def _styled(line: str) -> Text:
    text = Text(line)
    for character, style in _STYLES.items():
        text.highlight_words([character], style)
    return text
