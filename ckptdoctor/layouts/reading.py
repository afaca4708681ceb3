"""Parts to checkpoints: each is read as its form says.

Where parts are files of torch.distributed.checkpoint, the tensors of one may be chunks, named
``layer.weight[0:8, 0:16]``. When all parts were scanned, :func:`with_chunks_joined` puts them
together: before it, in the assembled checkpoint, each chunk is a tensor of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ckptdoctor.checkpoint import Checkpoint, TensorRecord, TensorStats
from ckptdoctor.errors import LimitExceededError, UnsupportedCheckpointError
from ckptdoctor.formats import Limits, read_checkpoint
from ckptdoctor.formats.dcp.joined import Joined, joined
from ckptdoctor.formats.dcp.slices import FileSlices
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.stray import code_spelled, code_within
from ckptdoctor.formats.pickled_json import read_pickled_json
from ckptdoctor.formats.torch_dcp import read_description, read_slices
from ckptdoctor.formats.torch_zip import MAGIC
from ckptdoctor.formats.zip.plain import plain_source
from ckptdoctor.formats.zip.records import DEFLATED, ZipRecord
from ckptdoctor.layouts.files import Form, Member, Part, PartRole
from ckptdoctor.layouts.zero_shares import ZeroShare, with_parameters

__all__ = ["read_part", "with_chunks_joined"]

_UNPACKED_NBYTES = 256 << 20
_MAY_BE_A_VALUE = frozenset(
    {PartRole.STATE, PartRole.CUSTOM, PartRole.ARGS, PartRole.SCHEDULER, PartRole.RNG}
)


def read_part(part: Part, file: OpenFile) -> Checkpoint:
    """What a part holds, by its own names.

    Args:
        part: what it is; its form is no text.
        file: it, open.

    Raises:
        CheckpointError: nothing could be read; the subclass tells why.
    """
    file = _window(part.member, file)
    if part.form is Form.JSON:
        return read_pickled_json(file)
    if isinstance(part.described, ZeroShare):
        return with_parameters(read_checkpoint(file), part.described)
    if part.form is not Form.DCP:
        return read_checkpoint(file, takes_value=part.role in _MAY_BE_A_VALUE)
    if isinstance(part.described, FileSlices):
        return read_slices(file, part.described)
    return read_description(file, part.described)


def _window(member: Member | None, file: OpenFile) -> OpenFile:
    """The part itself, where the file is an archive that holds it."""
    if member is None:
        return file
    if member.plain_nbytes is None:
        return file.window(member.start, member.nbytes)
    if member.plain_nbytes > _UNPACKED_NBYTES:
        raise LimitExceededError(
            file.path,
            f"a part of it is compressed, and larger than the {_UNPACKED_NBYTES >> 20} MB that "
            "are unpacked here",
            remedy="Unpack the archive, and pack it again without compression: zip -0.",
        )
    record = ZipRecord("a part", DEFLATED, 0, member.nbytes, member.plain_nbytes, member.start)
    plain = plain_source(file.path, file.source, record, Limits.for_file(file.nbytes))
    data = plain.read(0, plain.nbytes)
    inner = file.unpacked(data)
    if not data.startswith((MAGIC, b"{")):
        error = UnsupportedCheckpointError(
            file.path,
            "a part of it is compressed, and no zip archive as torch.save writes it",
            remedy="Unpack the archive, and pack it again without compression: zip -0.",
        )
        error.runs = code_spelled(code_within(inner, Limits.for_file(inner.nbytes)))
        raise error
    return inner


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
