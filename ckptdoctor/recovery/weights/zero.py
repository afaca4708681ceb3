"""The weights of a ZeRO checkpoint in full precision, from the flat shares of all ranks.

A rank's optimizer file holds a share of the weights as float32, flat: with ZeRO 1 and 2 a piece of
each group of parameters, with ZeRO 3 a piece of each parameter. The model's file tells the shapes.

Source: ``deepspeed/utils/zero_to_fp32.py`` of DeepSpeed 0.19.8; what it refuses is refused here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ckptdoctor.checkpoint import Checkpoint, TensorRecord
from ckptdoctor.dtypes import Kind
from ckptdoctor.errors import RestoreError
from ckptdoctor.formats import read_checkpoint
from ckptdoctor.formats.open_file import opened
from ckptdoctor.formats.pickle.nodes import Node, unwrap
from ckptdoctor.formats.saved_object import read_object
from ckptdoctor.layouts.zero_shares import shape_of
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.natural import natural_key
from ckptdoctor.recovery.folders.part_draft import PartView
from ckptdoctor.recovery.tree import entries, find
from ckptdoctor.recovery.weights.weight import Weight
from ckptdoctor.report import CheckpointReport
from ckptdoctor.scanning.elements import elements
from ckptdoctor.scanning.widening import as_float32

__all__ = ["is_zero", "zero_weights"]

_PIECE_NUMEL = 1 << 20
_OF_MODEL, _OF_OPTIMIZER = "_model_states.pt", "_optim_states.pt"
_GROUPS = {
    1: "single_partition_of_fp32_groups",
    2: "single_partition_of_fp32_groups",
    3: "fp32_flat_groups",
}
_STATE = "optimizer_state_dict"


def is_zero(views: Sequence[PartView]) -> bool:
    """Whether the weights are shared out among the optimizers of ranks."""
    return any(f"{_STATE}.zero_stage" in view.checkpoint.scalars for view in views)


def zero_weights(report: CheckpointReport, views: Sequence[PartView]) -> Iterator[Weight]:
    """The weights, the buffers first, by the names of the module.

    Args:
        report: of the checkpoint.
        views: its parts.

    Raises:
        RestoreError: shares of ranks are missing, or do not add up to the parameters.
    """
    named = sorted(views, key=lambda view: natural_key(view.report.part.path))
    models = [view for view in named if view.report.part.name.endswith(_OF_MODEL)]
    optimizers = [view for view in named if view.report.part.name.endswith(_OF_OPTIMIZER)]
    zero = _Zero(report, models, optimizers)
    found = {weight.name: weight for weight in zero.weights()}
    for name, twin in zero.shared.items():
        if twin in found:
            found[name] = replace(found[twin], name=name)
    return iter(found.values())


@dataclass(frozen=True, slots=True)
class _Share:
    """A flat tensor of one rank."""

    checkpoint: Checkpoint
    tensor: TensorRecord

    @property
    def numel(self) -> int:
        return self.tensor.numel

    def read(self, start: int, numel: int) -> Iterator[bytes]:
        """So many elements from one of them on."""
        ref = self.tensor.storage
        if ref is None or not numel:
            return
        part = replace(
            self.tensor,
            shape=(numel,),
            stride=(1,),
            storage_offset=self.tensor.storage_offset + start,
        )
        with opened(self.checkpoint.path) as file:
            if file.identity != self.checkpoint.identity:
                path = self.checkpoint.path
                raise RestoreError(f"{path} changed while it was examined: try again")
            yield from elements(file.fd, part, self.checkpoint.byteorder, _PIECE_NUMEL)


def _joined(shares: Sequence[_Share], start: int, numel: int) -> Iterator[bytes]:
    """A range of flat tensors that lie one behind the other."""
    for share in shares:
        first, last = max(start, 0), min(start + numel, share.numel)
        if first < last:
            yield from share.read(first, last - first)
        start -= share.numel


def _cut(ranks: Sequence[Sequence[_Share]], start: int, each: int, numel: int) -> Iterator[bytes]:
    """The same range of every rank's tensors, one behind the other, so many elements of it."""
    for shares in ranks:
        yield from _joined(shares, start, min(each, numel))
        numel -= min(each, numel)


