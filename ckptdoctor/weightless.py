"""Whether the weights of a model are in a file, and what is in it instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ckptdoctor.checkpoint import Role, TensorRecord
from ckptdoctor.dtypes import Kind

__all__ = ["has_weights", "instead_of_weights", "lists_weights"]


def has_weights(tensors: Iterable[TensorRecord]) -> bool:
    """Whether a model could be loaded from these: weights are listed, and some are there."""
    return lists_weights(tensor for tensor in tensors if not tensor.lost)


def lists_weights(tensors: Iterable[TensorRecord]) -> bool:
    """Whether any of these may be a model's weights, be their bytes there or lost.

    A lone integer counts something, and a row of bytes is the state of a random generator.
    """
    return any(
        tensor.role is Role.MODEL
        and (tensor.storage is not None or tensor.lost)
        and 0 not in tensor.shape
        and len(tensor.shape) > _MOST_DIMENSIONS_BESIDE.get(tensor.dtype_info.kind, -1)
        for tensor in tensors
    )


def instead_of_weights(tensors: Iterable[TensorRecord]) -> str:
    """What a file without weights holds, in a few words."""
    counts = Counter(tensor.role for tensor in tensors)
    if not counts:
        return "no tensor at all"
    role, count = counts.most_common(1)[0]
    return f"{count} tensor{'' if count == 1 else 's'} of {_WORDS[role]}"


_MOST_DIMENSIONS_BESIDE = {Kind.UNSIGNED: 1, Kind.SIGNED: 0}
_WORDS = {
    Role.MODEL: "counters, random states, or without data",
    Role.EMA: "an average",
    Role.OPTIMIZER: "an optimizer",
    Role.SCHEDULER: "a scheduler",
    Role.SCALER: "a loss scaler",
    Role.OTHER: "what lies beside a model",
}
