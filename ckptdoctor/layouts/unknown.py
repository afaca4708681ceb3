"""Files of a checkpoint folder that its framework did not write."""

from __future__ import annotations

from ckptdoctor.layouts.files import Form, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.found import Found

__all__ = ["is_tensor_file", "unknown_files"]

_SUFFIXES = (
    *(".pt", ".pth", ".bin", ".safetensors", ".ckpt", ".jit", ".tar"),
    *(".pkl", ".pickle", ".joblib"),
)


def is_tensor_file(name: str) -> bool:
    """Whether a file may hold tensors, by its name."""
    return not name.startswith(".") and name.lower().endswith(_SUFFIXES)


def unknown_files(folder: Folder, found: Found) -> Found:
    """What a script, or a plugin, saved in the folder of a checkpoint beside all that is known.

    Args:
        folder: of the checkpoint.
        found: what is known of it.
    """
    known = {part.name for part in found.parts}
    names = [
        at + name
        for at, below in folder.walk()
        for name in below.files
        if is_tensor_file(name) and at + name not in known
    ]
    return Found(parts=tuple(_part(folder, name) for name in sorted(names)))


def _part(folder: Folder, name: str) -> Part:
    path = folder.path / name
    # An empty file is a mark: SageMaker's ``user_content.pt``.
    form = Form.TENSORS if folder.nbytes(name) else Form.TEXT
    return Part(
        path=path, name=name, role=PartRole.CUSTOM, form=form, prefix=f"{name}.", needed=False
    )