class _Zero:
    """The files of a ZeRO checkpoint."""

    def __init__(
        self, report: CheckpointReport, models: Sequence[PartView], optimizers: Sequence[PartView]
    ) -> None:
        self._path = report.path
        if not models or not optimizers:
            raise RestoreError(f"{self._path}: its model's file or its optimizers' are missing")
        self._models = models
        self._ranks = optimizers
        first = optimizers[0].checkpoint.scalars
        self._stage = _number(first.get(f"{_STATE}.zero_stage"))
        if self._stage not in _GROUPS:
            raise RestoreError(f"{self._path}: ZeRO of stage {self._stage} is not known")
        counts = [
            _number(value)
            for name, value in first.items()
            if name == f"{_STATE}.partition_count" or name.startswith(f"{_STATE}.partition_count.")
        ]
        if max(counts, default=0) != len(optimizers):
            raise RestoreError(
                f"{self._path}: {max(counts, default=0)} ranks shared its weights, and the files "
                f"of {len(optimizers)} are there: tensor parallel ranks and experts are joined by "
                "ds_to_universal.py of DeepSpeed alone"
            )
        with opened(models[0].report.part.path) as file:
            self._tree = read_object(file).root
        with opened(optimizers[0].report.part.path) as file:
            self._state = read_object(file).root
        self.shared = {
            name: str(unwrap(node)) for name, node in _pairs(self._tree, "shared_params")
        }

    def weights(self) -> Iterator[Weight]:
        """Buffers, frozen parameters, parameters."""
        yield from self._buffers()
        yield from self._frozen()
        groups = [
            {name: _shape(node) for name, node in _pairs(group.node, "")}
            for group in _entries(self._tree, "param_shapes")
        ]
        if self._stage == 3:
            yield from self._zero_3({name: shape for one in groups for name, shape in one.items()})
        else:
            yield from self._zero_2(groups)

    def _buffers(self) -> Iterator[Weight]:
        view = self._models[0]
        module = {
            tensor.fqn.removeprefix("module."): tensor
            for tensor in view.tensors
            if tensor.fqn.startswith("module.")
        }
        for place in _entries(self._tree, "buffer_names"):
            tensor = module.get(str(unwrap(place.node)))
            if tensor is None:
                continue
            wide = tensor.dtype_info.kind is Kind.FLOAT
            yield Weight(
                name=str(unwrap(place.node)),
                dtype="float32" if wide else tensor.dtype,
                shape=tensor.shape,
                pieces=partial(_widened, view.checkpoint, tensor, wide=wide),
            )

    def _frozen(self) -> Iterator[Weight]:
        fragments = [self._frozen_of(_as_stored(view)) for view in self._models]
        for name, node in _pairs(self._tree, "frozen_param_shapes"):
            own = [one[name] for one in fragments if name in one]
            if not own:
                raise RestoreError(f"{self._path}: the frozen parameter {name} is missing")
            shape = _shape(node) if self._stage == 3 else own[0].tensor.shape
            shares = [own] if self._stage == 3 else [own[:1]]
            numel = math.prod(shape)
            yield Weight(
                name=name,
                dtype=own[0].tensor.dtype,
                shape=shape,
                pieces=partial(_joined, shares[0], 0, numel),
            )

    @staticmethod
    def _frozen_of(checkpoint: Checkpoint) -> Mapping[str, _Share]:
        prefix = "frozen_param_fragments."
        return {
            tensor.fqn.removeprefix(prefix): _Share(checkpoint, tensor)
            for tensor in checkpoint.tensors
            if tensor.fqn.startswith(prefix)
        }

    def _shares(self, view: PartView) -> list[_Share]:
        checkpoint = _as_stored(view)
        prefix = f"{_STATE}.{_GROUPS[self._stage]}."
        flat = {
            int(number): _Share(checkpoint, tensor)
            for tensor in checkpoint.tensors
            if (number := tensor.fqn.removeprefix(prefix)).isdecimal()
        }
        return [flat[at] for at in sorted(flat)]

    def _zero_2(self, groups: Sequence[Mapping[str, tuple[int, ...]]]) -> Iterator[Weight]:
        ranks = [self._shares(view) for view in self._ranks]
        paddings = self._paddings()
        for at, shapes in enumerate(groups):
            shares = [rank[at] for rank in ranks if at < len(rank)]
            if len(shares) < len(ranks):
                raise RestoreError(f"{self._path}: a rank lacks its share of group {at}")
            offset = 0
            for number, (name, shape) in enumerate(shapes.items()):
                numel = math.prod(shape)
                yield self._weight(name, shares[0], shape, partial(_joined, shares, offset, numel))
                offset += numel + (paddings[at][number] if paddings else 0)
            self._check(offset, sum(share.numel for share in shares), 2 * len(ranks))

    def _paddings(self) -> list[list[int]]:
        """Elements behind each parameter of each group; [] where there are none."""
        return [
            [_number(unwrap(place.node)) for place in entries(group.node)]
            for group in _entries(self._state, f"{_STATE}.param_alignment_paddings")
        ]

    def _zero_3(self, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Weight]:
        ranks = [self._shares(view) for view in self._ranks]
        offset = 0
        for name, shape in shapes.items():
            numel = math.prod(shape)
            each = math.ceil(numel / len(ranks))
            yield self._weight(name, ranks[0][0], shape, partial(_cut, ranks, offset, each, numel))
            offset += each
        self._check(offset, sum(share.numel for share in ranks[0]), 1)

    def _weight(
        self, name: str, share: _Share, shape: tuple[int, ...], pieces: partial[Iterator[bytes]]
    ) -> Weight:
        return Weight(name=name, dtype=share.tensor.dtype, shape=shape, pieces=pieces)

    def _check(self, used: int, there: int, aligned: int) -> None:
        if math.ceil(used / aligned) != math.ceil(there / aligned):
            raise RestoreError(
                f"{self._path}: its parameters take {used} elements, and the ranks hold {there}"
            )


