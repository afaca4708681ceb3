"""Checkpoints as torch wrote them before 1.6: stacked pickles, then the storages; and bare pickles.

Layout: pickle(magic number), pickle(protocol 1001), pickle(system info), pickle(object),
pickle(list of storage keys), then for each key an int64 number of elements and the raw bytes.

Source: ``_legacy_save`` and ``_legacy_load`` in ``torch/serialization.py``.
"""

from __future__ import annotations

from ckptdoctor.checkpoint import Checkpoint, Problem, StorageRef
from ckptdoctor.errors import (
    CheckpointError,
    CorruptCheckpointError,
    LimitExceededError,
    TruncatedCheckpointError,
    UnknownFormatError,
)
from ckptdoctor.finding import Severity
from ckptdoctor.formats.assemble import assemble, refuse_single_value
from ckptdoctor.formats.legacy_storages import LegacyStorages, storage_keys
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.inner import MAGIC_NUMBER, PROTOCOL_VERSION
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
from ckptdoctor.formats.pickle.unfinished import unfinished
from ckptdoctor.formats.source import ByteSource, FileSource
from ckptdoctor.formats.tree import Harvest, harvest

__all__ = ["MAGIC_NUMBER", "PROTOCOL_VERSION", "is_legacy", "locate", "read_pickle", "saved"]

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
        self._source = FileSource(file.fd, file.nbytes)
        self._machine = PickleMachine(self._source, limits, track_scalars=track_scalars)
        self.machines = [self._machine]
        self._storages = LegacyStorages(self._source, ())
        self._problems: list[Problem] = []
        self._is_cut = False

    def read(self) -> Checkpoint:
        """The checkpoint."""
        kind, found = self.harvest()
        problems = [*self._problems, *self._storages.problems]
        if self._is_cut and kind == "pickle":
            found.problems.insert(0, self._cut_within(found))
        elif not problems:
            found.problems += self._unlocated(kind)
        refs = tuple(self._storages.refs.values())
        return assemble(self._file, kind, found, self.machines, problems=problems, records=refs)

    def harvest(self) -> tuple[str, Harvest]:
        """The name of the format, and what the saved object holds."""
        is_torch, root = self._object()
        if not (
            is_torch or self._is_cut or self._machine.globals
        ):  # a text file can be a pickle by accident
            refuse_single_value(self._file.path, root)
        inner = self._machine.loading.files
        found = harvest(root, self._storages.storage, self._source, self._limits, inner)
        if self._is_cut and not is_torch and all(tensor.lost for tensor in found.tensors):
            raise self._cut_before_tensors(self._source.nbytes)
        return "torch-legacy" if is_torch else "pickle", found

    def saved(self) -> tuple[Node, ByteSource, dict[str, StorageRef], str, bool]:
        """The tree, its bytes, the storages, their byte order, and whether it is bare."""
        is_torch, root = self._object()
        refuse_bytearrays(self._file.path, self._machine)
        refs = self._storages.refs
        return root, self._source, refs, "little", not is_torch

    def _object(self) -> tuple[bool, Node]:
        """Whether torch wrote this, and the saved object; the storages are found on the way."""
        try:
            first, end = self._first()
        except PickleTruncatedError:
            root = unfinished(self._machine)
            self._is_cut = True
            self._storages = LegacyStorages(self._source, self._machine.persistent_ids)
            return False, root
        if unwrap(first) != MAGIC_NUMBER:
            self._storages = LegacyStorages(self._source, self._machine.persistent_ids)
            self._note_rest(end, "the pickle")
            return False, first
        root, end = self._run(self._preamble(end))
        self._storages = LegacyStorages(self._source, self._machine.persistent_ids)
        keys, end = self._keys(end)
        last = self._storages.locate(keys, end)
        if last is not None:
            self._note_rest(last, "the last storage")
        return True, root

    def _first(self) -> tuple[Node, int]:
        """The first pickle's value, and where it ends.

        Raises:
            PickleTruncatedError: the file ends within it.
        """
        try:
            return self._machine.run(0)
        except PickleLimitError as error:
            raise self._error(error) from error
        except PickleError as error:
            machine = self._machine
            if not (machine.globals or machine.persistent_ids or self._looks_pickled()):
                raise UnknownFormatError(
                    self._file.path,
                    "not a checkpoint: neither a zip archive nor a pickle",
                    remedy="Compare its size and its checksum with the original's, and copy it "
                    "again.",
                ) from error
            if isinstance(error, PickleTruncatedError):
                raise
            raise self._error(error) from error

    def _preamble(self, start: int) -> int:
        """Where the object begins, behind protocol version and system info."""
        version, behind = self._run(start)
        if unwrap(version) != PROTOCOL_VERSION:
            self._problem(
                f"protocol version {spell(version)} of the format, and torch reads only "
                f"{PROTOCOL_VERSION}",
                start,
            )
        return self._run(behind)[1]  # byte order and integer sizes of the machine that wrote it

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
            return self._cut_before_tensors(error.offset)
        return CorruptCheckpointError(self._file.path, error.message, offset=error.offset)

    def _cut_before_tensors(self, offset: int) -> CheckpointError:
        return TruncatedCheckpointError(
            self._file.path,
            "the file ends inside its pickle, before the first tensor",
            offset=offset,
            remedy=_CUT_REMEDY,
        )

    def _keys(self, start: int) -> tuple[list[str], int]:
        """The storage keys in the order of the file."""
        try:
            keys, end = self._machine.run(start)
        except PickleTruncatedError:
            self._is_cut = True
            return [], self._file.nbytes
        except PickleError as error:
            raise self._error(error) from error
        names = storage_keys(keys)
        if names is None:
            raise CorruptCheckpointError(
                self._file.path, "the list of storage keys is no list of keys", offset=start
            )
        return names, end

    # -- problems --------------------------------------------------------------------------------

    def _note_rest(self, at: int, what: str) -> None:
        rest = self._file.nbytes - at
        if rest > 0:
            self.machines += code_behind(self._source, at, self._limits)
            self._problem(f"{rest} bytes follow {what}", at, Severity.WARNING)

    def _unlocated(self, kind: str) -> list[Problem]:
        wanted = self._storages.promised
        lost = wanted - set(self._storages.refs)
        if not lost and not self._is_cut:
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

    def _cut_within(self, found: Harvest) -> Problem:
        """What is left of a pickle that holds its tensors itself; nobody knows how many it had."""
        whole = sum(not tensor.lost for tensor in found.tensors)
        lost = next((tensor.fqn for tensor in found.tensors if tensor.lost), None)
        count = "one tensor is" if whole == 1 else f"{whole} tensors are"
        return Problem(
            code="CD102",
            severity=Severity.ERROR,
            subject="file",
            message=f"the file is cut inside its pickle: {count} whole, what followed is lost",
            evidence={"whole": whole, "first_lost": lost},
            remedy=_CUT_REMEDY,
        )

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
