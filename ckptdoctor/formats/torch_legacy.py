"""Checkpoints as torch wrote them before 1.6: stacked pickles, then the storages; and bare pickles.

Layout: pickle(magic number), pickle(protocol 1001), pickle(system info), pickle(object),
pickle(list of storage keys), then for each key an int64 number of elements and the raw bytes.

Source: ``_legacy_save`` and ``_legacy_load`` in ``torch/serialization.py``.
"""

from __future__ import annotations

from dataclasses import replace

from ckptdoctor.checkpoint import Checkpoint, Problem, StorageRef
from ckptdoctor.errors import CorruptCheckpointError, UnsupportedCheckpointError
from ckptdoctor.finding import Severity
from ckptdoctor.formats.arrays import JOBLIB_ARRAY
from ckptdoctor.formats.assemble import assemble, refuse_single_value
from ckptdoctor.formats.compressed import is_compressed_pickle, uncompressed
from ckptdoctor.formats.legacy_storages import LegacyStorages, storage_keys
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.inner import MAGIC_NUMBER, PROTOCOL_VERSION
from ckptdoctor.formats.pickle.machine import PickleMachine, refuse_bytearrays
from ckptdoctor.formats.pickle.nodes import (
    Located,
    Node,
    PickleError,
    PickleTruncatedError,
    spell,
    unwrap,
)
from ckptdoctor.formats.pickle.stray import code_behind, telling
from ckptdoctor.formats.pickled import (
    CUT_REMEDY,
    FirstPickle,
    cut_before_tensors,
    cut_within,
    error_from,
    run_first,
)
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.tree import Harvest, harvest

__all__ = ["MAGIC_NUMBER", "PROTOCOL_VERSION", "is_legacy", "locate", "read_pickle", "saved"]

_OPCODES_A_BYTE = 4  # of a compressed pickle
_SPARE_OPCODES = 1 << 20


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


def saved(
    file: OpenFile, limits: Limits
) -> tuple[Node, ByteSource, dict[str, StorageRef], str, bool]:
    """The tree of the saved object, the file, the storages that are whole, and their byte order.

    And whether it is a bare pickle, which holds its tensors itself.

    Raises:
        CheckpointError: as from :func:`read_pickle`.
    """
    return _Legacy(file, limits).saved()


