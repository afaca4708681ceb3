"""The options that commands share, so that they mean the same everywhere."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ckptdoctor.errors import DestinationError
from ckptdoctor.finding import Severity

__all__ = [
    "ClusterOption",
    "CommandOption",
    "FailOn",
    "FailOnOption",
    "Format",
    "FormatOption",
    "JobsOption",
    "LogOption",
    "LogPatternOption",
    "MetricOption",
    "Mode",
    "ModeOption",
    "NoCacheOption",
    "NoColorOption",
    "OutputOption",
    "PathsArgument",
    "QuietOption",
    "RunOption",
    "TargetOption",
    "VerboseOption",
]


class FailOn(Enum):
    """The lowest severity that makes the exit code 1."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    NEVER = "never"

    @property
    def severity(self) -> Severity | None:
        """As a severity; None for never."""
        return None if self is FailOn.NEVER else Severity[self.name]


class Mode(Enum):
    """Which direction of a metric is better."""

    MAX = "max"
    MIN = "min"


class Format(Enum):
    """How the result is written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    MARKDOWN = "markdown"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"
    HTML = "html"


def _place_for_a_file(path: Path | None) -> Path | None:
    """The path, before the work that would be lost.

    Raises:
        DestinationError: what is there is no file, or a checkpoint; or there is no such folder.
    """
    if path is not None:
        from ckptdoctor.destination import refuse_what_is_no_file
        from ckptdoctor.sources.descriptors import is_far

        if is_far(path):
            raise DestinationError(f"{path}: nothing is written by URL: name a file here")
        if not path.parent.is_dir():
            raise DestinationError(f"{path.parent} is no folder: make it first, or name another")
        refuse_what_is_no_file(path)
        if path.exists() and (what := _what_is_lost_with(path)):
            raise DestinationError(
                f"{path} is {what}, which the result would replace: name another file"
            )
    return path


def _what_is_lost_with(path: Path) -> str:
    """What a file is that a report must not replace; "" where it may."""
    from ckptdoctor.layouts.find import Claims, claims_in
    from ckptdoctor.layouts.folder import Folder
    from ckptdoctor.manifest import is_manifest
    from ckptdoctor.places import named
    from ckptdoctor.runs.logs.find import has_name_of_log, shows_training

    if _is_checkpoint(path):
        return "a checkpoint"
    folder, claims = named(path.parent), Claims()
    for _ in claims_in(Folder(folder), claims):
        pass
    if folder / path.name in claims.taken:
        return "a part of a checkpoint, or leads to one"
    if path.name.endswith(".json") and is_manifest(path):
        return "the note beside a restored checkpoint"
    return "the log of a training" if has_name_of_log(path) and shows_training(path) else ""


def _is_checkpoint(path: Path) -> bool:
    """Whether a report must not replace a file, whatever is in it."""
    from ckptdoctor.formats import looks_like_checkpoint, names_tensors
    from ckptdoctor.runs.discover import CHECKPOINT_SUFFIXES

    if path.name.lower().endswith(CHECKPOINT_SUFFIXES):
        return True
    return looks_like_checkpoint(path) or names_tensors(path)


PathsArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="PATHS",
        help="Files, folders (searched to the bottom) or globs; URLs as well. "
        "Default: $CKPTDOCTOR_DIR, else checkpoints/, else the current folder.",
        show_default=False,
    ),
]
FormatOption = Annotated[
    Format, typer.Option("--format", "-f", help="How to write the result to standard output.")
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write the result to FILE instead.",
        callback=_place_for_a_file,
    ),
]
FailOnOption = Annotated[
    FailOn,
    typer.Option(help="Exit with 1 if there is a finding of this severity or above."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what it adds up to.")]
VerboseOption = Annotated[
    int,
    typer.Option(
        "--verbose", "-v", count=True, help="List every row and every finding.", show_default=False
    ),
]
LogOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--log",
        metavar="FILE",
        help="A training log; repeatable. Those beside the checkpoints are found without it.",
        show_default=False,
    ),
]
LogPatternOption = Annotated[
    str,
    typer.Option(
        "--log-pattern",
        metavar="REGEX",
        help="How to read a line of the log, with groups (?P<epoch>...) and one for each value, "
        "where it is not read without.",
        show_default=False,
    ),
]
MetricOption = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Judge by this metric, not by the one found.", show_default=False
    ),
]
ModeOption = Annotated[
    Mode | None,
    typer.Option(help="Which direction is better, where the name misleads.", show_default=False),
]
RunOption = Annotated[
    str,
    typer.Option(
        "--run",
        metavar="NAME",
        help="The run that is meant, where several are here; scan names them.",
        show_default=False,
    ),
]
NoCacheOption = Annotated[
    bool, typer.Option("--no-cache", help="Read every file again, and remember nothing of it.")
]
NoColorOption = Annotated[bool, typer.Option("--no-color", help="Plain text.")]
JobsOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=256, metavar="N", help="Cores to use. Default: all.", show_default=False
    ),
]


def _an_address(ctx: typer.Context, value: str) -> str:
    """The address; an empty one, as a variable that is not set leaves it, is no word for none."""
    source = ctx.get_parameter_source("cluster")
    if not value.strip() and source is not None and source.name == "COMMANDLINE":
        raise typer.BadParameter("the address of a scheduler is empty; give tcp://host:8786")
    return value


ClusterOption = Annotated[
    str,
    typer.Option(
        "--cluster",
        callback=_an_address,
        metavar="ADDRESS",
        help="Have the files read by a dask cluster: its scheduler, as tcp://host:8786.",
        show_default=False,
    ),
]
TargetOption = Annotated[
    float | None,
    typer.Option(
        metavar="VALUE",
        help="Estimate how long it takes until the metric gets there.",
        show_default=False,
    ),
]
CommandOption = Annotated[
    str,
    typer.Option(
        metavar="COMMAND",
        help="The command that the run was started with, in quotes. Without it, the one in "
        "the log or in the checkpoint's stored arguments is taken.",
        show_default=False,
    ),
]
