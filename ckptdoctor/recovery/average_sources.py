"""The checkpoints that go into a mean, examined and open until the mean is written and compared."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Verdict
from ckptdoctor.formats.open_file import opened
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.manifest import MeanOf, sha256_of
from ckptdoctor.recovery.average import Averaged
from ckptdoctor.recovery.source import examined

__all__ = ["mean_of_files", "opened_for_mean", "paths_of"]


def opened_for_mean(
    several: Sequence[CheckpointFiles], held: contextlib.ExitStack, jobs: int | None
) -> list[Averaged]:
    """The files, sound and open.

    Args:
        several: checkpoints of one file each.
        held: closes them.
        jobs: threads of the scan.

    Raises:
        RestoreError: one is not sound, is a folder, or changed meanwhile.
    """
    found = []
    for files in several:
        if not files.is_single:
            raise RestoreError(f"{files.path} is a folder, and is not averaged with a file")
        report = examined(files.path, jobs)
        checkpoint = report.checkpoint
        if report.verdict is Verdict.CORRUPT or checkpoint is None:
            raise RestoreError(f"{files.path} is corrupt: it is no part of a mean")
        file = held.enter_context(opened(files.path))
        if file.identity != checkpoint.identity:
            raise RestoreError(f"{files.path} changed while it was examined: try again")
        found.append(Averaged(file, checkpoint, report.metadata.epoch))
    return found


def mean_of_files(files: Sequence[Averaged]) -> list[MeanOf]:
    """What a manifest says of them."""
    return [
        MeanOf(path=one.file.path, sha256=sha256_of(one.file.fd), epoch=one.epoch) for one in files
    ]


def paths_of(several: Sequence[CheckpointFiles]) -> tuple[Path, ...]:
    """Every file and folder of these checkpoints: none may be written to."""
    return tuple(
        path for files in several for path in (files.path, *(part.path for part in files.parts))
    )
