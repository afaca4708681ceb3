"""A rank's share of a ZeRO checkpoint, parameter by parameter, without what only fills it up.

ZeRO keeps weights and moments in flat tensors. Behind a parameter may lie elements that belong to
none: with ZeRO 3 a rank holds ``ceil(numel / ranks)`` elements of each, and what the last ranks
have too many was never written; it is whatever the memory held, NaN as well. Such elements are no
part of the model, and so no part of any tensor here.

Source: deepspeed 0.19. ``partition_parameters._partition_param`` (``torch.empty``), ``stage3.py``
(``fp32_flat_groups``), ``stage_1_and_2.py`` and ``bf16_optimizer.py`` (``param_slice_mappings``,
``group_paddings``, ``param_alignment_paddings``), ``utils/zero_to_fp32.py`` (the order).
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, Scalar, TensorRecord
from ckptdoctor.errors import CheckpointError
from ckptdoctor.formats.open_file import opened
from ckptdoctor.formats.pickle.nodes import DictNode, Instance, Node, unwrap
from ckptdoctor.formats.saved_object import read_object
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["WEIGHTS", "ZeroShare", "shape_of", "with_parameters"]

WEIGHTS = "fp32."
"""Before the name of a parameter whose weights lie in a share."""

_STATE = "optimizer_state_dict."
_OF_3, _OF_2 = f"{_STATE}fp32_flat_groups.", f"{_STATE}single_partition_of_fp32_groups."
_MOMENTS = (
    f"{_STATE}optimizer_state_dict.state.",
    f"{_STATE}base_optimizer_state.state.",
    f"{_STATE}base_optimizer_state.",  # of an elastic checkpoint
)
_FROZEN, _FROZEN_SHAPES = "frozen_param_fragments.", "frozen_param_shapes"
_SLICES = f"{_STATE}param_slice_mappings."

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroShare:
    """Which share of the model a file holds: an optimizer's, or a model's of ZeRO 3.

    Attributes:
        rank: of the file, among the data parallel ranks.
        models: the files that may tell the shapes of the parameters; the first that does is asked.
            Of a model's file: itself.
    """

    rank: int
    models: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """Elements of a flat tensor that belong to one parameter."""

    name: str
    start: int
    numel: int


def with_parameters(checkpoint: Checkpoint, share: ZeroShare) -> Checkpoint:
    """The file with a tensor for each parameter in place of the flat ones, on the same bytes.

    The weights of a parameter are ``fp32.NAME``, its moments ``state.NAME.exp_avg``. A flat tensor
    of which it is not known for sure what lies where stays as it is; see :func:`_without_tail`.

    A frozen parameter, which ZeRO 3 keeps in the model's files, loses its padding alone.

    Args:
        checkpoint: a file of a rank, as it was read.
        share: which it is.
    """
    if any(tensor.fqn.startswith(_FROZEN) for tensor in checkpoint.tensors):
        return replace(checkpoint, tensors=tuple(_frozen(checkpoint, share)))
    flats = _flats(checkpoint, _OF_3)
    if flats:
        runs = _runs_of_3(checkpoint.scalars, share, [flat.numel for flat in flats])
    else:
        flats = _flats(checkpoint, _OF_2)
        runs = _runs_of_2(checkpoint.scalars, flats)
    cut = _Cut(checkpoint.scalars, flats, runs)
    tensors = tuple(itertools.chain.from_iterable(map(cut.pieces, checkpoint.tensors)))
    if len({tensor.fqn for tensor in tensors}) < len(tensors):
        return checkpoint  # a parameter of two groups: nothing that DeepSpeed writes
    return replace(checkpoint, tensors=tensors)


def _frozen(checkpoint: Checkpoint, share: ZeroShare) -> Iterator[TensorRecord]:
    """The tensors of a model's file, each rank's piece of a frozen one without its padding."""
    ranks = _count(checkpoint.scalars, "dp_world_size")
    shapes = _shapes_in(share.models, _FROZEN_SHAPES)
    for tensor in checkpoint.tensors:
        shape = shapes.get(tensor.fqn.removeprefix(_FROZEN))
        if not tensor.fqn.startswith(_FROZEN) or shape is None or not ranks or not _is_flat(tensor):
            yield tensor
            continue
        each, own = _piece(shape, share.rank % ranks, ranks)
        if each != tensor.numel:
            yield tensor
        elif own:
            yield replace(tensor, shape=(own,), stride=(1,))


def _piece(shape: tuple[int, ...], rank: int, ranks: int) -> tuple[int, int]:
    """How many elements of a parameter a rank of ZeRO 3 holds, and how many are no padding."""
    numel = math.prod(shape)
    each = -(-numel // ranks)
    return each, max(0, min(each, numel - rank * each))


def _flats(checkpoint: Checkpoint, prefix: str) -> list[TensorRecord]:
    """The flat weights in the order of their groups; none where one is missing or lost."""
    found = {
        int(number): tensor
        for tensor in checkpoint.tensors
        if tensor.fqn.startswith(prefix) and (number := tensor.fqn.removeprefix(prefix)).isdecimal()
    }
    flats = [found[at] for at in range(len(found)) if at in found and _is_flat(found[at])]
    return flats if len(flats) == len(found) else []


def _is_flat(tensor: TensorRecord) -> bool:
    whole = tensor.storage is not None and not tensor.lost
    return whole and len(tensor.shape) == 1 and tensor.stride in ((1,), (0,))


class _Cut:
    """How the flat tensors of a file are cut."""

    def __init__(
        self,
        scalars: Mapping[str, Scalar],
        flats: Sequence[TensorRecord],
        runs: Sequence[tuple[_Run, ...]],
    ) -> None:
        self._groups = {flat.fqn: at for at, flat in enumerate(flats)}
        self._numels = [flat.numel for flat in flats]
        self._runs = runs
        self._padded = [
            flat.numel + _count(scalars, f"{_STATE}group_paddings.{at}")
            for at, flat in enumerate(flats)
        ]

    def pieces(self, tensor: TensorRecord) -> Iterator[TensorRecord]:
        """What a tensor of the file is cut into; itself where it is no flat one."""
        weights, moments = self._groups.get(tensor.fqn), self._of_moment(tensor)
        if weights is not None:
            form, group = WEIGHTS + "{}", weights
        elif moments is not None:
            group, what = moments
            form = f"state.{{}}.{what}"
        else:
            yield tensor
            return
        for run in self._runs[group]:
            yield replace(
                tensor,
                fqn=form.format(run.name) if run.name else tensor.fqn,
                shape=(run.numel,),
                stride=(1,),
                storage_offset=tensor.storage_offset + run.start,
            )

    def _of_moment(self, tensor: TensorRecord) -> tuple[int, str] | None:
        """The group of a moment that lies as the weights do, and what it is called."""
        for prefix in _MOMENTS:
            if not tensor.fqn.startswith(prefix):
                continue
            number, _, what = tensor.fqn.removeprefix(prefix).partition(".")
            group = int(number) if number.isdecimal() else len(self._numels)
            if not what or group >= len(self._numels) or not _is_flat(tensor):
                continue
            if tensor.numel in (self._numels[group], self._padded[group]):
                return group, what
        return None


def _runs_of_2(
    scalars: Mapping[str, Scalar], flats: Sequence[TensorRecord]
) -> list[tuple[_Run, ...]]:
    """What each group of ZeRO 1, ZeRO 2 or bf16 holds, as the file itself says.

    A group whose slices leave out more than the file calls padding stays whole.
    """
    slices = _slices(scalars)
    runs: list[tuple[_Run, ...]] = []
    for group, flat in enumerate(flats):
        own = sorted(slices.get(group, ()), key=lambda run: run.start)
        padding = _count(scalars, f"{_STATE}group_paddings.{group}")
        aligned = f"{_STATE}param_alignment_paddings.{group}."
        padding += sum(_count(scalars, key) for key in scalars if key.startswith(aligned))
        left = flat.numel - sum(run.numel for run in own)
        fits = _are_apart(own, flat.numel) and left <= padding
        runs.append(tuple(own) if fits else (_Run("", 0, flat.numel),))
    return runs


def _slices(scalars: Mapping[str, Scalar]) -> dict[int, list[_Run]]:
    """The parameters of each group, and where they lie in it."""
    found: dict[int, list[_Run]] = {}
    for key in scalars:
        if key.startswith(_SLICES) and key.endswith(".start"):
            path = key.removesuffix("start")
            number, _, name = path.removeprefix(_SLICES).rstrip(".").partition(".")
            start, numel = scalars[key], scalars.get(f"{path}numel")
            if number.isdecimal() and name and type(start) is int and type(numel) is int:
                found.setdefault(int(number), []).append(_Run(name, start, numel))
    return found


def _are_apart(runs: Sequence[_Run], numel: int) -> bool:
    """Whether runs, in order, lie within so many elements and none reaches into the next."""
    end = 0
    for run in runs:
        if run.start < end or run.numel < 1:
            return False
        end = run.start + run.numel
    return end <= numel


def _runs_of_3(
    scalars: Mapping[str, Scalar], share: ZeroShare, numels: Sequence[int]
) -> list[tuple[_Run, ...]]:
    """What each flat group of ZeRO 3 holds, by the shapes that the model's file tells."""
    ranks = _count(scalars, f"{_STATE}partition_count")
    if not ranks:
        return [(_Run("", 0, numel),) for numel in numels]
    rank = share.rank % ranks
    runs = _laid_out(_shapes_in(share.models, "param_shapes"), rank, ranks, numels)
    return _without_tail(rank, ranks, numels) if runs is None else runs


