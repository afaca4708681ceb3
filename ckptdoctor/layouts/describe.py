"""A checkpoint described: the headers of all its files, as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.errors import CheckpointError
from ckptdoctor.formats import OpenFile, Repeats, opened, read_checkpoint
from ckptdoctor.formats.dcp.joined import Joined
from ckptdoctor.layouts.assemble import assembled, in_checkpoint
from ckptdoctor.layouts.files import CheckpointFiles, Form, Part
from ckptdoctor.layouts.reading import read_part, with_chunks_joined

__all__ = ["Parts", "describe"]


class Parts:
    """The files of a checkpoint, read one after the other; what cannot be read is left out.

    Args:
        files: the checkpoint, of several files.

    Attributes:
        failed: why a file could not be read.
    """

    def __init__(self, files: CheckpointFiles) -> None:
        self._files = files
        self._read: list[tuple[Part, Checkpoint]] = []
        self._taken: set[str] = set()
        self.failed: list[CheckpointError | OSError] = []

    def read(self, kept: ExitStack | None = None) -> Iterator[tuple[Checkpoint, OpenFile]]:
        """Each file by the names of the checkpoint, open until the next, or as long as ``kept``."""
        for part in self._files.parts:
            if part.form is Form.TEXT:
                continue
            with ExitStack() as stack:
                try:
                    file = stack.enter_context(opened(part.path))
                    checkpoint = in_checkpoint(read_part(part, file), part, self._taken)
                except (CheckpointError, OSError) as error:
                    self.failed.append(error)
                    continue
                self._taken.update(tensor.fqn for tensor in checkpoint.tensors)
                self._read.append((part, checkpoint))
                yield checkpoint, file
                if kept is not None:
                    kept.push(stack.pop_all())

    def whole(self) -> tuple[Checkpoint, Joined | None]:
        """All that were read as one, and the chunks that were joined.

        Raises:
            CheckpointError: nothing could be read.
            OSError: no file of it can be opened.
        """
        if self.failed and not self._read:
            raise self.failed[0]
        whole = assembled(self._files, self._read)
        joined = with_chunks_joined(self._files.parts, whole.tensors, {})
        return (whole if joined is None else replace(whole, tensors=joined.tensors)), joined


def describe(files: CheckpointFiles, repeats: Repeats | None = None) -> Checkpoint:
    """What a checkpoint holds, without a look at its tensors; what cannot be read is left out.

    Args:
        files: the checkpoint.
        repeats: the structures of those that were read before, where there are any.

    Raises:
        CheckpointError: nothing could be read.
        OSError: no file of it can be opened.
    """
    if files.is_single:
        with opened(files.path) as file:
            return read_checkpoint(file, repeats=repeats)
    parts = Parts(files)
    for _ in parts.read():  # one file open at a time: there may be thousands
        pass
    return parts.whole()[0]
