"""Checkpoints as torch wrote them before 1.6: stacked pickles, then the storages; and bare pickles.

Layout: pickle(magic number), pickle(protocol 1001), pickle(system info), pickle(object),
pickle(list of storage keys), then for each key an int64 number of elements and the raw bytes.

Source: ``_legacy_save`` and ``_legacy_load`` in ``torch/serialization.py``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ckptdoctor.checkpoint import Checkpoint, Problem, StorageRef
from ckptdoctor.dtypes import DType
from ckptdoctor.errors import (
    CheckpointError,
    CorruptCheckpointError,
    LimitExceededError,
    TruncatedCheckpointError,
    UnknownFormatError,
)
from ckptdoctor.finding import Severity
from ckptdoctor.formats.assemble import assemble, refuse_single_value
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.machine import PickleMachine, refuse_bytearrays
from ckptdoctor.formats.pickle.nodes import (
    Located,
    Node,
    PickleError,
    PickleLimitError,
    PickleTruncatedError,
    spell,
    unwrap,
)
from ckptdoctor.formats.pickle.stray import code_behind, telling
from ckptdoctor.formats.raw import Storage, class_dtype, is_storage_id
from ckptdoctor.formats.source import ByteSource, FileSource
from ckptdoctor.formats.tree import Harvest, harvest

__all__ = ["is_legacy", "locate", "read_pickle"]

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

_CUT_REMEDY = "Copy it again from where it was written, or use an earlier checkpoint."


def is_legacy(head: bytes) -> bool:
    """Whether the first bytes are torch's magic number, pickled by protocol 2 or later."""
    return MAGIC_NUMBER.to_bytes(10, "little") in head[:32]


def read_pickle(file: OpenFile, limits: Limits) -> Checkpoint:
    """The checkpoint in a file that starts with a pickle: torch's old format, or any pickle.

    Raises:
        UnknownFormatError: the first bytes are no pickle.
        TruncatedCheckpointError: cut before the end of the object.
        CorruptCheckpointError: the pickle cannot be read.
        LimitExceededError: reading would cost more than the file explains.
    """
    legacy = _Legacy(file, limits)
    with telling(legacy.machines):
        return legacy.read()


def locate(file: OpenFile, limits: Limits) -> dict[str, Located]:
    """Where in the file the scalars of the saved object stand.

    Raises:
        CheckpointError: as from :func:`read_pickle`.
    """
    return _Legacy(file, limits, track_scalars=True).harvest()[1].located


def saved(file: OpenFile, limits: Limits) -> tuple[Node, ByteSource, dict[str, StorageRef], str]:
    """The tree of the saved object, the file, the storages that are whole, and their byte order.

    Raises:
        CheckpointError: as from :func:`read_pickle`.
    """
    return _Legacy(file, limits).saved()


@dataclass(slots=True)
class _Place:
    """A storage that lies in the file as a whole."""

    ref: StorageRef
    dtype: DType