def _as_stored(view: PartView) -> Checkpoint:
    """A part with its flat tensors and their padding; the report has it by parameter."""
    with opened(view.report.part.path) as file:
        checkpoint = read_checkpoint(file)
    if checkpoint.identity != view.checkpoint.identity:
        raise RestoreError(f"{checkpoint.path} changed while it was examined: try again")
    return checkpoint


def _widened(checkpoint: Checkpoint, tensor: TensorRecord, *, wide: bool) -> Iterator[bytes]:
    with opened(checkpoint.path) as file:
        for piece in elements(file.fd, tensor, checkpoint.byteorder, _PIECE_NUMEL):
            yield as_float32(piece, tensor.dtype) if wide else piece


def _number(value: object) -> int:
    return value if isinstance(value, int) else -1


def _entries(root: Node, name: str) -> Iterator[Any]:
    place = find(root, name)
    return iter(()) if place is None else entries(place.node)


def _pairs(root: Node, name: str) -> Iterator[tuple[str, Node]]:
    """The keys and values of a dict."""
    node = root
    if name:
        place = find(root, name)
        if place is None:
            return
        node = place.node
    for entry in entries(node):
        yield entry.path[-1], entry.node


def _shape(node: Node) -> tuple[int, ...]:
    shape = shape_of(node)
    if shape is None:
        raise RestoreError("the shape of a parameter is no tuple of numbers")
    return shape
