"""A checkpoint whose files are open: where the elements of each of its tensors lie."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, TensorRecord
from ckptdoctor.formats import opened, read_checkpoint
from ckptdoctor.layouts.describe import Parts
from ckptdoctor.layouts.files import CheckpointFiles
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["OpenCheckpoint", "Piece", "open_files", "overlap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A box of a tensor's elements, and the file that holds it.

    Attributes:
        offsets: where the box begins in the tensor, one a dimension.
        record: the box as a tensor of that file.
        fd: the file, open.
        byteorder: of its storages.
    """

    offsets: tuple[int, ...]
    record: TensorRecord
    fd: int
    byteorder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCheckpoint:
    """A checkpoint whose files are open.

    Attributes:
        checkpoint: what it holds.
        pieces: of each tensor; one, unless it is cut into chunks.
        unread: why a file of it could not be read, a sentence each.
    """

    checkpoint: Checkpoint
    pieces: Mapping[str, tuple[Piece, ...]] = field(repr=False)
    unread: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """What the user calls it."""
        return self.checkpoint.path


@contextlib.contextmanager
def open_files(files: CheckpointFiles) -> Iterator[OpenCheckpoint]:
    """The checkpoint, as long as the block lasts; a part that cannot be read is left out.

    Raises:
        CheckpointError: nothing could be read.
        OSError: no file of it can be opened.
    """
    with contextlib.ExitStack() as stack:
        if files.is_single:
            file = stack.enter_context(opened(files.path))
            checkpoint = read_checkpoint(file)
            yield OpenCheckpoint(checkpoint=checkpoint, pieces=_pieces(checkpoint, file.fd))
            return
        parts = Parts(files)
        pieces: dict[str, tuple[Piece, ...]] = {}
        for checkpoint, file in parts.read(stack):
            pieces |= _pieces(checkpoint, file.fd)
        whole, joined = parts.whole()
        for fqn, chunks in joined.pieces.items() if joined is not None else ():
            pieces[fqn] = tuple(
                replace(pieces[one.record.fqn][0], offsets=one.chunk.offsets) for one in chunks
            )
        yield OpenCheckpoint(checkpoint=whole, pieces=pieces, unread=tuple(map(str, parts.failed)))


def _pieces(checkpoint: Checkpoint, fd: int) -> dict[str, tuple[Piece, ...]]:
    return {
        tensor.fqn: (
            Piece(
                offsets=(0,) * len(tensor.shape),
                record=tensor,
                fd=fd,
                byteorder=checkpoint.byteorder,
            ),
        )
        for tensor in checkpoint.tensors
    }


def overlap(one: Piece, other: Piece) -> tuple[TensorRecord, TensorRecord] | None:
    """What two pieces of tensors of one shape have in common, as a view of each; None for nothing.

    Checkpoints of another number of ranks cut the same tensor at other places.
    """
    starts = tuple(map(max, one.offsets, other.offsets))
    ends = tuple(map(min, _ends(one), _ends(other)))
    sizes = tuple(end - start for start, end in zip(starts, ends, strict=True))
    if any(size <= 0 for size in sizes):
        return None
    return _view(one, starts, sizes), _view(other, starts, sizes)


def _ends(piece: Piece) -> tuple[int, ...]:
    return tuple(map(sum, zip(piece.offsets, piece.record.shape, strict=True)))


def _view(piece: Piece, starts: tuple[int, ...], sizes: tuple[int, ...]) -> TensorRecord:
    record = piece.record
    steps = zip(starts, piece.offsets, record.stride, strict=True)
    first = sum((start - offset) * stride for start, offset, stride in steps)
    return replace(record, shape=sizes, storage_offset=record.storage_offset + first)
