"""The checkpoint that a path names: a file, or several of which it is the folder."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from ckptdoctor.errors import RestoreError
from ckptdoctor.layouts.files import CheckpointFiles, single
from ckptdoctor.layouts.find import Claims, claims_in
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.places import place_of
from ckptdoctor.runs.discover import discover
from ckptdoctor.shell import command_line

__all__ = ["checkpoint_named"]

_FOLDERS_ABOVE = 3  # checkpoint-N/global_step1/bf16_…pt, and one to spare
_SHOWN = 8


def checkpoint_named(path: Path) -> CheckpointFiles:
    """The files of the checkpoint that a path names.

    Raises:
        RestoreError: it is one part of a checkpoint, or a folder of several checkpoints or of none;
            with the command for each that it may mean.
    """
    return _in_folder(path) if path.is_dir() else _of_file(path)


def _in_folder(path: Path) -> CheckpointFiles:
    found = discover([path]).checkpoints
    own = [files for files in found if place_of(files.path) == place_of(path)]
    if own:
        return own[0]
    if not found:
        raise RestoreError(f"{path}: no checkpoint in this folder")
    if len(found) == 1:
        return found[0]
    more = len(found) - _SHOWN
    raise RestoreError(
        f"{path} is no checkpoint but a folder of {len(found)}: name one of them",
        *(f"  {_restore(files.path)}" for files in found[:_SHOWN]),
        *((f"  … and {more} more: ckptdoctor rank lists them",) if more > 0 else ()),
    )


def _of_file(path: Path) -> CheckpointFiles:
    where = place_of(path)
    for folder in islice(path.absolute().parents, _FOLDERS_ABOVE):
        for files in claims_in(Folder(folder), Claims()):
            if place_of(files.path) == where:
                return files
            if any(place_of(part.path) == where for part in files.parts):
                raise RestoreError(
                    f"{path} is one part of a checkpoint, and nothing to go on from alone. The "
                    "whole of it:",
                    f"  {_restore(_as_named(files.path, path))}",
                )
    return single(path)


def _as_named(checkpoint: Path, part: Path) -> Path:
    """The checkpoint's path as the user would write it."""
    for above in part.parents:
        if above.absolute() == checkpoint.absolute():
            return above
    near = part.with_name(checkpoint.name)
    return near if near.absolute() == checkpoint.absolute() else checkpoint


def _restore(path: Path) -> str:
    return command_line("ckptdoctor", "restore", "--from", path)
