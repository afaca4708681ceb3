"""``ckptdoctor history``: the metric over the epochs, with its decline and its collapse."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from ckptdoctor.cli.exits import Exit, exit_for
from ckptdoctor.cli.options import (
    FailOn,
    FailOnOption,
    LogOption,
    LogPatternOption,
    MetricOption,
    ModeOption,
    NoCacheOption,
    NoColorOption,
    OutputOption,
    PathsArgument,
    QuietOption,
    VerboseOption,
)

__all__ = ["history"]


class _Format(Enum):
    """How the history is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


_FormatOption = Annotated[_Format, typer.Option("--format", "-f", help="How to write the history.")]


def history(
    paths: PathsArgument = None,
    *,
    log: LogOption = None,
    log_pattern: LogPatternOption = "",
    metric: MetricOption = "",
    mode: ModeOption = None,
    fmt: _FormatOption = _Format.TABLE,
    output: OutputOption = None,
    fail_on: FailOnOption = FailOn.ERROR,
    quiet: QuietOption = False,
    verbose: VerboseOption = 0,
    no_color: NoColorOption = False,
    no_cache: NoCacheOption = False,
) -> int:
    """Show the metric over the epochs: the best, the decline, the collapse.

    From logs, from the contents of checkpoints and from their names. No tensor is read. PATHS may
    be logs as well: lines of text, CSV, JSON lines, trainer_state.json, TensorBoard events.
    """
    from ckptdoctor.cli.configured import chronicles_settled
    from ckptdoctor.cli.output import note, note_lines, write_result
    from ckptdoctor.cli.remembering import remembering
    from ckptdoctor.cli.work import screen_for, wish_of
    from ckptdoctor.render.wording import reading_words
    from ckptdoctor.report import Report
    from ckptdoctor.survey import chronicles

    wish = wish_of(log, log_pattern, metric, mode)
    with remembering(wanted=not no_cache, quiet=quiet) as memory:
        found = chronicles_settled(chronicles(paths or [], wish, memory))
    for crash in found.crashes:
        note_lines(f"the rule {crash.rule} failed; please report this:\n{crash.error}")
    match fmt:
        case _Format.JSON:
            from ckptdoctor.render.machine.history import history_json

            text = history_json(found)
        case _Format.CSV:
            from ckptdoctor.render.machine.history import history_csv

            text = history_csv(found)
        case _Format.HTML:
            from ckptdoctor.render.html.history import history_html

            text = history_html(found)
        case _Format.TABLE:
            if not found.histories:
                for words in (*found.notes, *map(reading_words, found.readings)):
                    note(words)
                note("no epoch of a metric is known here: name a log with --log, or a metric")
                return Exit.NOTHING
            from ckptdoctor.render.console.history import history_text

            screen = screen_for(output, verbosity=-1 if quiet else verbose, no_color=no_color)
            text = history_text(found, screen)
    write_result(text, output)
    if not found.histories:
        return Exit.NOTHING
    return exit_for(Report(findings=found.findings, crashes=found.crashes), fail_on)
