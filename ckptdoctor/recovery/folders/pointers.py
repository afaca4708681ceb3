"""Pointers within a checkpoint that lead nowhere: in the copy they say what is there."""

from __future__ import annotations

from ckptdoctor.layouts.files import CheckpointFiles, Form, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.registry import all_layouts
from ckptdoctor.recovery.draft import Action

__all__ = ["mended_pointers"]

_LATEST = "latest"  # DeepSpeed's, in the folders of the Trainer and of Accelerate


def mended_pointers(files: CheckpointFiles) -> dict[str, tuple[str, Action]]:
    """What a pointer in a checkpoint's folder is to say, by its name, and what is said of that.

    Nothing where it leads somewhere, or where more than one folder could be meant.
    """
    inner = {
        part.name.partition("/")[0]
        for part in files.parts
        if "/" in part.name and part.role is PartRole.MODEL and part.form is Form.TENSORS
    }
    if len(inner) != 1 or not files.path.is_dir():
        return {}
    (name,) = inner
    folder = Folder(files.path)
    wrong = [
        pointer
        for layout in all_layouts()
        for pointer in layout.pointers(folder)
        if pointer.leads_to is None and pointer.path.name == _LATEST
    ]
    return {
        pointer.path.name: (
            name,
            Action(
                name="mend-pointer",
                message=f"{_LATEST} said {pointer.target!r}, which is not there, and says "
                f"{name!r} now",
            ),
        )
        for pointer in wrong
    }
