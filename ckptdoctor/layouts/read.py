"""The parts of a checkpoint, read: each on its own, or all of them as one."""

from __future__ import annotations

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.errors import CheckpointError
from ckptdoctor.formats import OpenFile, open_checkpoint, opened, read_checkpoint
from ckptdoctor.layouts.assemble import assembled, in_checkpoint
from ckptdoctor.layouts.files import CheckpointFiles, Form, Part

__all__ = ["describe", "read_part"]


def read_part(part: Part, file: OpenFile) -> Checkpoint:  # noqa: ARG001
    """What one file of a checkpoint holds, by the names that it has in the file.

    Raises:
        CheckpointError: nothing could be read.
        OSError: the file cannot be read.
    """
    return read_checkpoint(file)


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
    return assembled(files, read)
