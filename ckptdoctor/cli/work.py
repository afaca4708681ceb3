"""The wiring that commands share. Imported only once a command really runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ckptdoctor.cli.options import Format
from ckptdoctor.cli.output import ProgressBar, note, write_result
from ckptdoctor.run.discover import Discovery, discover
from ckptdoctor.scanning.preload import preload

if TYPE_CHECKING:
    from ckptdoctor.report import Report

__all__ = ["examine_files", "examine_paths", "write_scan"]


def examine_paths(paths: Sequence[Path], *, jobs: int | None, quiet: bool) -> Report | None:
    """The report on what the paths name; None, with a note, where they name nothing."""
    found = discover(paths)
    if not found.files:
        _explain_nothing(found)
        return None
    for folder in found.empty:
        note(f"{folder}: no checkpoint in this folder")
    files = [*found.files, *found.missing]
    report = examine_files(files, jobs=jobs, quiet=quiet, keep_details=False)
    from ckptdoctor.recovery import with_last_good

    return with_last_good(report)


def examine_files(
    files: Sequence[Path], *, jobs: int | None, quiet: bool, keep_details: bool
) -> Report:
    """The report on these files, with a progress bar."""
    preload()  # before the imports that take their time
    from ckptdoctor.diagnose import Examination, examine

    with ProgressBar(quiet=quiet) as bar:
        how = Examination(
            jobs=jobs, keep_details=keep_details, progress=bar.advance, expect=bar.expect
        )
        report = examine(files, how)
    for crash in report.crashes:
        note(f"{crash.path}: the rule {crash.rule} failed; please report this:\n{crash.error}")
    return report


def write_scan(
    report: Report, fmt: Format, output: Path | None, *, verbosity: int, no_color: bool
) -> None:
    """Write a report in the format asked for."""
    if fmt is Format.JSON:
        from ckptdoctor.render.as_json import scan_json

        text = scan_json(report)
    else:
        from ckptdoctor.render.console_scan import scan_text
        from ckptdoctor.render.screen import Screen

        plain = True if no_color or output is not None else None
        text = scan_text(report, Screen(colour=False if plain else None, verbosity=verbosity))
    write_result(text, output)


def _explain_nothing(found: Discovery) -> None:
    for path in found.missing:
        note(f"{path}: no such file or folder")
    for folder in found.empty:
        where = "the current folder" if folder == Path() else str(folder)
        note(f"{where}: no checkpoint in it (.pth, .pt, .ckpt, .bin, .safetensors, ...)")
