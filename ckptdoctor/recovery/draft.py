"""A checkpoint on its way to become another: its tree, its storages, and what was done so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field

from ckptdoctor.checkpoint import Checkpoint, Role, StorageRef, TensorRecord, TensorStats
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.nodes import Node, unwrap
from ckptdoctor.formats.saved_object import SavedObject
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import RestoredFrom
from ckptdoctor.recovery.tree import Place, entries, everywhere, find, pairs_of

__all__ = [
    "Action",
    "Draft",
    "FilePatch",
    "Mean",
    "Patch",
    "number_of",
    "storage_key",
    "text_keys",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that was done to the copy.

    Attributes:
        name: which kind, such as ``scale-lr``.
        message: what was done, with its figures.
        notice: what the training script will notice when it resumes, or "".
        factor: of the learning rates over those of the original, where they were scaled.
        set_lr: the learning rate that was set.
        decay: what a schedule that raised the rate multiplies it with now.
    """

    name: str
    message: str
    notice: str = ""
    factor: float | None = None
    set_lr: float | None = None
    decay: float | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """Bytes of a storage that are replaced.

    Attributes:
        start: first byte in the storage.
        nbytes: how many.
        read: the new ones: from, how many -> bytes.
    """

    start: int
    nbytes: int
    read: Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class FilePatch:
    """Bytes of a file that are replaced.

    Attributes:
        start: the first of them.
        nbytes: how many.
        read: the new ones: from, how many -> bytes.
    """

    start: int
    nbytes: int
    read: Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Mean:
    """A tensor that is the mean of several.

    Attributes:
        tensor: of the draft.
        of: all that it is the mean of, its own among them, each with the file that it lies in.
    """

    tensor: TensorRecord
    of: tuple[tuple[OpenFile, TensorRecord], ...]


@dataclass(slots=True)
class Draft:
    """What is being made.

    Attributes:
        file: the source, open.
        checkpoint: as it was read.
        stats: of its tensors.
        saved: its tree, changed in place.
        damaged: tensors whose bytes are not those that were written.
        meant: tensors that are infinite by design.
        copied: what the manifest beside the source says, where it is a copy itself.
        patches: by storage key.
        file_patches: bytes of the file that are replaced, whatever they are.
        transplants: by storage key, the storages of another file: its descriptor, and where.
        touched: paths of scalars and tensors that are no longer what they were.
        renamed: new names of tensors -> the old ones.
        means: tensors that are averaged, by their old names.
        actions: what was done.
    """

    file: OpenFile
    checkpoint: Checkpoint
    stats: Mapping[str, TensorStats]
    saved: SavedObject
    damaged: frozenset[str] = frozenset()
    meant: frozenset[str] = frozenset()
    copied: RestoredFrom | None = None
    patches: dict[str, list[Patch]] = field(default_factory=dict)
    file_patches: list[FilePatch] = field(default_factory=list)
    transplants: dict[str, tuple[int, StorageRef]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    means: dict[str, Mean] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)

    def did(
        self,
        name: str,
        message: str,
        notice: str = "",
        *,
        factor: float | None = None,
        set_lr: float | None = None,
    ) -> None:
        """Note an action."""
        done = Action(name=name, message=message, notice=notice, factor=factor, set_lr=set_lr)
        self.actions.append(done)

    def tensors(self, *roles: Role) -> Iterator[TensorRecord]:
        """The tensors of these roles."""
        return (tensor for tensor in self.checkpoint.tensors if tensor.role in roles)

    def is_bad(self, tensor: TensorRecord) -> bool:
        """Whether a tensor is lost, damaged, or holds NaN or Inf."""
        stats = self.stats.get(tensor.fqn)
        if 0 in tensor.shape:
            return False
        if tensor.lost or stats is None or tensor.fqn in self.damaged:
            return True
        return stats.non_finite > 0 and tensor.fqn not in self.meant

    def place(self, fqn: str) -> Place | None:
        """Where a tensor stands in the tree; None inside an object of an unknown class."""
        return find(self.saved.root, fqn)

    def optimizers(self) -> Iterator[Place]:
        """The places of optimizer states: dicts with ``state`` and ``param_groups``."""
        return self._dicts({"state", "param_groups"})

    def _dicts(self, keys: Iterable[str]) -> Iterator[Place]:
        wanted = set(keys)
        for place in everywhere(self.saved.root):
            if wanted <= text_keys(place.node):
                yield place


def text_keys(node: Node) -> set[str]:
    """The keys of a dict; none for anything else."""
    if pairs_of(node) is None:
        return set()
    return {place.path[-1] for place in entries(node)}


def number_of(node: Node) -> float | None:
    """A plain number; None for anything else, a bool included."""
    value = unwrap(node)
    return float(value) if type(value) in (int, float) else None


def storage_key(tensor: TensorRecord) -> str:
    """The key by which the tree refers to the storage of a tensor."""
    ref: StorageRef | None = tensor.storage
    return "" if ref is None else ref.key.rpartition("/")[2]
