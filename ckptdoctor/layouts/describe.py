"""A checkpoint described: the headers of all its files, as one."""

from __future__ import annotations

from dataclasses import replace

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.errors import CheckpointError
from ckptdoctor.formats import open_checkpoint, opened
from ckptdoctor.layouts.assemble import assembled, in_checkpoint
from ckptdoctor.layouts.files import CheckpointFiles, Form, Part
from ckptdoctor.layouts.reading import read_part, with_chunks_joined

__all__ = ["describe"]


def describe(files: CheckpointFiles) -> Checkpoint:
    """What a checkpoint holds, without a look at its tensors; what cannot be read is left out.

    Raises:
        CheckpointError: nothing could be read.
        OSError: no file of it can be opened.
    """
    if files.is_single:
        return open_checkpoint(files.path)
    read: list[tuple[Part, Checkpoint]] = []
    taken: set[str] = set()
    failed: CheckpointError | OSError | None = None
    for part in files.parts:
        if part.form is Form.TEXT:
            continue
        try:
            with opened(part.path) as file:
                checkpoint = in_checkpoint(read_part(part, file), part, taken)
        except (CheckpointError, OSError) as error:
            failed = failed or error
            continue
        taken.update(tensor.fqn for tensor in checkpoint.tensors)
        read.append((part, checkpoint))
    if failed is not None and not read:
        raise failed
    whole = assembled(files, read)
    joined = with_chunks_joined(files.parts, whole.tensors, {})
    return whole if joined is None else replace(whole, tensors=joined.tensors)
