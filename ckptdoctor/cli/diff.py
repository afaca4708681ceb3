"""``ckptdoctor diff``: what moved between two checkpoints."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.options import (
    FailOn,
    FailOnOption,
    NoColorOption,
    OutputOption,
    QuietOption,
)

if TYPE_CHECKING:
    from ckptdoctor.difference import Difference

__all__ = ["diff"]


class _Format(Enum):
    """How the result is written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    MARKDOWN = "markdown"


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="A checkpoint, the earlier one.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    *,
    tensor: Annotated[
        list[str] | None,
        typer.Option("--tensor", "-t", metavar="GLOB", help="Only tensors whose name matches."),
    ] = None,
    ignore_prefix: Annotated[
        list[str] | None,
        typer.Option(metavar="PREFIX", help="Leave this aside in names, such as model."),
    ] = None,
    exact_names: Annotated[
        bool,
        typer.Option(
            "--exact-names", help="Do not match names that differ by module. or _orig_mod. alone."
        ),
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="List every layer and every value.")
    ] = False,
    fmt: Annotated[
        _Format, typer.Option("--format", "-f", help="How to write the result.")
    ] = _Format.TABLE,
    output: OutputOption = None,
    fail_on: FailOnOption = FailOn.ERROR,
    quiet: QuietOption = False,
    no_color: NoColorOption = False,
) -> int:
    """Show what moved between two checkpoints: how far the weights, layer by layer.

    The distance is the norm of the difference over the norm in A. NaN against a number is a
    difference, and is said. Weights of B that are no longer finite make the exit code 1.
    """
    from ckptdoctor.cli.output import ProgressBar, note, write_result
    from ckptdoctor.compare import Comparison, compare
    from ckptdoctor.errors import CheckpointError
    from ckptdoctor.runs.absent import why_absent

    missing = [path for path in (a, b) if not path.exists() and not path.is_symlink()]
    for path in missing:
        note(why_absent(path, "file"))
    if missing:
        return Exit.NOTHING
    with ProgressBar(quiet=quiet) as bar:
        how = Comparison(
            ignore_prefixes=tuple(ignore_prefix or ()),
            exact_names=exact_names,
            globs=tuple(tensor or ()),
            progress=bar.advance,
            expect=bar.expect,
        )
        try:
            found = compare(a, b, how)
        except CheckpointError as error:
            note(str(error))
            return Exit.FINDINGS
    plain = no_color or output is not None
    write_result(_text(found, fmt, plain=plain, quiet=quiet, everything=everything), output)
    return _exit(found, fail_on)


def _text(found: Difference, fmt: _Format, *, plain: bool, quiet: bool, everything: bool) -> str:
    if fmt is _Format.TABLE:
        from ckptdoctor.render.console.diff import diff_text
        from ckptdoctor.render.console.screen import Screen

        screen = Screen(colour=False if plain else None, verbosity=-1 if quiet else 0)
        return diff_text(found, screen, everything=everything)
    from ckptdoctor.render.machine import diff as differences

    writers = {
        _Format.JSON: differences.diff_json,
        _Format.JSONL: differences.diff_jsonl,
        _Format.CSV: differences.diff_csv,
        _Format.MARKDOWN: differences.diff_markdown,
    }
    return writers[fmt](found)


def _exit(found: Difference, fail_on: FailOn) -> Exit:
    if found.nothing_in_common:
        return Exit.FINDINGS
    threshold, worst = fail_on.severity, found.worst()
    failed = threshold is not None and worst is not None and worst >= threshold
    return Exit.FINDINGS if failed else Exit.OK
