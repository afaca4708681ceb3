"""The object that ``torch.save`` was given, as a tree that may be changed and written again."""

from __future__ import annotations

from collections.abc import Mapping

from ckptdoctor.checkpoint import StorageRef
from ckptdoctor.errors import UnsupportedCheckpointError
from ckptdoctor.formats import torch_legacy, torch_tar, torch_zip
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.nodes import DictNode, Node
from ckptdoctor.formats.safetensors import is_safetensors
from ckptdoctor.formats.source import ByteSource, FileSource
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["SavedObject", "bytes_alone", "read_object"]


@dataclass(frozen=True, slots=True)
class SavedObject:
    """What a pickle says, and where the storages lie that it refers to.

    Attributes:
        root: the tree; nodes may be replaced.
        source: where the byte strings of the tree lie.
        storages: by key; those that are lost or short are missing.
        byteorder: of the storages, ``little`` or ``big``.
        is_bare: whether it is a pickle and nothing else, which holds its tensors itself.
        is_unread: whether there is no tree, and bytes can be replaced where they lie.
    """

    root: Node
    source: ByteSource
    storages: Mapping[str, StorageRef]
    byteorder: str
    is_bare: bool = False
    is_unread: bool = False


def bytes_alone(file: OpenFile) -> SavedObject:
    """An open checkpoint of which bytes may be replaced, and nothing of its structure."""
    source = FileSource(file.fd, file.nbytes)
    return SavedObject(DictNode([]), source, {}, "little", is_unread=True)


def read_object(file: OpenFile, limits: Limits | None = None) -> SavedObject:
    """The saved object of an open checkpoint.

    Raises:
        UnsupportedCheckpointError: a format whose pickle cannot be written again by itself.
        CheckpointError: it cannot be read at all.
    """
    limits = limits or Limits.for_file(file.nbytes)
    head = file.source.read(0, 4096)
    if head.startswith(torch_zip.MAGIC):
        return SavedObject(*torch_zip.saved(file, limits))
    if is_safetensors(head) or torch_tar.is_tar(head[:512]):
        raise UnsupportedCheckpointError(
            file.path,
            "this format is copied, but not edited",
            remedy="Load it with torch and save it again.",
        )
    return SavedObject(*torch_legacy.saved(file, limits))
