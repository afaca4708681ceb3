"""The manifest of what is restored: whether it may be written, and what it says."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ckptdoctor.errors import RestoreError
from ckptdoctor.manifest import RestoredFrom, is_manifest, manifest_path
from ckptdoctor.recovery.draft import Action
from ckptdoctor.recovery.publish import PlacedError, publish, temporary_beside
from ckptdoctor.report import CheckpointReport
from ckptdoctor.sources.descriptors import is_far

__all__ = [
    "check_note",
    "is_trusted",
    "publish_noted",
    "scale_of",
    "unlink_note",
    "write_manifest",
    "write_note",
]


def is_trusted(report: CheckpointReport, actions: Sequence[Action]) -> bool:
    """Whether no value was made up, neither now nor in the copy that this one is made from."""
    made_up = any(finding.evidence.get("trusted") is False for finding in report.findings)
    return not made_up and all(action.name != "zero-nonfinite" for action in actions)


def scale_of(copied: RestoredFrom | None, actions: Sequence[Action]) -> float | None:
    """The learning rates over those of the first checkpoint; None where nobody can tell.

    And of an average, so that nothing takes it for a copy of the newest that it is made from.
    """
    if any(action.name == "average" for action in actions):
        return None
    for action in actions:
        if action.factor is not None or action.set_lr is not None:
            return action.factor
    return 1.0 if copied is None else copied.scale


def write_manifest(path: Path, text: str) -> None:
    """Write a manifest in one step.

    Raises:
        RestoreError: something else is there.
        OSError: it cannot be written.
    """
    with temporary_beside(path, None) as (temporary, out):
        out.write(text.encode())
        publish(temporary, out, path, force=True)


def unlink_note(path: Path) -> None:
    """Remove a manifest of ours; anything else of that name stays.

    Raises:
        OSError: it cannot be removed.
    """
    if not _is_there(path) or not is_manifest(path):
        return
    if is_far(path):
        from ckptdoctor.sources.upload import remove

        remove(path)
    else:
        path.unlink()


def _is_there(note: Path) -> bool:
    return note.exists() if is_far(note) else os.path.lexists(note)


def check_note(destination: Path, sources: Sequence[Path]) -> None:
    """Refuse a destination whose manifest would cost the user a file."""
    note = manifest_path(destination)
    if not _is_there(note):
        return
    for source in sources:
        with contextlib.suppress(OSError):
            if note.samefile(source):
                raise RestoreError(
                    f"{note}, the manifest of {destination}, is the source itself, {source}: "
                    "choose another with -o"
                )
    if not is_manifest(note):
        raise RestoreError(
            f"{note} would be the manifest of {destination}, and is something else: "
            "choose another with -o, or move it away"
        )


def publish_noted(path: Path, out: IO[bytes], destination: Path, text: str, *, force: bool) -> None:
    """Make a temporary file the destination, and write its manifest beside it.

    Args:
        path: the temporary file, written and verified.
        out: the same, open.
        destination: where it goes.
        text: of the manifest.
        force: whether a file that is there may be replaced.

    Raises:
        RestoreError: something is there by now.
        PlacedError: the file has its name, and what came after failed.
        OSError: it cannot be done.
    """
    note = manifest_path(destination)
    if force:  # an old manifest would accuse the new file
        unlink_note(note)
    publish(path, out, destination, force=force)
    write_note(note, text)


def write_note(note: Path, text: str) -> None:
    """Write the manifest of what has its name already.

    Raises:
        PlacedError: it could not be written.
    """
    try:
        write_manifest(note, text)
    except RestoreError as error:
        raise PlacedError(None, f"its manifest was not written: {error}") from error
    except OSError as error:
        raise PlacedError(
            error.errno, f"its manifest could not be written: {error.strerror or error}"
        ) from error
