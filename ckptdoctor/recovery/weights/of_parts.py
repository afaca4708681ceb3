"""The weights of a checkpoint whose files hold whole tensors: shards, models side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from ckptdoctor.checkpoint import Checkpoint, Role, TensorRecord
from ckptdoctor.errors import RestoreError, UnsupportedCheckpointError
from ckptdoctor.formats.open_file import OpenFile, opened
from ckptdoctor.formats.saved_object import read_object
from ckptdoctor.recovery.folders.part_draft import PartView
from ckptdoctor.recovery.tree import find
from ckptdoctor.recovery.weights.weight import Weight
from ckptdoctor.report import CheckpointReport
from ckptdoctor.scanning.elements import elements

__all__ = ["PIECE_NUMEL", "only_dict", "part_weights"]

PIECE_NUMEL = 1 << 20


def part_weights(report: CheckpointReport, views: Sequence[PartView]) -> Iterator[Weight]:
    """The weights in the parts of the model, by the names that ``load_state_dict`` knows.

    Args:
        report: of the checkpoint.
        views: its parts.

    Raises:
        RestoreError: the files hold shares of tensors, or two have one of the same name.
    """
    seen: dict[str, str] = {}
    for view in views:
        part = view.report.part
        weights = [tensor for tensor in view.tensors if tensor.role is Role.MODEL]
        if not weights:
            continue
        if "rank" in part.prefix:
            raise RestoreError(
                f"{report.path}: {part.name} holds the share of a rank, and how tensors are cut "
                "among ranks its files do not tell: join them with the tools of the framework"
            )
        root = ""
        if part.member is None:
            with opened(part.path) as file:
                root = only_dict(file, [tensor.fqn for tensor in weights])
        for tensor in weights:
            name = part.prefix + tensor.fqn.removeprefix(root)
            if name in seen:
                raise RestoreError(f"{report.path}: {name} is in {seen[name]} and in {part.name}")
            seen[name] = part.name
            yield Weight(
                name=name,
                dtype=tensor.dtype,
                shape=tensor.shape,
                pieces=partial(_pieces, view.checkpoint, tensor),
            )


def _pieces(checkpoint: Checkpoint, tensor: TensorRecord) -> Iterator[bytes]:
    with opened(checkpoint.path) as file:
        if file.identity != checkpoint.identity:
            raise RestoreError(f"{checkpoint.path} changed while it was examined: try again")
        yield from elements(file.fd, tensor, checkpoint.byteorder, PIECE_NUMEL)


def only_dict(file: OpenFile, fqns: list[str]) -> str:
    """The name of the one dict that holds all the weights, with its dot; "" where they lie bare."""
    try:
        tree = read_object(file).root
    except UnsupportedCheckpointError:
        return ""
    found = [find(tree, fqn) for fqn in fqns]
    roots = {place.path[0] for place in found if place is not None and len(place.path) > 1}
    inside = all(place is not None and len(place.path) > 1 for place in found)
    return f"{roots.pop()}." if inside and len(roots) == 1 else ""
