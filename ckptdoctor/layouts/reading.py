"""Parts to checkpoints: each is read as its form says.

Where parts are files of torch.distributed.checkpoint, the tensors of one may be chunks, named
``layer.weight[0:8, 0:16]``. When all parts were scanned, :func:`with_chunks_joined` puts them
together: before it, in the assembled checkpoint, each chunk is a tensor of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ckptdoctor.checkpoint import Checkpoint, TensorRecord, TensorStats
from ckptdoctor.formats import read_checkpoint
from ckptdoctor.formats.dcp.joined import Joined, joined
from ckptdoctor.formats.dcp.slices import FileSlices
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.torch_dcp import read_description, read_slices
from ckptdoctor.layouts.files import Form, Part

__all__ = ["read_part", "with_chunks_joined"]


def read_part(part: Part, file: OpenFile) -> Checkpoint:
    """What a part holds, by its own names.

    Args:
        part: what it is; its form is no text.
        file: it, open.

    Raises:
        CheckpointError: nothing could be read; the subclass tells why.
    """
    if part.form is not Form.DCP:
        return read_checkpoint(file)
    if isinstance(part.described, FileSlices):
        return read_slices(file, part.described)
    return read_description(file, part.described)


def with_chunks_joined(
    parts: Iterable[Part], tensors: Sequence[TensorRecord], stats: Mapping[str, TensorStats]
) -> Joined | None:
    """All tensors of a checkpoint, each once; None where no part of it holds chunks.

    Call :meth:`~ckptdoctor.formats.dcp.joined.Joined.told` for the problems that reader and scan
    met, so that they name tensors too.

    Args:
        parts: of the checkpoint.
        tensors: of all parts, prefixes put before their names.
        stats: of those that were scanned, likewise.
    """
    described = {
        id(part.described.whole): (part.described.whole, part.prefix)
        for part in parts
        if isinstance(part.described, FileSlices)
    }
    found: Joined | None = None
    for whole, prefix in described.values():
        more = joined(whole, tensors, stats, prefix=prefix)
        found = more if found is None else found.followed_by(more)
        tensors, stats = found.tensors, found.stats
    return found
