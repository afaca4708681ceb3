"""From what was found to the ranked report: what the command and the Python API share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.recovery import with_last_good
from ckptdoctor.report import Report
from ckptdoctor.run.discover import Discovery
from ckptdoctor.run.join import Wish

__all__ = ["survey", "why_nothing"]


def survey(found: Discovery, how: Examination | None = None, wish: Wish | None = None) -> Report:
    """The report on every file found, ranked; one that is missing gets its finding too.

    Args:
        found: at least one file.
        how: options.
        wish: what the user says of the metric and of the logs.

    Raises:
        OSError: a log that the user named cannot be read.
    """
    return with_last_good(examine([*found.files, *found.missing], how), wish)


def why_nothing(found: Discovery) -> Iterator[str]:
    """Why there is nothing to examine, a sentence a path."""
    for path in found.missing:
        yield f"{path}: no such file or folder"
    for folder in found.empty:
        where = "the current folder" if folder == Path() else str(folder)
        yield f"{where}: no checkpoint in it (.pth, .pt, .ckpt, .bin, .safetensors, ...)"
