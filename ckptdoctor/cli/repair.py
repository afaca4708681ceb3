"""``ckptdoctor repair``: bytes put right by the checksums of the file, or by its parity."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ckptdoctor.cli.exits import Exit
from ckptdoctor.cli.options import JobsOption, NoColorOption

__all__ = ["repair"]


class _Format(Enum):
    """How the result is written."""

    TABLE = "table"
    JSON = "json"


def repair(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The damaged checkpoint.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="What to write. Default: beside it, or here if it lies elsewhere: "
            "last_repaired.pth for last.pth.",
        ),
    ] = None,
    sha256: Annotated[
        str,
        typer.Option(
            "--sha256",
            metavar="HEX",
            help="What the whole file hashes to, if you know it: it decides.",
            show_default=False,
        ),
    ] = "",
    accept_odds: Annotated[
        bool,
        typer.Option(
            "--accept-odds",
            help="Write what is only likely: other damage may look like one flipped bit, and it is "
            "said how often.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the destination if it is there.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Say what is wrong; write nothing.")
    ] = False,
    fmt: Annotated[
        _Format, typer.Option("--format", "-f", help="How to write the result.")
    ] = _Format.TABLE,
    no_color: NoColorOption = False,
    jobs: JobsOption = None,
) -> int:
    """Find a flipped bit by the file's checksums, and write a new file with it put right.

    Where a parity file of safe_save lies beside it, bytes that were lost are given back as well.
    The source is never changed. Nothing is written where other damage could look the same, unless
    a SHA-256 decides.
    """
    from ckptdoctor.cli.failures import plain
    from ckptdoctor.cli.output import note, write_result
    from ckptdoctor.errors import CheckpointError, RestoreError
    from ckptdoctor.recovery.repair.repair import repair_file
    from ckptdoctor.runs.absent import why_absent

    if not file.exists():
        note(why_absent(file, "file"))
        return Exit.NOTHING
    if file.is_dir():
        note(f"{file} is a folder: name the file in it that is damaged; scan says which")
        return Exit.NOTHING
    try:
        done = repair_file(
            file,
            output,
            sha256=sha256,
            accept_odds=accept_odds,
            force=force,
            dry_run=dry_run,
            jobs=jobs,
        )
    except RestoreError as error:
        for line in error.lines:
            note(line)
        return Exit.REFUSED
    except CheckpointError as error:
        note(str(error))
        return Exit.REFUSED
    except OSError as error:
        note(f"nothing was written: {plain(error)}")
        return Exit.REFUSED
    for line in done.refused:
        note(line)
    if fmt is _Format.JSON:
        from ckptdoctor.render.repaired import repaired_json

        write_result(repaired_json(done), None)
    elif not done.refused:
        from ckptdoctor.render.console.screen import Screen
        from ckptdoctor.render.repaired import repaired_text

        write_result(repaired_text(done, Screen(colour=False if no_color else None)), None)
    return Exit.REFUSED if done.refused else Exit.OK
