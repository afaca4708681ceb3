"""Where the scalars of a checkpoint stand, byte by byte, for whoever edits a copy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ckptdoctor.checkpoint import ScalarSpan
from ckptdoctor.formats import safetensors, torch_legacy, torch_tar, torch_zip
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import opened

__all__ = ["locate_scalars"]


def locate_scalars(path: str | Path, limits: Limits | None = None) -> Mapping[str, ScalarSpan]:
    """The pickle opcode that pushes each number, bool and None, by the path of the scalar.

    An opcode of the same length that pushes another value may be written over it in a copy.

    Args:
        path: the checkpoint.
        limits: bounds on the work; by default what the size of the file explains.

    Returns:
        Spans under the paths of :attr:`Checkpoint.scalars`. Texts, numpy scalars and one-element
        tensors are not among them, and formats that do not keep their scalars in a plain pickle
        (safetensors, tar, a deflated ``data.pkl``) have none. Two paths share a span where the
        pickle refers to one value twice.

    Raises:
        CheckpointError: the file cannot be read as a checkpoint.
        OSError: the file cannot be opened or read.
    """
    with opened(path) as file:
        limits = limits or Limits.for_file(file.nbytes)
        head = file.source.read(0, 512)
        if head.startswith(torch_zip.MAGIC):
            located = torch_zip.locate(file, limits)
        elif safetensors.is_safetensors(head) or torch_tar.is_tar(head):
            return {}
        else:
            located = torch_legacy.locate(file, limits)
    return {
        name: ScalarSpan(offset=node.offset, nbytes=node.nbytes, value=node.value)
        for name, node in located.items()
    }
