"""What a framework's module gives: how to know its checkpoints, and its pointers to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ckptdoctor.layouts.files import CheckpointFiles, Pointer
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["Layout"]


def _no_pointers(folder: Folder) -> Iterator[Pointer]:  # noqa: ARG001
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one framework lays out a checkpoint.

    Attributes:
        name: the framework's, as it stands in every output.
        claim: the checkpoints that a folder is, or that lie in it as several files side by side;
            nothing where it is none of this framework. Folders below are asked on their own, but
            for those that hold parts of what is claimed.
        pointers: the files of a folder that name the checkpoint to go on from.
    """

    name: str
    claim: Callable[[Folder], Iterator[CheckpointFiles]]
    pointers: Callable[[Folder], Iterator[Pointer]] = _no_pointers
