"""The mean of the weights of several checkpoints in the place of those of one.

All else stays that of the one: optimizer, schedule, scaler, epoch, integer buffers, and an EMA,
which is an average already and has counters of its own. Weights are read a piece at a time from all
files at once, so that memory does not grow with the model, nor with the number of files.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, Role, TensorRecord
from ckptdoctor.dtypes import Kind
from ckptdoctor.errors import RestoreError
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.recovery.draft import Action, Draft, FilePatch, Mean, Patch, storage_key
from ckptdoctor.scanning.elements import elements
from ckptdoctor.scanning.mean import AVERAGED, mean_of, off_mean
from ckptdoctor.scanning.plan import Extent
from ckptdoctor.sources.descriptors import pread

__all__ = ["Averaged", "average_actions", "average_weights", "compare_means"]

_STATISTICS = ("running_mean", "running_var")
_PIECE_NUMEL = 1 << 19
_SHOWN = 10
_MASTERS = ("fp32_from_fp16", "fp32_from_float16", "master_param")
UPDATE_BN = "torch.optim.swa_utils.update_bn(loader, model)"


@dataclass(frozen=True, slots=True)
class Averaged:
    """Another checkpoint, open, or a part of it, that goes into the mean.

    Attributes:
        file: where it lies.
        checkpoint: as it was read.
        epoch: where it stands; None where that is not known.
    """

    file: OpenFile
    checkpoint: Checkpoint
    epoch: float | None = None


def average_weights(draft: Draft, others: Sequence[Averaged], *, statistics: bool = True) -> None:
    """Put the mean of the draft's weights and of those of others where the draft's are.

    Args:
        draft: that of the newest of them, changed in place.
        others: the rest; open until the draft is written and compared.
        statistics: whether the running statistics of normalisation layers are averaged as well.

    Raises:
        RestoreError: they do not hold the same tensors, or a weight has no mean.
    """
    for other in others:
        if differs := _differs_from(draft.checkpoint, other.checkpoint):
            raise RestoreError(differs)
    theirs = [{tensor.fqn: tensor for tensor in one.checkpoint.tensors} for one in others]
    taken: set[tuple[str, int, int]] = set()
    for tensor in draft.tensors(Role.MODEL):
        of = (
            (draft.file, tensor),
            *((other.file, known[tensor.fqn]) for other, known in zip(others, theirs, strict=True)),
        )
        if not _has_mean(draft, tensor):
            _refuse_quantized(draft, of)
        elif statistics or not tensor.fqn.endswith(_STATISTICS):
            _put(draft, Mean(tensor, of), taken)


def _differs_from(one: Checkpoint, other: Checkpoint) -> str:
    """The first thing in which the models of two checkpoints differ, in a sentence; ""."""
    own = {tensor.fqn: tensor for tensor in one.tensors if tensor.role is Role.MODEL}
    theirs = {tensor.fqn: tensor for tensor in other.tensors if tensor.role is Role.MODEL}
    for here, there, missing in (
        (other, one, own.keys() - theirs),
        (one, other, theirs.keys() - own),
    ):
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            return (
                f"{there.path} has {min(missing)}{more}, {here.path} has not: "
                "weights of different models have no mean"
            )
    for name, tensor in own.items():
        twin = theirs[name]
        for what, mine, its in (
            ("shape", list(tensor.shape), list(twin.shape)),
            ("type", tensor.dtype, twin.dtype),
            ("strides", list(tensor.stride), list(twin.stride)),
        ):
            if mine != its:
                return (
                    f"{name} has the {what} {mine} in {one.path} and {its} in {other.path}: "
                    "weights of different models have no mean"
                )
    return ""


def _has_mean(draft: Draft, tensor: TensorRecord) -> bool:
    """Whether it is a weight: no counter, no mask that is infinite by design, not empty."""
    if tensor.dtype not in AVERAGED or 0 in tensor.shape:
        return False
    stats = draft.stats.get(tensor.fqn)
    return stats is None or not stats.non_finite or tensor.fqn not in draft.meant


def _refuse_quantized(draft: Draft, of: Sequence[tuple[OpenFile, TensorRecord]]) -> None:
    """Refuse weights that are numbers only together with a scale, unless all have the same.

    Counters and masks are taken from the newest.
    """
    tensor = of[0][1]
    is_weight = "weight" in tensor.fqn.rpartition(".")[2]
    is_float = tensor.dtype_info.kind in (Kind.FLOAT, Kind.EXPONENT)
    if tensor.dtype in AVERAGED or not (is_weight or is_float) or 0 in tensor.shape:
        return
    order = draft.checkpoint.byteorder
    read = [elements(file.fd, one, order, _PIECE_NUMEL) for file, one in of]
    if any(len(set(pieces)) > 1 for pieces in zip(*read, strict=True)):
        raise RestoreError(
            f"{draft.checkpoint.path}: {tensor.fqn} is {tensor.dtype}, a number only together with "
            "its scale: quantized weights have no mean. Average those that they were made from"
        )


# -- the mean ------------------------------------------------------------------------------------


def _put(draft: Draft, mean: Mean, taken: set[tuple[str, int, int]]) -> None:
    """Replace the bytes of a tensor by those of the mean; tied weights are one."""
    tensor = mean.tensor
    ref, extent = tensor.storage, Extent.of(tensor)
    if ref is None or draft.checkpoint.byteorder == "big" or not _in_one_piece(mean):
        raise RestoreError(
            f"{draft.checkpoint.path}: {tensor.fqn} does not lie in one piece, as torch lays "
            "weights out: load the files and save them again, then average those"
        )
    draft.means[tensor.fqn] = mean
    draft.touched.add(tensor.fqn)
    where = (ref.key, extent.start, extent.nbytes)
    if where in taken:
        return
    taken.add(where)
    read = _reader(mean)
    if draft.saved.is_unread:
        draft.file_patches.append(FilePatch(ref.offset + extent.start, extent.nbytes, read))
    else:
        patch = Patch(extent.start, extent.nbytes, read)
        draft.patches.setdefault(storage_key(tensor), []).append(patch)


def _in_one_piece(mean: Mean) -> bool:
    return all(
        tensor.storage is not None and tensor.storage.is_plain and Extent.of(tensor).dense
        for _, tensor in mean.of
    )


def _reader(mean: Mean) -> Callable[[int, int], bytes]:
    """Reads bytes of the mean: from, how many. They need not begin or end with an element."""
    dtype, itemsize = mean.tensor.dtype, mean.tensor.dtype_info.itemsize
    places = [
        (file.fd, tensor.storage.offset + Extent.of(tensor).start)
        for file, tensor in mean.of
        if tensor.storage is not None
    ]

    def read(offset: int, nbytes: int) -> bytes:
        first = offset - offset % itemsize
        last = offset + nbytes + -(offset + nbytes) % itemsize
        pieces = [pread(fd, last - first, start + first) for fd, start in places]
        if any(len(piece) < last - first for piece in pieces):
            raise RestoreError("one of the files was cut while it was read: try again")
        return mean_of(pieces, dtype)[offset - first : offset - first + nbytes]

    return read


# -- what is said --------------------------------------------------------------------------------


def average_actions(
    means: Collection[str], checkpoint: Checkpoint, of: Sequence[Path]
) -> Iterator[Action]:
    """What was averaged and what was not, with what whoever loads it should know.

    Args:
        means: the names of the tensors that are averaged.
        checkpoint: the newest, as it was read.
        of: all checkpoints that it is the mean of, the newest last.

    Raises:
        RestoreError: nothing was averaged.
    """
    if not means:
        raise RestoreError(f"{checkpoint.path}: it has no floating point weights to average")
    name, roles = checkpoint.path.name, Counter(tensor.role for tensor in checkpoint.tensors)
    yield Action(
        name="average",
        message=f"{len(means)} tensors of the model are the mean of {_listed(of)}",
        notice=f"all else is that of {name}, the newest of them. A score in it is that of its own "
        "weights: evaluate the mean",
    )
    layers = sum(fqn.endswith("running_var") for fqn in means)
    if layers:
        yield Action(
            name="average-statistics",
            message=f"the running statistics of {layers} normalisation layers are averaged too",
            notice=f"those of averaged weights are others: refresh them before you evaluate, with "
            f"{UPDATE_BN}",
        )
    if roles[Role.EMA]:
        yield Action(
            name="keep-ema",
            message=f"{roles[Role.EMA]} tensors of the EMA stay those of {name}: it is an average "
            "already, with a counter of its own",
            notice="a script that evaluates the EMA sees nothing of the mean",
        )
    if any(_is_master(tensor) for tensor in checkpoint.tensors):
        yield Action(
            name="keep-masters",
            message=f"the optimizer keeps full-precision copies of the weights of {name}",
            notice="a resume that loads them brings those weights back: add --weights-only",
        )


def _listed(paths: Sequence[Path]) -> str:
    names = [path.name for path in paths]
    listed = ", ".join(names) if len(names) <= _SHOWN else f"{names[0]} to {names[-1]}"
    return f"{len(names)} checkpoints: {listed}"


def _is_master(tensor: TensorRecord) -> bool:
    """Whether it is a copy of the weights that a mixed-precision optimizer works on.

    Source: ``FP16_Optimizer`` of apex and of Megatron-LM, transformer_engine's ``FusedAdam``.
    """
    return tensor.role is Role.OPTIMIZER and any(word in tensor.fqn for word in _MASTERS)


# -- reading back --------------------------------------------------------------------------------


def compare_means(draft: Draft, written: Checkpoint, fd: int) -> None:
    """Read back what is a mean, and reckon it a second time, another way.

    Args:
        draft: what was written.
        written: as it was read back.
        fd: of the file that was written.

    Raises:
        RestoreError: an element is not the mean, or a file changed while it was read.
    """
    for tensor in written.tensors:
        mean = draft.means.get(draft.renamed.get(tensor.fqn, tensor.fqn))
        if mean is not None:
            _compare(mean, tensor, written.byteorder, fd)
    files = {file.path: file for mean in draft.means.values() for file, _ in mean.of}
    for path, file in files.items():
        if file.changed():
            raise RestoreError(f"{path} changed while it was read: try again")


def _compare(mean: Mean, tensor: TensorRecord, byteorder: str, fd: int) -> None:
    pieces: list[Iterator[bytes]] = [
        elements(file.fd, one, "little", _PIECE_NUMEL, in_memory_order=True)
        for file, one in mean.of
    ]
    ours = elements(fd, tensor, byteorder, _PIECE_NUMEL, in_memory_order=True)
    for found, *sources in itertools.zip_longest(ours, *pieces, fillvalue=b""):
        whole = all(len(source) == len(found) for source in sources)
        if not whole or off_mean(found, sources, tensor.dtype):
            raise RestoreError(f"verification failed: {tensor.fqn} is not the mean of the files")