class _Legacy:
    """A file that starts with a pickle."""

    def __init__(self, file: OpenFile, limits: Limits, *, track_scalars: bool = False) -> None:
        self._file = file
        self._limits = limits
        self._track_scalars = track_scalars
        self._source: ByteSource = file.source
        self._is_cut = False
        if is_compressed_pickle(self._source):
            self._source, self._is_cut = uncompressed(file, limits)
            explained = max(_SPARE_OPCODES, _OPCODES_A_BYTE * file.nbytes)
            most = min(explained, self._source.nbytes + 1)
            self._limits = replace(limits, opcodes=most, leaves=most)
        self.machines: list[PickleMachine] = []
        self._storages = LegacyStorages(self._source, ())
        self._problems: list[Problem] = []

    def read(self) -> Checkpoint:
        """The checkpoint."""
        kind, found = self.harvest()
        problems = [*self._problems, *self._storages.problems]
        if self._is_cut and kind != "torch-legacy":
            found.problems.insert(0, cut_within(found.tensors))
        elif not problems:
            found.problems += self._unlocated(kind)
        refs = tuple(self._storages.refs.values())
        return assemble(self._file, kind, found, self.machines, problems=problems, records=refs)

    def harvest(self) -> tuple[str, Harvest]:
        """The name of the format, and what the saved object holds."""
        kind, root = self._object()
        machine = self.machines[0]
        if not self._is_cut and not machine.globals:  # a text file can be a pickle by accident
            refuse_single_value(self._file.path, root)
        inner = machine.loading.files
        found = harvest(root, self._storages.storage, self._source, self._limits, inner)
        is_bare = kind != "torch-legacy"
        if self._is_cut and is_bare and all(tensor.lost for tensor in found.tensors):
            raise cut_before_tensors(self._file.path, self._source.nbytes)
        if self._source.file_offset is None:
            found.located.clear()  # no place in the file
        return kind, found

    def saved(self) -> tuple[Node, ByteSource, dict[str, StorageRef], str, bool]:
        """The tree, its bytes, the storages, their byte order, and whether it is bare."""
        kind, root = self._object()
        if kind == "joblib":
            raise UnsupportedCheckpointError(
                self._file.path,
                "a file of joblib, which is copied but not edited",
                remedy="Load it with joblib and save it with torch.save.",
            )
        refuse_bytearrays(self._file.path, self.machines[0])
        return root, self._source, self._storages.refs, "little", kind == "pickle"

    def _object(self) -> tuple[str, Node]:
        """The name of the format, and the saved object; the storages are found on the way."""
        first = run_first(
            self._file.path,
            self._source,
            self._limits,
            self.machines,
            track_scalars=self._track_scalars,
        )
        if unwrap(first.root) == MAGIC_NUMBER:
            return "torch-legacy", self._stacked(first)
        pids = first.machine.persistent_ids
        self._storages = LegacyStorages(self._source, pids)
        self._is_cut |= first.is_cut
        self._note_rest(first.end, "the pickle")
        packed = self._source.file_offset is None
        return (
            "joblib" if packed or JOBLIB_ARRAY in first.machine.globals else "pickle"
        ), first.root

    def _stacked(self, first: FirstPickle) -> Node:
        """The object behind torch's magic number."""
        machine = first.machine
        root, end = self._run(machine, self._preamble(machine, first.end))
        self._storages = LegacyStorages(self._source, machine.persistent_ids)
        keys, end = self._keys(machine, end)
        last = self._storages.locate(keys, end)
        if last is not None:
            self._note_rest(last, "the last storage")
        return root

    def _preamble(self, machine: PickleMachine, start: int) -> int:
        """Where the object begins, behind protocol version and system info."""
        version, behind = self._run(machine, start)
        if unwrap(version) != PROTOCOL_VERSION:
            self._problem(
                f"protocol version {spell(version)} of the format, and torch reads only "
                f"{PROTOCOL_VERSION}",
                start,
            )
        return self._run(machine, behind)[
            1
        ]  # byte order and integer sizes of the machine that wrote it

    def _run(self, machine: PickleMachine, start: int) -> tuple[Node, int]:
        try:
            return machine.run(start)
        except PickleError as error:
            raise error_from(self._file.path, error) from error

    def _keys(self, machine: PickleMachine, start: int) -> tuple[list[str], int]:
        """The storage keys in the order of the file."""
        try:
            keys, end = machine.run(start)
        except PickleTruncatedError:
            self._is_cut = True
            return [], self._source.nbytes
        except PickleError as error:
            raise error_from(self._file.path, error) from error
        names = storage_keys(keys)
        if names is None:
            raise CorruptCheckpointError(
                self._file.path, "the list of storage keys is no list of keys", offset=start
            )
        return names, end

    # -- problems --------------------------------------------------------------------------------

    def _note_rest(self, at: int, what: str) -> None:
        rest = self._source.nbytes - at
        if rest > 0:
            self.machines += code_behind(self._source, at, self._limits)
            self._problem(f"{rest} bytes follow {what}", at, Severity.WARNING)

    def _unlocated(self, kind: str) -> list[Problem]:
        wanted = self._storages.promised
        lost = wanted - set(self._storages.refs)
        if not lost and not self._is_cut:
            return []
        if kind != "torch-legacy":
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
                remedy=CUT_REMEDY,
            )
        ]

    def _problem(self, message: str, at: int, severity: Severity = Severity.ERROR) -> None:
        self._problems.append(
            Problem(
                code="CD104",
                severity=severity,
                subject="file",
                message=message,
                evidence={"offset": at},
            )
        )
