"""The commands, in the order in which a person needs them."""

from __future__ import annotations

from typing import Annotated

import typer

from ckptdoctor.cli.autopsy import autopsy
from ckptdoctor.cli.cache import cache
from ckptdoctor.cli.commands import Command, Commands
from ckptdoctor.cli.config import config
from ckptdoctor.cli.configured import Chooses, configured
from ckptdoctor.cli.demo import demo
from ckptdoctor.cli.diff import diff
from ckptdoctor.cli.explain import explain
from ckptdoctor.cli.gpu import gpu
from ckptdoctor.cli.history import history
from ckptdoctor.cli.inspect import inspect
from ckptdoctor.cli.plan import plan
from ckptdoctor.cli.rank import rank
from ckptdoctor.cli.repair import repair
from ckptdoctor.cli.restore import restore
from ckptdoctor.cli.scan import scan
from ckptdoctor.cli.unquoted import TakesCommand
from ckptdoctor.cli.watch import watch
from ckptdoctor.version import __version__

__all__ = ["app"]

app = typer.Typer(
    name="ckptdoctor",
    cls=Commands,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,  # importing rich for the help text would double its time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"ckptdoctor {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _main(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            callback=lambda value: _print_version(wanted=value),
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """A doctor for PyTorch checkpoints: finds NaN and damage, and the file to go on from.

    Nothing in a checkpoint is ever executed, and no checkpoint is ever changed.
    """


app.command(
    cls=Command, short_help="Which checkpoints are still good, and which one to go on from."
)(configured(scan, Chooses.ACCEPTS))
app.command(cls=Command, short_help="One checkpoint, tensor by tensor.")(configured(inspect))
app.command(cls=Command, short_help="What moved between two checkpoints, layer by layer.")(diff)
app.command(cls=Command, short_help="Backups from best to worst, and why.")(
    configured(rank, Chooses.COUNTS)
)
app.command(cls=Command, short_help="The metric over the epochs: best, decline, collapse.")(
    configured(history, Chooses.COUNTS)
)
app.command(cls=Command, short_help="Write a verified clean file to go on from.")(
    configured(restore)
)
app.command(cls=Command, short_help="Put a flipped bit right, into a new file.")(repair)
app.command(cls=TakesCommand, short_help="How to go on: restart commands, ready to run.")(
    configured(plan)
)
app.command(
    cls=Command, short_help="What went bad first, why, and the recovery guide of this run."
)(configured(autopsy))
app.command(cls=Command, short_help="Watch a run: new checkpoints, the log, silence.")(
    configured(watch)
)
app.command(cls=Command, short_help="What a finding means, why, and what to do.")(explain)
app.command(cls=Command, short_help="Who holds the GPU's memory, and how to free it.")(gpu)
app.command(cls=Command, short_help="What is remembered of files, and how to clear it.")(cache)
app.command(cls=Command, short_help="The settings that count, and where each comes from.")(
    configured(config, Chooses.COUNTS)
)
app.command(cls=Command, short_help="Make a small collapsed run and examine it.")(demo)
