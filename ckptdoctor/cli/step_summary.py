"""The summary of a GitHub Actions job: Markdown, appended to a file that the runner names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ckptdoctor.cli.draft import spoil
from ckptdoctor.cli.output import note
from ckptdoctor.destination import opened_for_writing

if TYPE_CHECKING:
    from ckptdoctor.report import Report

__all__ = ["append_step_summary"]


def append_step_summary(report: Report) -> None:
    """Append the report to ``$GITHUB_STEP_SUMMARY``, where that is set.

    Failing to do so is a note: the annotations are written, and the exit code stands.
    """
    name = os.environ.get("GITHUB_STEP_SUMMARY", "")
    if not name:
        return
    spoil()
    from ckptdoctor.render.machine.markdown import scan_markdown

    try:
        with os.fdopen(opened_for_writing(Path(name), append=True), "ab") as summary:
            summary.write(scan_markdown(report).encode("utf-8", "replace"))
    except OSError as error:
        note(f"the summary of the job was not written: {error}")