class _Legacy:
    def __init__(self, file: OpenFile, limits: Limits, *, track_scalars: bool = False) -> None:
        self._file = file
        self._limits = limits
        self._source = FileSource(file.fd, file.nbytes)
        self._machine = PickleMachine(self._source, limits, track_scalars=track_scalars)
        self.machines = [self._machine]
        self._places: dict[str, _Place] = {}
        self._problems: list[Problem] = []
        self._keys_are_cut = False

    def read(self) -> Checkpoint:
        """The checkpoint."""
        kind, found = self.harvest()
        found.problems += self._unlocated(kind)
        refs = tuple(place.ref for place in self._places.values())
        return assemble(
            self._file, kind, found, self.machines, problems=self._problems, records=refs
        )

    def harvest(self) -> tuple[str, Harvest]:
        """The name of the format, and what the saved object holds."""
        is_torch, start, first = self._preamble()
        if is_torch:
            root, end = self._run(start)
            keys, end = self._keys(end)
            self._locate(keys, end)
        else:
            root, end = first, start
            if not self._machine.globals:  # a text file can be a pickle by accident
                refuse_single_value(self._file.path, root)
            self._note_rest(end, "the pickle")
        found = harvest(root, self._storage, self._source, self._limits)
        return "torch-legacy" if is_torch else "pickle", found

    def saved(self) -> tuple[Node, ByteSource, dict[str, StorageRef], str]:
        """The tree, its bytes, and the storages."""
        is_torch, start, root = self._preamble()
        if is_torch:
            root, end = self._run(start)
            keys, end = self._keys(end)
            self._locate(keys, end)
        refuse_bytearrays(self._file.path, self._machine)
        refs = {key: place.ref for key, place in self._places.items()}
        return root, self._source, refs, "little"

    def _preamble(self) -> tuple[bool, int, Node]:
        """Whether torch wrote this; where the object starts (or ends); the first pickle's value."""
        try:
            first, end = self._machine.run(0)
        except PickleLimitError as error:
            raise self._error(error) from error
        except PickleError as error:
            if self._machine.globals or self._machine.persistent_ids or self._looks_pickled():
                raise self._error(error) from error
            raise UnknownFormatError(
                self._file.path,
                "not a checkpoint: neither a zip archive nor a pickle",
                remedy="Compare its size and its checksum with the original's, and copy it again.",
            ) from error
        if unwrap(first) != MAGIC_NUMBER:
            return False, end, first
        version, behind = self._run(end)
        if unwrap(version) != PROTOCOL_VERSION:
            self._problem(
                "CD104",
                "file",
                f"protocol version {spell(version)} of the format, and torch reads only "
                f"{PROTOCOL_VERSION}",
                end,
            )
        _, end = self._run(behind)  # byte order and integer sizes of the machine that wrote it
        return True, end, first

    def _looks_pickled(self) -> bool:
        head = self._source.read(0, 2)
        return len(head) == 2 and head[0] == 0x80 and 2 <= head[1] <= 5

    def _run(self, start: int) -> tuple[Node, int]:
        try:
            return self._machine.run(start)
        except PickleError as error:
            raise self._error(error) from error

    def _error(self, error: PickleError) -> CheckpointError:
        if isinstance(error, PickleLimitError):
            return LimitExceededError(self._file.path, error.message, offset=error.offset)
        if isinstance(error, PickleTruncatedError):
            return TruncatedCheckpointError(
                self._file.path,
                "the file ends inside its pickle, before the first tensor",
                offset=error.offset,
                remedy=_CUT_REMEDY,
            )
        return CorruptCheckpointError(self._file.path, error.message, offset=error.offset)

    # -- storages --------------------------------------------------------------------------------

    def _keys(self, start: int) -> tuple[list[str], int]:
        """The storage keys in the order of the file."""
        try:
            keys, end = self._machine.run(start)
        except PickleTruncatedError:
            self._keys_are_cut = True
            return [], self._file.nbytes
        except PickleError as error:
            raise self._error(error) from error
        names = [_key(key) for key in keys] if type(keys) is list else [None]
        if None in names:
            raise CorruptCheckpointError(
                self._file.path, "the list of storage keys is no list of keys", offset=start
            )
        return [name for name in names if name is not None], end

    def _locate(self, keys: list[str], at: int) -> None:
        """Find each storage behind the pickles; stop where the file stops or contradicts itself."""
        promises = self._promises()
        for key in keys:
            dtype, promised = promises.get(key, (None, None))
            if dtype is None:
                self._problem("CD104", f"storage {key}", "no tensor tells what it holds", at)
                return
            if key in self._places:
                self._problem("CD104", f"storage {key}", "the list of keys names it twice", at)
                return
            header = self._source.read(at, 8)
            if len(header) < 8:
                return
            numel = struct.unpack("<q", header)[0]
            if numel < 0:
                self._problem("CD104", f"storage {key}", f"a size of {numel} elements", at)
                return
            if numel != promised:  # torch refuses it, and all behind it may be misplaced
                says = f"a size of {numel} elements, and the pickle speaks of {promised}"
                self._problem("CD104", f"storage {key}", says, at)
                return
            at += 8
            nbytes = numel * dtype.itemsize
            if at + nbytes > self._file.nbytes:
                return
            self._places[key] = _Place(StorageRef(key=key, offset=at, nbytes=nbytes), dtype)
            at += nbytes
        self._note_rest(at, "the last storage")

    def _note_rest(self, at: int, what: str) -> None:
        rest = self._file.nbytes - at
        if rest > 0:
            self.machines += code_behind(self._source, at, self._limits)
            self._problem("CD104", "file", f"{rest} bytes follow {what}", at, Severity.WARNING)

    def _promises(self) -> dict[str, tuple[DType, Node]]:
        """Element type and number of elements of each storage, as the pickle has them."""
        promises: dict[str, tuple[DType, Node]] = {}
        for pid in self._machine.persistent_ids:
            key = _key(pid[2]) if is_storage_id(pid) else None
            dtype = None if key is None else class_dtype(pid[1])
            if key is not None and dtype is not None:
                promises[key] = dtype, unwrap(pid[4])
        return promises

    def _storage(self, pid: Node) -> Storage | None:
        """``("storage", class, key, location, numel[, view])``."""
        key = _key(pid[2]) if is_storage_id(pid) else None
        dtype = None if key is None else class_dtype(pid[1])
        if key is None or dtype is None:
            return None
        place = self._places.get(key)
        if place is None:
            return Storage(None, dtype, lost=True)
        view = pid[5] if len(pid) > 5 else None
        if type(view) is tuple and len(view) == 3:
            return self._view(place, dtype, view)
        return Storage(place.ref, dtype)

    def _view(self, place: _Place, dtype: DType, view: tuple[Node, ...]) -> Storage | None:
        """A window of another storage: (key of the view, first element, number of elements)."""
        key, first, numel = _key(view[0]), unwrap(view[1]), unwrap(view[2])
        root = place.ref
        if key is None or type(first) is not int or type(numel) is not int:
            return None
        if first < 0 or numel < 0 or (first + numel) * dtype.itemsize > root.nbytes:
            return Storage(None, dtype, lost=True)
        offset = root.offset + first * dtype.itemsize
        ref = StorageRef(key=f"{root.key}/{key}", offset=offset, nbytes=numel * dtype.itemsize)
        return Storage(ref, dtype)

    def _unlocated(self, kind: str) -> list[Problem]:
        wanted = set(self._promises())
        lost = wanted - set(self._places)
        if (not lost and not self._keys_are_cut) or self._problems:
            return []
        if kind == "pickle":
            return [
                Problem(
                    code="CD104",
                    severity=Severity.ERROR,
                    subject="file",
                    message=f"the storages that it refers to are not in it: {len(lost)}",
                    evidence={"lost": len(lost)},
                    remedy="It is the data.pkl of an unpacked checkpoint: scan the checkpoint.",
                )
            ]
        return [
            Problem(
                code="CD102",
                severity=Severity.ERROR,
                subject="file",
                message=f"the file is cut: {len(wanted) - len(lost)} of {len(wanted)} storages "
                "are whole",
                evidence={"whole": len(wanted) - len(lost), "lost": len(lost)},
                remedy=_CUT_REMEDY,
            )
        ]

    def _problem(
        self, code: str, subject: str, message: str, at: int, severity: Severity = Severity.ERROR
    ) -> None:
        self._problems.append(
            Problem(
                code=code,
                severity=severity,
                subject=subject,
                message=message,
                evidence={"offset": at},
            )
        )


def _key(node: Node) -> str | None:
    """The key of a storage, which old files count and newer ones spell; None for anything else."""
    node = unwrap(node)
    return str(node) if type(node) in (str, int) else None
