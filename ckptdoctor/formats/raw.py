"""What the calls in a pickle are read as, before anything has a name; and how to read arguments."""

from __future__ import annotations

from collections.abc import Callable

from ckptdoctor.checkpoint import StorageRef
from ckptdoctor.dtypes import BY_NAME, STORAGE_CLASSES, DType
from ckptdoctor.formats.byte_strings import ByteStrings, MalformedTensorError
from ckptdoctor.formats.pickle.nodes import GlobalRef, Instance, Node, unwrap
from ckptdoctor.lean_dataclass import dataclass

__all__ = [
    "Call",
    "Inside",
    "MalformedTensorError",
    "Parts",
    "RawTensor",
    "Reader",
    "Storage",
    "StorageLookup",
    "Unfolded",
    "Value",
    "class_dtype",
    "count_of",
    "is_storage_id",
    "row_of",
    "sizes_of",
]

_MAX_DIMENSIONS = 128  # torch computes with 64, and stores more


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage as the pickle knows it: where its bytes are and what its elements are."""

    ref: StorageRef | None
    dtype: DType
    lost: bool = False


@dataclass(frozen=True, slots=True)
class RawTensor:
    """A tensor before it has a name."""

    dtype: DType
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    storage_offset: int
    storage: StorageRef | None
    lost: bool = False


StorageLookup = Callable[[Node], Storage | RawTensor | None]
"""Finds what a persistent id names: a storage, in tar files a tensor too; None for neither.

Asked with :class:`Inside`, it finds the storage in a torch file within the pickle.
"""


@dataclass(frozen=True, slots=True)
class Inside:
    """The byte string that a torch file within the pickle is."""

    data: Node


@dataclass(frozen=True, slots=True)
class Value:
    """Something that is a plain value after all: a numpy scalar, a path, a device."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Parts:
    """Something made of named parts; a part named None stands for the whole."""

    parts: list[tuple[str | None, Node]]


Unfolded = RawTensor | Value | Parts | None


@dataclass(frozen=True, slots=True)
class Call:
    """A call to be read.

    Attributes:
        args: its positional arguments.
        state: the argument of BUILD, or None.
        lookup: finds storages.
        strings: finds byte strings.
        members: what APPEND added, or None.
    """

    args: tuple[Node, ...]
    state: Node
    lookup: StorageLookup
    strings: ByteStrings
    members: list[Node] | None = None


Reader = Callable[[Call], Unfolded]


def is_storage_id(pid: Node) -> bool:
    """Whether a persistent id is ``("storage", class, key, location, numel, ...)``."""
    return type(pid) is tuple and len(pid) >= 5 and type(pid[0]) is str and pid[0] == "storage"


def class_dtype(storage_class: Node) -> DType | None:
    """The element type of a storage class or of a dtype, given as a global."""
    if type(storage_class) is not GlobalRef:
        return None
    name = storage_class.name.rpartition(".")[2]
    return STORAGE_CLASSES.get(name) or BY_NAME.get(name)


def row_of(storage: Storage) -> RawTensor:
    """A storage that was saved without a tensor: its elements in a row."""
    nbytes = 0 if storage.ref is None else storage.ref.nbytes
    shape = (nbytes // storage.dtype.itemsize,)
    return RawTensor(storage.dtype, shape, (1,), 0, storage.ref, storage.lost)


def sizes_of(node: Node) -> tuple[int, ...]:
    """A tuple of non-negative integers, as a shape or stride is; torch.Size is one too.

    Raises:
        TypeError: it is none.
    """
    if type(node) is Instance and node.name == "torch.Size" and type(node.args) is tuple:
        node = node.args[0]
    if type(node) not in (tuple, list) or len(node) > _MAX_DIMENSIONS:
        raise TypeError("no tuple of sizes")
    return tuple([count_of(size) for size in node])


def count_of(node: Node) -> int:
    """A non-negative integer that fits an int64.

    Raises:
        TypeError: it is none.
    """
    node = unwrap(node)
    if type(node) is not int or not -1 < node < 1 << 63:
        raise TypeError("a size that is no size")
    return node