def _laid_out(
    shapes: Shapes, rank: int, ranks: int, numels: Sequence[int]
) -> list[tuple[_Run, ...]] | None:
    """The parameters one behind the other; None where they do not fill the groups exactly."""
    waiting = iter(shapes.items())
    groups: list[tuple[_Run, ...]] = []
    for end in numels:
        runs: list[_Run] = []
        at = 0
        while at < end:
            name, shape = next(waiting, ("", ()))
            if not name:
                return None
            each, own = _piece(shape, rank, ranks)
            if own:
                runs.append(_Run(name, at, own))
            at += each
        if at > end:
            return None
        groups.append(tuple(runs))
    return groups if all(0 in shape for _, shape in waiting) else None


def _without_tail(rank: int, ranks: int, numels: Sequence[int]) -> list[tuple[_Run, ...]]:
    """The groups without the elements at their end that may be padding, where no shape is known.

    A parameter lacks fewer elements than there are ranks, so that no more than ``ranks - 1`` of the
    last one may be padding; rank 0 never has any.
    """
    tail = ranks - 1 if rank else 0
    return [(_Run("", 0, numel - tail),) if numel > tail else () for numel in numels]


def _count(scalars: Mapping[str, Scalar], key: str) -> int:
    value = scalars.get(key)
    return value if type(value) is int and value > 0 else 0


