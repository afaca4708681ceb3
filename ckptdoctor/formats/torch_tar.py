"""Checkpoints as torch wrote them before 0.1.10: a tar of ``storages``, ``tensors`` and ``pickle``.

torch wrote ``sys_info``, ``pickle``, ``tensors`` and then ``storages``, so that a cut file still
has the names and the shapes, and those storages that lie before the cut.

Source: ``legacy_load`` inside ``_legacy_load`` in ``torch/serialization.py``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from ckptdoctor.checkpoint import Checkpoint, Problem, StorageRef, TensorRecord
from ckptdoctor.dtypes import STORAGE_CLASSES, DType
from ckptdoctor.errors import (
    CheckpointError,
    CorruptCheckpointError,
    LimitExceededError,
    TruncatedCheckpointError,
    UnknownFormatError,
)
from ckptdoctor.finding import Severity
from ckptdoctor.formats.assemble import assemble
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.member_names import odd_names
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.machine import PickleMachine
from ckptdoctor.formats.pickle.nodes import (
    GlobalRef,
    Instance,
    Node,
    PickleError,
    PickleLimitError,
    PickleTruncatedError,
    spell,
)
from ckptdoctor.formats.pickle.stray import code_behind, telling
from ckptdoctor.formats.raw import RawTensor, Storage, class_dtype
from ckptdoctor.formats.source import FileSource
from ckptdoctor.formats.tar import BLOCK_NBYTES, TarSizeError, is_tar, tar_members
from ckptdoctor.formats.tree import harvest
from ckptdoctor.lean_dataclass import dataclass

__all__ = ["is_tar", "read_torch_tar"]

_MEMBERS = frozenset({"storages", "tensors", "pickle"})
_MAX_DIMENSIONS = 64
_FILE_STEP_NBYTES = 10_240  # Python's tarfile, the only writer, pads the file to a multiple of it
_CUT_REMEDY = "Copy it again from where it was written, or use an earlier checkpoint."


def read_torch_tar(file: OpenFile, limits: Limits) -> Checkpoint:
    """The checkpoint in a tar archive.

    Raises:
        UnknownFormatError: an archive of something else.
        CheckpointError: one of its parts cannot be read.
    """
    tar = _Tar(file, limits)
    with telling(tar.machines):
        return tar.read()


@dataclass(slots=True)
class _Part:
    """A member of the archive and the machine that reads the pickles in it.

    Attributes:
        source: its bytes, as far as the file goes.
        machine: reads the pickles.
        is_cut: whether the file ends before the member does.
        at: what was read so far.
    """

    source: FileSource
    machine: PickleMachine
    is_cut: bool
    at: int = 0


class _MadeUpError(Exception):
    """What torch asks for the size of an element is an object: nobody knows where it reads on."""


class _Tar:
    def __init__(self, file: OpenFile, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._storages: dict[str, Storage] = {}
        self._tensors: dict[str, RawTensor] = {}
        self._end = 0
        self.machines: list[PickleMachine] = []

    def read(self) -> Checkpoint:
        """The checkpoint."""
        parts = self._parts()
        try:
            root = self._unpickled(parts)
        except CheckpointError:
            for part in parts.values():  # others may go on where this reader does not
                self.machines += code_behind(part.source, part.at, self._limits)
            raise
        pickle = parts["pickle"]
        inner = pickle.machine.loading.files
        found = harvest(root, self._named, pickle.source, self._limits, inner)
        refs = {s.ref.key: s.ref for s in self._storages.values() if s.ref is not None}
        return assemble(
            self._file,
            "torch-tar",
            found,
            [
                *(part.machine for part in parts.values()),
                *code_behind(self._file.source, 0, self._limits),
            ],
            problems=self._cut(found.tensors, is_cut=any(part.is_cut for part in parts.values())),
            records=tuple(refs.values()),
        )

    def _unpickled(self, parts: dict[str, _Part]) -> Node:
        """The saved object; the storages and the tensors are found on the way."""
        try:
            self._salvage_storages(parts["storages"])
            self._read_tensors(parts["tensors"], storages_are_cut=parts["storages"].is_cut)
            root, _ = parts["pickle"].machine.run()
        except PickleLimitError as error:
            raise LimitExceededError(self._file.path, error.message) from error
        except PickleTruncatedError as error:
            if not any(part.is_cut for part in parts.values()):
                raise CorruptCheckpointError(self._file.path, error.message) from error
            raise TruncatedCheckpointError(
                self._file.path, "the file ends inside its pickle", remedy=_CUT_REMEDY
            ) from error
        except PickleError as error:
            raise CorruptCheckpointError(self._file.path, error.message) from error
        except _MadeUpError as error:
            refused = CorruptCheckpointError(
                self._file.path, f"the class of a storage is made up: {error}"
            )
            refused.runs = ((str(error), f"{error}._dtype"),)
            raise refused from error
        except (struct.error, IndexError, TypeError, ValueError, KeyError) as error:
            raise CorruptCheckpointError(
                self._file.path, "its storages or tensors are not as torch wrote them"
            ) from error
        return root

    def _cut(self, tensors: list[TensorRecord], *, is_cut: bool) -> Iterable[Problem]:
        """That the file is cut, or that it ends without the padding that a tar ends with."""
        ends = self._file.nbytes - self._end >= 2 * BLOCK_NBYTES
        if is_cut or not ends:
            lost = [tensor.fqn for tensor in tensors if tensor.lost]
            whole = len(tensors) - len(lost)
            yield Problem(
                code="CD102",
                severity=Severity.ERROR,
                subject="file",
                message=f"the file is cut: {whole} of {len(tensors)} tensors are whole",
                evidence={"whole": whole, "lost": len(lost)},
                remedy=_CUT_REMEDY,
            )
        elif self._file.nbytes % _FILE_STEP_NBYTES:
            yield Problem(
                code="CD102",
                severity=Severity.WARNING,
                subject="file",
                message="all of its contents are there, but the zeros at its end are not: "
                f"{self._file.nbytes} bytes are no multiple of {_FILE_STEP_NBYTES}",
                evidence={"nbytes": self._file.nbytes},
                remedy=_CUT_REMEDY,
            )

    def _parts(self) -> dict[str, _Part]:
        names: list[str] = []
        parts: dict[str, _Part] = {}
        try:
            for member in tar_members(self._file.source):
                names.append(member.name)
                if member.name in _MEMBERS:
                    if not member.is_plain:
                        raise self._elsewhere(member.name)
                    parts[member.name] = self._part(member.offset, member.nbytes)
        except TarSizeError as error:
            raise CorruptCheckpointError(self._file.path, f"a damaged tar: {error}") from error
        if set(parts) != _MEMBERS:
            raise self._something_else(names, parts)
        return parts

    def _elsewhere(self, name: str) -> CheckpointError:
        """A link, or a header that extends another: torch unpickles what it leads to."""
        error = CorruptCheckpointError(
            self._file.path,
            f"its {name!r} is a link, or has a name or a size in another header; torch wrote none",
            remedy="Do not load it: find out who made it, and get the file again.",
        )
        error.runs = (("tarfile.TarFile.extract", f"tarfile.TarFile.extract({name!r})"),)
        return error

    def _part(self, offset: int, nbytes: int) -> _Part:
        there = max(0, min(nbytes, self._file.nbytes - offset))
        self._end = max(self._end, offset + -(-nbytes // BLOCK_NBYTES) * BLOCK_NBYTES)
        source = FileSource(self._file.fd, there, self._file.start + offset)
        machine = PickleMachine(source, self._limits.within(there))
        self.machines.append(machine)
        return _Part(source, machine, is_cut=there < nbytes)

    def _something_else(self, names: list[str], parts: dict[str, _Part]) -> CheckpointError:
        if parts:
            missing = ", ".join(sorted(_MEMBERS - set(parts)))
            return TruncatedCheckpointError(
                self._file.path, f"an archive of torch before 0.1.10 without its {missing}"
            )
        for problem in odd_names(names):
            return CorruptCheckpointError(
                self._file.path, f"{problem.subject}: {problem.message}", remedy=problem.remedy
            )
        first = f" that holds {names[0]!r}" if names else ""
        return UnknownFormatError(
            self._file.path, f"not a checkpoint but a tar archive{first}: unpack it first"
        )

    # -- parts -----------------------------------------------------------------------------------

    def _run(self, part: _Part) -> Node:
        value, part.at = part.machine.run(part.at)
        return value

    def _salvage_storages(self, part: _Part) -> None:
        """All storages, or those before the cut."""
        try:
            self._read_storages(part)
        except (PickleTruncatedError, struct.error, ValueError):
            if not part.is_cut:
                raise

    def _read_storages(self, part: _Part) -> None:
        for _ in range(self._run(part)):
            node, _, storage_class = self._run(part)
            key = _key(node)
            dtype = class_dtype(storage_class)
            if dtype is None:
                if type(storage_class) is Instance:
                    raise _MadeUpError(spell(storage_class))
                raise TypeError("an unknown storage class")
            numel = struct.unpack("<q", part.source.read(part.at, 8))[0]
            nbytes = numel * dtype.itemsize
            part.at += 8
            if not 0 <= nbytes <= part.source.nbytes - part.at:
                raise ValueError("a storage larger than the file")
            ref = StorageRef(
                key=key, offset=(part.source.file_offset or 0) + part.at, nbytes=nbytes
            )
            self._storages[key] = Storage(ref, dtype)
            part.at += nbytes
        for target, root_key, first, numel in self._run(part):
            root = self._storages[_key(root_key)]
            if root.ref is None or first < 0 or numel < 0:
                raise ValueError("a view of nothing")
            size = root.dtype.itemsize
            ref = StorageRef(
                key=f"{root.ref.key}/{_key(target)}",
                offset=root.ref.offset + first * size,
                nbytes=min(numel * size, root.ref.nbytes - first * size),
            )
            self._storages[_key(target)] = Storage(ref, root.dtype)

    def _read_tensors(self, part: _Part, *, storages_are_cut: bool) -> None:
        for _ in range(self._run(part)):
            key, storage_key, tensor_class = self._run(part)
            storage = self._storages.get(_key(storage_key))
            if storage is None:
                dtype = _tensor_dtype(tensor_class) if storages_are_cut else None
                if dtype is None:
                    raise KeyError(storage_key)
                storage = Storage(None, dtype, lost=True)
            ndim = struct.unpack("<i", part.source.read(part.at, 4))[0]
            if not 0 <= ndim <= _MAX_DIMENSIONS:
                raise ValueError("a tensor of impossible dimensions")
            part.at += 8  # ndim was written as 8 bytes
            nbytes = 16 * ndim + 8
            values = struct.unpack(f"<{2 * ndim + 1}q", part.source.read(part.at, nbytes))
            part.at += nbytes
            shape, stride, offset = values[:ndim], values[ndim : 2 * ndim], values[-1]
            if min(values, default=0) < 0:
                raise ValueError("a tensor of negative size")
            self._tensors[_key(key)] = RawTensor(
                storage.dtype, shape, stride, offset, storage.ref, storage.lost
            )

    def _named(self, pid: Node) -> Storage | RawTensor | None:
        """What a persistent id stands for: a number is a tensor or a storage."""
        node = pid[0] if type(pid) is tuple and pid else pid
        key = str(node) if type(node) in (str, int) else ""
        return self._tensors.get(key) or self._storages.get(key)


def _tensor_dtype(tensor_class: Node) -> DType | None:
    """The element type of ``torch.FloatTensor`` and the like."""
    if type(tensor_class) is not GlobalRef:
        return None
    name = tensor_class.name.rpartition(".")[2]
    return STORAGE_CLASSES.get(f"{name.removesuffix('Tensor')}Storage")


def _key(node: Node) -> str:
    """The key of a storage or a tensor.

    Raises:
        TypeError: the node is none.
    """
    if type(node) not in (str, int):
        raise TypeError("a key that is no key")
    return str(node)
