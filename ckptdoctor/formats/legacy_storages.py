"""The storages behind stacked pickles: for each key an int64 number of elements, then the bytes.

Source: ``_legacy_save`` and ``_legacy_load`` in ``torch/serialization.py``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from ckptdoctor.checkpoint import Problem, StorageRef
from ckptdoctor.dtypes import DType
from ckptdoctor.finding import Severity
from ckptdoctor.formats.pickle.nodes import Node, unwrap
from ckptdoctor.formats.raw import Storage, class_dtype, is_storage_id
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["LegacyStorages", "storage_keys"]


@dataclass(slots=True)
class _Place:
    """A storage that is there as a whole."""

    ref: StorageRef
    dtype: DType


class _ContradictionError(Exception):
    """What the file says of a storage cannot be: its key, what is wrong, and where."""


class LegacyStorages:
    """Finds the storages of a file of stacked pickles.

    Args:
        source: where the file lies, which ends with it.
        pids: the storages that its pickle refers to.
        prefix: of their keys, where a file holds several such files.

    Attributes:
        problems: where the file contradicts itself.
    """

    def __init__(self, source: ByteSource, pids: Iterable[Node], prefix: str = "") -> None:
        self._source = source
        self._promises = _promises(pids)
        self._prefix = prefix
        self._places: dict[str, _Place] = {}
        self.problems: list[Problem] = []

    @property
    def promised(self) -> set[str]:
        """The keys that the pickle refers to."""
        return set(self._promises)

    @property
    def refs(self) -> dict[str, StorageRef]:
        """The storages that are whole, by their key."""
        return {key: place.ref for key, place in self._places.items()}

    def locate(self, keys: Iterable[str], at: int) -> int | None:
        """Find each storage, and say what lies behind the last.

        Args:
            keys: in the order of the file.
            at: where the first begins.

        Returns:
            Where the last one ends; None where the file stops, or contradicts itself, before.
        """
        try:
            return self._locate(keys, at)
        except _ContradictionError as error:
            self._problem(*error.args)
            return None

    def _locate(self, keys: Iterable[str], at: int) -> int | None:
        for key in keys:
            dtype, promised = self._promises.get(key, (None, None))
            if dtype is None:
                raise _ContradictionError(key, "no tensor tells what it holds", at)
            if key in self._places:
                raise _ContradictionError(key, "the list of keys names it twice", at)
            header = self._source.read(at, 8)
            if len(header) < 8:
                return None
            numel = struct.unpack("<q", header)[0]
            if numel < 0:
                raise _ContradictionError(key, f"a size of {numel} elements", at)
            if numel != promised:  # torch refuses it, and all behind it may be misplaced
                says = f"a size of {numel} elements, and the pickle speaks of {promised}"
                raise _ContradictionError(key, says, at)
            at += 8
            nbytes = numel * dtype.itemsize
            if at + nbytes > self._source.nbytes:
                return None
            self._places[key] = _Place(self._ref(key, at, nbytes), dtype)
            at += nbytes
        return at

    def storage(self, pid: Node) -> Storage | None:
        """``("storage", class, key, location, numel[, view])``; lost where it is not whole."""
        key = _key(pid[2]) if is_storage_id(pid) else None
        dtype = None if key is None else class_dtype(pid[1])
        if key is None or dtype is None:
            return None
        place = self._places.get(key)
        if place is None:
            return Storage(None, dtype, lost=True)
        view = pid[5] if len(pid) > 5 else None
        if type(view) is tuple and len(view) == 3:
            return _view(place.ref, dtype, view)
        return Storage(place.ref, dtype)

    def _ref(self, key: str, at: int, nbytes: int) -> StorageRef:
        base, key = self._source.file_offset, self._prefix + key
        if base is not None:
            return StorageRef(key=key, offset=base + at, nbytes=nbytes)
        return StorageRef(key=key, offset=0, nbytes=nbytes, inline=self._source.read(at, nbytes))

    def _problem(self, key: str, message: str, at: int) -> None:
        self.problems.append(
            Problem(
                code="CD104",
                severity=Severity.ERROR,
                subject=f"storage {self._prefix}{key}",
                message=message,
                evidence={"offset": at},
            )
        )


def storage_keys(node: Node) -> list[str] | None:
    """The keys that stand behind the object; None for what is no list of keys."""
    names = [_key(key) for key in node] if type(node) is list else [None]
    return None if None in names else [name for name in names if name is not None]


def _promises(pids: Iterable[Node]) -> dict[str, tuple[DType, Node]]:
    """Element type and number of elements of each storage, as the pickle has them."""
    promises: dict[str, tuple[DType, Node]] = {}
    for pid in pids:
        key = _key(pid[2]) if is_storage_id(pid) else None
        dtype = None if key is None else class_dtype(pid[1])
        if key is not None and dtype is not None:
            promises[key] = dtype, unwrap(pid[4])
    return promises


def _view(root: StorageRef, dtype: DType, view: tuple[Node, ...]) -> Storage | None:
    """A window of another storage: (key of the view, first element, number of elements)."""
    key, first, numel = _key(view[0]), unwrap(view[1]), unwrap(view[2])
    if key is None or type(first) is not int or type(numel) is not int:
        return None
    if first < 0 or numel < 0 or (first + numel) * dtype.itemsize > root.nbytes:
        return Storage(None, dtype, lost=True)
    start, nbytes = first * dtype.itemsize, numel * dtype.itemsize
    inline = None if root.inline is None else root.inline[start : start + nbytes]
    offset = root.offset if inline is not None else root.offset + start
    ref = StorageRef(key=f"{root.key}/{key}", offset=offset, nbytes=nbytes, inline=inline)
    return Storage(ref, dtype)


def _key(node: Node) -> str | None:
    """The key of a storage, which old files count and newer ones spell; None for anything else."""
    node = unwrap(node)
    return str(node) if type(node) in (str, int) else None
