"""What a run needs to know of one checkpoint; small, so that a run of many fits into memory."""

from __future__ import annotations

import functools
import hashlib
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from ckptdoctor.checkpoint import Checkpoint, Role, TensorRecord, TensorStats
from ckptdoctor.figures import are_finite
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.metadata import Metadata
from ckptdoctor.runs.optimizer_facts import OptimizerFacts
from ckptdoctor.weightless import lists_weights

__all__ = ["Layout", "Member", "PartContents", "contents_id", "is_trained"]

Layout = tuple[tuple[str, str, tuple[int, ...]], ...]
"""Name, dtype and shape of each tensor of the model."""

_BUFFER = re.compile(r"(^|\.)(running_mean|running_var|num_batches_tracked)$")


@functools.lru_cache(maxsize=1 << 14)
def is_trained(fqn: str) -> bool:
    """Whether a tensor is moved by the optimizer and not by the forward pass."""
    return _BUFFER.search(fqn) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartContents:
    """What a file of a checkpoint holds, in short.

    Attributes:
        name: of the file.
        contents_id: equal for equal contents.
        steps: that its optimizer or its schedule took; None where it does not tell.
        changes: whether no two checkpoints should have the same, whatever they say of steps.
    """

    name: str
    contents_id: str
    steps: float | None = None
    changes: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What the others of its run, and the rules, need to know of a checkpoint.

    Attributes:
        path: the file.
        metadata: epoch, step and metric.
        layout: its model, shared with the members of the same model; () without weights, None where
            that is not known.
        restored: what it was restored from; None for a file that training saved.
        holds_state: whether there is anything in it to resume from beside the weights.
        has_weights: whether there is a model in it, as far as that is known.
        stats: by fqn, of the tensors of the layout whose bytes were looked at.
        weights_id: equal for equal weights; "" where there are none.
        optimizer: the numbers that it stores of optimizers and schedules.
        exact: whether ``weights_id`` rests on the checksums of all weights, not on figures.
        is_folder: whether it is a folder, in which a log of its own may lie.
        parts: what tells parts with equal contents, by the name that a part has in every
            checkpoint; of those alone that no two checkpoints should share.
    """

    path: Path
    metadata: Metadata
    layout: Layout | None = None
    restored: RestoredFrom | None = None
    holds_state: bool = False
    has_weights: bool = True
    stats: Mapping[str, TensorStats] = field(default_factory=dict, repr=False)
    weights_id: str = ""
    optimizer: OptimizerFacts = field(default_factory=OptimizerFacts, repr=False)
    exact: bool = False
    is_folder: bool = False
    parts: Mapping[str, PartContents] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        checkpoint: Checkpoint,
        stats: Mapping[str, TensorStats],
        metadata: Metadata,
        known: dict[Layout, Layout],
        restored: RestoredFrom | None = None,
    ) -> Member:
        """What is to be known of a checkpoint.

        Args:
            checkpoint: as the reader described it.
            stats: of its tensors; empty where they were not looked at.
            metadata: where it stands.
            known: layouts seen before; added to.
            restored: what its manifest says; None where there is none.
        """
        weights = [tensor for tensor in checkpoint.tensors if tensor.role is Role.MODEL]
        layout = tuple((tensor.fqn, tensor.dtype, tensor.shape) for tensor in weights)
        found = {tensor.fqn: stats[tensor.fqn] for tensor in weights if tensor.fqn in stats}
        exact = _have_checksums(weights)
        is_known = bool(weights) and (exact or bool(found))
        return cls(
            path=checkpoint.path,
            metadata=metadata,
            layout=known.setdefault(layout, layout),
            restored=restored,
            has_weights=lists_weights(checkpoint.tensors),
            holds_state=len(checkpoint.tensors) > len(weights) or metadata.epoch is not None,
            stats=found,
            weights_id=contents_id(weights, found) if is_known else "",
            optimizer=OptimizerFacts.of(checkpoint.scalars),
            exact=exact,
        )

    @property
    def is_finite(self) -> bool:
        """Whether all weights are there and finite."""
        whole = len(self.stats) == sum(0 not in shape for _, _, shape in self.layout or ())
        return whole and are_finite(self.stats)


def contents_id(tensors: Sequence[TensorRecord], stats: Mapping[str, TensorStats]) -> str:
    """Equal for equal tensors: by the checksums of all of them, else by figures and samples."""
    exact = _have_checksums(tensors)
    digest = hashlib.blake2b(digest_size=16)
    digest.update(_spelled([_AS_LAID_OUT(one) for one in tensors]))
    if exact:
        digest.update(repr([one.storage and one.storage.crc32 for one in tensors]).encode())
        return digest.hexdigest()
    for tensor in tensors:
        figures = stats.get(tensor.fqn)
        digest.update(repr(figures).encode())
        if figures is not None:
            digest.update(figures.sample)
    return digest.hexdigest()


_AS_LAID_OUT = operator.attrgetter("fqn", "dtype", "shape", "stride", "storage_offset")
_last_spelled: tuple[list[object], bytes] = [], b"[]"


def _spelled(layout: list[object]) -> bytes:
    """Tensors in bytes; nearly all files of a run have those of the file before."""
    global _last_spelled  # noqa: PLW0603  (both at once, so that threads see what fits)
    known, spelled = _last_spelled
    if known != layout:
        spelled = repr(layout).encode("utf-8", "surrogatepass")
        _last_spelled = layout, spelled
    return spelled


def _have_checksums(tensors: Sequence[TensorRecord]) -> bool:
    return all(tensor.storage is not None and tensor.storage.crc32 for tensor in tensors)
