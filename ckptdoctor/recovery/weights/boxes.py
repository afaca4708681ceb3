"""The weights of a distributed checkpoint: each put together from the boxes that ranks wrote.

Source: ``dcp_to_torch_save`` in ``torch/distributed/checkpoint/format_utils.py`` of PyTorch 2.13.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ckptdoctor.checkpoint import Checkpoint, Role, TensorRecord
from ckptdoctor.errors import RestoreError
from ckptdoctor.formats.dcp.described import Chunk, DcpMetadata, WholeTensor
from ckptdoctor.formats.dcp.slices import FileSlices
from ckptdoctor.formats.open_file import opened
from ckptdoctor.layouts.files import Form
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.folders.part_draft import PartView
from ckptdoctor.recovery.weights.weight import Weight
from ckptdoctor.report import CheckpointReport
from ckptdoctor.scanning.elements import elements

__all__ = ["box_weights"]

_PIECE_NUMEL = 1 << 20
_BLOCK_NBYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class _Box:
    """A stored box of a tensor."""

    chunk: Chunk
    record: TensorRecord
    checkpoint: Checkpoint

    def rows(self, first: int, last: int) -> bytes:
        """Some of its rows, counted in the whole."""
        at = first - self.chunk.offsets[0]
        part = replace(
            self.record,
            shape=(last - first, *self.record.shape[1:]),
            storage_offset=self.record.storage_offset + at * self.record.stride[0],
        )
        return b"".join(self._read(part))

    def all(self) -> Iterator[bytes]:
        """All of it."""
        return self._read(self.record)

    def _read(self, tensor: TensorRecord) -> Iterator[bytes]:
        with opened(self.checkpoint.path) as file:
            if file.identity != self.checkpoint.identity:
                path = self.checkpoint.path
                raise RestoreError(f"{path} changed while it was examined: try again")
            yield from elements(file.fd, tensor, self.checkpoint.byteorder, _PIECE_NUMEL)


def box_weights(report: CheckpointReport, views: Sequence[PartView]) -> Iterator[Weight]:
    """The weights in the files of torch.distributed.checkpoint, by the names of the module.

    Args:
        report: of the checkpoint.
        views: its parts.

    Raises:
        RestoreError: a box of a tensor is missing.
    """
    own = [view for view in views if view.report.part.form is Form.DCP]
    stored: dict[str, tuple[Checkpoint, TensorRecord]] = {}
    whole: dict[str, WholeTensor] = {}
    roles: dict[str, Role] = {}
    paths: dict[str, tuple[str | int, ...]] = {}
    for view in own:
        described, checkpoint = view.report.part.described, view.checkpoint
        stored |= {tensor.fqn: (checkpoint, tensor) for tensor in view.tensors}
        if isinstance(described, FileSlices):
            whole |= described.whole
            roles |= {item.fqn: item.role for item in described.items}
        elif isinstance(described, DcpMetadata):
            paths |= described.key_paths
    model = {fqn: one for fqn, one in whole.items() if roles.get(fqn) is Role.MODEL}
    names = _names(model, paths)
    for fqn, tensor in model.items():
        boxes = [
            _Box(chunk, stored[name][1], stored[name][0])
            for chunk, name in zip(tensor.chunks, tensor.chunk_names, strict=True)
            if chunk.numel and name in stored
        ]
        if sum(box.chunk.numel for box in boxes) < math.prod(tensor.size):
            raise RestoreError(f"{report.path}: a part of {fqn} is missing")
        yield Weight(
            name=names[fqn],
            dtype=tensor.dtype,
            shape=tensor.size,
            pieces=partial(_joined, tensor, boxes),
        )


def _names(
    model: Mapping[str, WholeTensor], paths: Mapping[str, tuple[str | int, ...]]
) -> dict[str, str]:
    """The names without the key of the one dict that holds all the weights."""
    keys = {fqn: [str(key) for key in paths.get(fqn, ())] for fqn in model}
    roots = {path[0] for path in keys.values() if len(path) > 1}
    inside = all(len(path) > 1 for path in keys.values()) and len(roots) == 1
    return {fqn: ".".join(path[1:]) if inside else fqn for fqn, path in keys.items()}


def _joined(tensor: WholeTensor, boxes: Sequence[_Box]) -> Iterator[bytes]:
    """The elements of the whole, some rows at a time."""
    if len(boxes) == 1:
        yield from boxes[0].all()
        return
    if not boxes:
        return
    itemsize = boxes[0].record.dtype_info.itemsize
    row_nbytes = math.prod(tensor.size[1:]) * itemsize
    height = max(1, _BLOCK_NBYTES // max(1, row_nbytes))
    for start in range(0, tensor.size[0], height):
        end = min(start + height, tensor.size[0])
        block = bytearray((end - start) * row_nbytes)
        for box in boxes:
            first = max(start, box.chunk.offsets[0])
            last = min(end, box.chunk.offsets[0] + box.chunk.sizes[0])
            if first < last:
                _place(block, box, tensor.size, (first - start, first, last), itemsize)
        yield bytes(block)


def _place(
    block: bytearray,
    box: _Box,
    size: Sequence[int],
    rows: tuple[int, int, int],
    itemsize: int,
) -> None:
    """Put rows of a box where they stand in a block of rows of the whole.

    Args:
        block: changed.
        box: that has the rows.
        size: of the whole.
        rows: where in the block they begin, the first of them, and the one behind the last.
        itemsize: bytes of an element.
    """
    at, first, last = rows
    raw = box.rows(first, last)
    sizes = (last - first, *box.chunk.sizes[1:])
    offsets = (at, *box.chunk.offsets[1:])
    run = len(size)  # dimensions from here on lie in one run, in the box and in the whole
    while run > 1 and sizes[run - 1] == size[run - 1]:
        run -= 1
    nbytes = math.prod(sizes[run - 1 :]) * itemsize
    steps = [math.prod(size[dim + 1 :]) * itemsize for dim in range(len(size))]
    read = 0
    for index in itertools.product(*(range(sizes[dim]) for dim in range(run - 1))):
        begin = sum(
            (offset + step_at) * step
            for offset, step_at, step in zip(offsets, (*index, *_ZEROS), steps, strict=False)
        )
        block[begin : begin + nbytes] = raw[read : read + nbytes]
        read += nbytes


_ZEROS = (0,) * 64
