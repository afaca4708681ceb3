"""Edits that replace bytes of single tensors and leave the tree as it is."""

from __future__ import annotations

import struct
from collections.abc import Callable

from ckptdoctor.checkpoint import Role, TensorRecord
from ckptdoctor.dtypes import DType, Kind
from ckptdoctor.errors import RestoreError
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.metadata import count_text
from ckptdoctor.recovery.draft import Draft, Patch, storage_key
from ckptdoctor.recovery.storages import storages_of
from ckptdoctor.report import CheckpointReport
from ckptdoctor.scanning.plan import Extent
from ckptdoctor.sources.descriptors import pread

__all__ = [
    "exchange",
    "fill_storage_with_zeros",
    "fill_with_zeros",
    "graft",
    "put_number",
    "reset_batch_norm",
    "stored_number",
    "zero_non_finite",
]

_PACK = {"float64": "<d", "float32": "<f", "float16": "<e", "int64": "<q", "int32": "<i"}
_FLOATS = {"float32": "<f", "float64": "<d"}
_RESET = {"running_mean": 0, "running_var": 1, "num_batches_tracked": 0}


def graft(draft: Draft, donor_file: OpenFile, donor: CheckpointReport) -> None:
    """Take the bad tensors of the model, and those alone, from another checkpoint.

    Raises:
        RestoreError: there is none, or the donor does not have them all, sound and of equal shape.
    """
    bad = [tensor for tensor in draft.tensors(Role.MODEL) if draft.is_bad(tensor)]
    if not bad:
        raise RestoreError(f"{draft.checkpoint.path}: its weights are sound, nothing to graft")
    given = () if donor.checkpoint is None else donor.checkpoint.tensors
    theirs = {tensor.fqn: tensor for tensor in given}
    for tensor in bad:
        other = theirs.get(tensor.fqn)
        stats = donor.stats.get(tensor.fqn)
        if other is None or stats is None or other.lost or stats.non_finite:
            raise RestoreError(f"{donor.path}: it has no sound {tensor.fqn} to give")
        if (other.dtype, other.shape, other.stride) != (tensor.dtype, tensor.shape, tensor.stride):
            raise RestoreError(f"{donor.path}: its {tensor.fqn} has another shape or type")
        _transplant(draft, tensor, donor_file, other)
        draft.touched.add(tensor.fqn)
    epoch = donor.metadata.epoch
    draft.did(
        "graft",
        f"{len(bad)} bad tensors of the model are those of {donor.path.name}"
        + ("" if epoch is None else f", epoch {count_text(epoch)}"),
        "these weights were never trained together: expect a dip of the metric at first",
    )


def _transplant(draft: Draft, tensor: TensorRecord, file: OpenFile, other: TensorRecord) -> None:
    source = other.storage
    plain = source is not None and source.is_plain
    extent = Extent.of(other)
    if source is None or not plain or not extent.dense:
        raise RestoreError(f"{file.path}: {other.fqn} is not stored in one piece")
    start = source.offset + extent.start

    def read(offset: int, nbytes: int) -> bytes:
        return pread(file.fd, nbytes, start + offset)

    if tensor.lost:
        if tensor.storage_offset or extent.start or extent.nbytes != source.nbytes:
            raise RestoreError(f"{draft.checkpoint.path}: {tensor.fqn} shares its lost storage")
        draft.transplants[_lost_key(draft, tensor)] = (file.fd, source)
    else:
        _patch(draft, tensor, read)


def _lost_key(draft: Draft, tensor: TensorRecord) -> str:
    """The key of a storage that is not in the file, from the tree."""
    place = draft.place(tensor.fqn)
    keys = [] if place is None else storages_of(place.node)
    if len(keys) != 1:
        raise RestoreError(f"{draft.checkpoint.path}: the storage of {tensor.fqn} cannot be told")
    return keys[0]


def _patch(draft: Draft, tensor: TensorRecord, read: Callable[[int, int], bytes]) -> None:
    """Replace the bytes of a tensor that lies in one piece."""
    extent = Extent.of(tensor)
    ref = tensor.storage
    encoded = ref is None or not ref.is_plain
    if encoded or not extent.dense:
        raise RestoreError(
            f"{draft.checkpoint.path}: {tensor.fqn} does not lie in one piece and stays as it is"
        )
    patch = Patch(extent.start, extent.nbytes, read)
    draft.patches.setdefault(storage_key(tensor), []).append(patch)


def stored_number(draft: Draft, fqn: str) -> float | None:
    """What a tensor of one element holds, such as a learning rate; None for anything else."""
    tensor = next((one for one in draft.checkpoint.tensors if one.fqn == fqn), None)
    code = None if tensor is None else _FLOATS.get(tensor.dtype)
    if tensor is None or code is None or tensor.lost:
        return None
    ref, extent = tensor.storage, Extent.of(tensor)
    if ref is None or not ref.is_plain or extent.nbytes != struct.calcsize(code):
        return None
    raw = pread(draft.file.fd, extent.nbytes, ref.offset + extent.start)
    (value,) = struct.unpack(code, raw)
    return float(value)