def _shapes_in(models: Sequence[Path], key: str) -> Shapes:
    """The parameters in the order in which they are shared out; none where no file tells them."""
    for path in models:
        with contextlib.suppress(OSError):
            status = path.stat()
            shapes = _read(path, key, status.st_mtime_ns, status.st_size)
            if shapes:
                return shapes
    return {}


@lru_cache(maxsize=16)  # all ranks ask the same file
def _read(path: Path, key: str, mtime_ns: int, nbytes: int) -> Shapes:  # noqa: ARG001
    try:
        with opened(path) as file:
            groups = _pairs(read_object(file).root).get(key)
    except CheckpointError:
        return {}
    shapes: dict[str, tuple[int, ...]] = {}
    for group in groups if isinstance(groups, list | tuple) else (groups,):
        for name, node in _pairs(group).items():
            shape = shape_of(node)
            if shape is None:
                return {}
            shapes[name] = shape
    return shapes


def _pairs(node: Node) -> dict[str, Node]:
    """What a dict or OrderedDict holds under text keys."""
    pairs: list[tuple[Node, Node]] | None = None
    if type(node) is DictNode or type(node) is Instance:
        pairs = node.pairs
    named = ((unwrap(key), value) for key, value in pairs or ())
    return {key: value for key, value in named if type(key) is str}


def shape_of(node: Node) -> tuple[int, ...] | None:
    """The sizes in a ``torch.Size``, or in a tuple or list; None where there are none."""
    if type(node) is Instance:
        node = node.args[0] if type(node.args) is tuple and node.args else ()
    if type(node) not in (tuple, list):
        return None
    sizes = tuple(unwrap(size) for size in node)
    return sizes if all(type(size) is int and size >= 0 for size in sizes) else None