def put_number(draft: Draft, fqn: str, value: float) -> None:
    """Replace what a tensor of one element holds.

    Args:
        draft: changed in place.
        fqn: of a tensor that :func:`stored_number` could read.
        value: the new one.
    """
    tensor = next(one for one in draft.checkpoint.tensors if one.fqn == fqn)
    raw = struct.pack(_FLOATS[tensor.dtype], value)
    _patch(draft, tensor, lambda offset, nbytes: raw[offset : offset + nbytes])


def exchange(draft: Draft, tensor: TensorRecord, twin: TensorRecord) -> None:
    """Put the bytes of one tensor of the file where those of another lie.

    Raises:
        RestoreError: they are of another type, or do not lie in one piece.
    """
    ref, extent = twin.storage, Extent.of(twin)
    alike = (tensor.dtype, tensor.stride) == (twin.dtype, twin.stride)
    if not alike or ref is None or not ref.is_plain or not extent.dense:
        raise RestoreError(
            f"{draft.checkpoint.path}: {tensor.fqn} lies inside an object of a class, and "
            f"{twin.fqn}, which is {twin.dtype}, cannot be put there"
        )
    start, fd = ref.offset + extent.start, draft.file.fd
    _patch(draft, tensor, lambda offset, nbytes: pread(fd, nbytes, start + offset))


def reset_batch_norm(draft: Draft) -> None:
    """Running statistics as a new layer has them: mean 0, variance 1, no batch seen.

    Raises:
        RestoreError: there are none.
    """
    count = 0
    for tensor in draft.tensors(Role.MODEL, Role.EMA):
        value = _RESET.get(tensor.fqn.rpartition(".")[2])
        if value is None or tensor.lost or 0 in tensor.shape:
            continue
        one = _encoded(value, tensor.dtype_info)
        if one is None:
            raise RestoreError(f"{draft.checkpoint.path}: {tensor.fqn} is {tensor.dtype}")
        if draft.saved.byteorder == "big":
            one = one[::-1]
        _patch(draft, tensor, _repeated(one))
        draft.touched.add(tensor.fqn)
        count += tensor.fqn.endswith("running_var")
    if not count:
        raise RestoreError(f"{draft.checkpoint.path}: it has no running_var to reset")
    draft.did(
        "reset-bn",
        f"the running statistics of {count} normalisation layers are reset",
        "let some hundred batches of training data pass in train() mode before you evaluate",
    )


def fill_with_zeros(draft: Draft, tensor: TensorRecord) -> None:
    """Put zeros where a tensor lies.

    Raises:
        RestoreError: it does not lie in one piece.
    """
    _patch(draft, tensor, _repeated(b"\x00"))


def fill_storage_with_zeros(draft: Draft, tensor: TensorRecord) -> None:
    """Put zeros into all of the storage that a tensor lies in.

    Raises:
        RestoreError: its bytes do not lie in the file as they are.
    """
    ref = tensor.storage
    if ref is None or not ref.is_plain:
        raise RestoreError(
            f"{draft.checkpoint.path}: {tensor.fqn} does not lie in one piece and stays as it is"
        )
    patch = Patch(0, ref.nbytes, _repeated(b"\x00"))
    draft.patches.setdefault(storage_key(tensor), []).append(patch)


def _repeated(element: bytes) -> Callable[[int, int], bytes]:
    return lambda _, nbytes: element * (nbytes // len(element))


def _encoded(value: int, dtype: DType) -> bytes | None:
    if dtype.name == "bfloat16":
        return struct.pack("<f", value)[2:]
    code = _PACK.get(dtype.name)
    return None if code is None else struct.pack(code, value)


def zero_non_finite(draft: Draft) -> None:
    """Put 0 where the model holds NaN or Inf. What is left was computed from the same gradients.

    Raises:
        RestoreError: there is nothing to replace, or a tensor cannot be changed.
    """
    from ckptdoctor.scanning.zeroing import zeroed

    count = tensors = 0
    for tensor in draft.tensors(Role.MODEL):
        stats = draft.stats.get(tensor.fqn)
        if stats is None or not stats.non_finite:
            continue
        ref, extent, dtype = tensor.storage, Extent.of(tensor), tensor.dtype_info
        if ref is None or draft.saved.byteorder == "big" or dtype.kind is not Kind.FLOAT:
            raise RestoreError(f"{draft.checkpoint.path}: {tensor.fqn} cannot be changed")
        start, fd = ref.offset + extent.start, draft.file.fd

        def read(
            offset: int, nbytes: int, fd: int = fd, start: int = start, name: str = dtype.name
        ) -> bytes:
            return zeroed(pread(fd, nbytes, start + offset), name)

        _patch(draft, tensor, read)
        draft.touched.add(tensor.fqn)
        count += stats.non_finite
        tensors += 1
    if not count:
        raise RestoreError(f"{draft.checkpoint.path}: its weights are finite, nothing to replace")
    draft.did(
        "zero-nonfinite",
        f"{count} elements of {tensors} tensors are 0 now: NOT TO BE TRUSTED",
        "the elements beside them come from the same broken step; look at the metric before you "
        "train on",
    )
