"""Checkpoints as torch has written them since 1.6, and TorchScript archives.

Both are zip archives with a folder that holds ``data.pkl`` and one record a storage.

Source: ``torch/serialization.py`` and ``caffe2/serialize/inline_container.cc`` of PyTorch.
"""

from __future__ import annotations

import posixpath
import zlib
from collections.abc import Iterable

from ckptdoctor.checkpoint import Checkpoint, Problem, StorageRef
from ckptdoctor.errors import (
    CorruptCheckpointError,
    LimitExceededError,
    TruncatedCheckpointError,
    UnknownFormatError,
    UnsupportedCheckpointError,
)
from ckptdoctor.finding import Severity
from ckptdoctor.formats.assemble import assemble
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle_nodes import (
    DictNode,
    Located,
    Node,
    PickleError,
    PickleLimitError,
    PickleTruncatedError,
    unwrap,
)
from ckptdoctor.formats.pickle_vm import PickleMachine, refuse_bytearrays
from ckptdoctor.formats.raw import Storage, class_dtype
from ckptdoctor.formats.source import ByteSource, FileSource, MemorySource
from ckptdoctor.formats.tree import Harvest, harvest
from ckptdoctor.formats.zip_directory import (
    DEFLATED,
    ZipDirectory,
    ZipRecord,
    read_directory,
    walk_headers,
)

__all__ = ["MAGIC", "locate", "read_torch_zip"]

MAGIC = b"PK\x03\x04"

_CHECKPOINT_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".tar", ".safetensors", ".jit", ".pkl")
_MAX_INFLATION = 1100  # deflate cannot do better than 1 : 1032


def read_torch_zip(file: OpenFile, limits: Limits) -> Checkpoint:
    """The checkpoint in a zip archive.

    Raises:
        UnknownFormatError: an archive of something else.
        TruncatedCheckpointError: cut before the end of ``data.pkl``.
        CorruptCheckpointError: ``data.pkl`` cannot be read.
        LimitExceededError: reading would cost more than the file explains.
    """
    return _Archive(file, limits).read()


def locate(file: OpenFile, limits: Limits) -> dict[str, Located]:
    """Where in the file the scalars of ``data.pkl`` stand; nothing where it is deflated.

    Raises:
        CheckpointError: as from :func:`read_torch_zip`.
    """
    return _Archive(file, limits, track_scalars=True).locate()


def saved(file: OpenFile, limits: Limits) -> tuple[Node, ByteSource, dict[str, StorageRef], str]:
    """The tree of ``data.pkl``, its bytes, the storages that are whole, and their byte order.

    Raises:
        UnsupportedCheckpointError: a TorchScript archive, which holds code beside its tensors.
        CheckpointError: as from :func:`read_torch_zip`.
    """
    return _Archive(file, limits).saved()


class _Archive:
    """One archive, its directory read or rescued."""

    def __init__(self, file: OpenFile, limits: Limits, *, track_scalars: bool = False) -> None:
        self._file = file
        self._limits = limits
        self._track_scalars = track_scalars
        self._source = FileSource(file.fd, file.nbytes)
        self.truncated = False
        self._machines: list[PickleMachine] = []
        directory = read_directory(self._source, limits)
        if directory is None:
            self.truncated = True
            directory = self._rescue()
        self._directory: ZipDirectory = directory
        self._prefix = self._find_prefix()
        self._by_name: dict[str, ZipRecord] = {}
        for record in directory.records:
            self._by_name.setdefault(record.name, record)

    # -- records ---------------------------------------------------------------------------------

    def record(self, name: str) -> ZipRecord | None:
        """The record of this name inside the archive's folder."""
        return self._by_name.get(self._prefix + name)

    def source_of(self, record: ZipRecord) -> ByteSource:
        """The plain bytes of a record: in place where stored, in memory where deflated."""
        if record.method != DEFLATED:
            return FileSource(self._file.fd, record.stored_nbytes, record.offset)
        plausible = record.nbytes <= record.stored_nbytes * _MAX_INFLATION + 64
        held = max(record.nbytes, record.stored_nbytes)
        if not plausible or held > self._limits.metadata_nbytes:
            raise LimitExceededError(
                self._file.path,
                f"{record.name!r} claims to inflate to {record.nbytes} bytes",
                offset=record.offset,
            )
        packed = self._source.read(record.offset, record.stored_nbytes)
        try:
            plain = zlib.decompressobj(-15).decompress(packed, max(1, record.nbytes))
        except zlib.error as error:
            raise CorruptCheckpointError(
                self._file.path,
                f"{record.name!r} cannot be inflated: {error}",
                offset=record.offset,
            ) from error
        return MemorySource(plain)

    def _find_prefix(self) -> str:
        """The folder that holds ``data.pkl``, with its slash; "" where it lies at the top."""
        for record in self._directory.records:
            folder, name = posixpath.split(record.name)
            if name == "data.pkl" and not folder.startswith("__MACOSX"):
                return f"{folder}/" if folder else ""
        if self.truncated:
            raise TruncatedCheckpointError(
                self._file.path,
                "the file ends inside its pickle, before the first tensor",
                remedy="Copy it again from where it was written, or use an earlier checkpoint.",
            )
        raise UnknownFormatError(self._file.path, *self._something_else())

    def _something_else(self) -> tuple[str]:
        names = [record.name for record in self._directory.records]
        inside = [name for name in names if name.lower().endswith(_CHECKPOINT_SUFFIXES)]
        if inside:
            return (
                f"not a checkpoint but a zip archive that holds {inside[0]!r}: unpack it first",
            )
        if names and all(name.endswith(".npy") for name in names):
            return ("not a checkpoint but a numpy .npz archive",)
        if any(name.endswith("archive_format") for name in names):
            return ("not a training checkpoint but a torch.export archive (.pt2)",)
        first = f", the first being {names[0]!r}" if names else ""
        return (f"not a checkpoint but a zip archive of {len(names)} other records{first}",)

    # -- reading ---------------------------------------------------------------------------------

    def read(self) -> Checkpoint:
        """The checkpoint."""
        constants = self.record("constants.pkl")
        found = self._unpickle(self._by_name[f"{self._prefix}data.pkl"], "data/")
        if constants is not None:
            extra = self._unpickle(constants, "constants/", wrap="constants")
            found.tensors += extra.tensors
            found.scalars.update(extra.scalars)
            found.problems += extra.problems
        byteorder = self._byteorder()
        problems = list(self._directory.problems)
        if self.truncated:
            problems.insert(0, self._truncation(found))
        return assemble(
            self._file,
            "torchscript" if constants is not None else "torch-zip",
            found,
            self._machines,
            problems=problems,
            records=tuple(_storage_ref(record) for record in self._directory.records),
            byteorder=byteorder,
        )

    def locate(self) -> dict[str, Located]:
        """The scalars of ``data.pkl`` with their place in the file."""
        record = self._by_name[f"{self._prefix}data.pkl"]
        if record.method == DEFLATED:
            return {}
        located = self._unpickle(record, "data/").located
        return {
            path: Located(node.value, record.offset + node.offset, node.nbytes)
            for path, node in located.items()
        }

    def saved(self) -> tuple[Node, ByteSource, dict[str, StorageRef], str]:
        """The tree, its bytes, and the storages."""
        if self.record("constants.pkl") is not None:
            raise UnsupportedCheckpointError(
                self._file.path, "a TorchScript archive, which is copied but not edited"
            )
        record = self._by_name[f"{self._prefix}data.pkl"]
        source = self.source_of(record)
        machine = PickleMachine(source, self._limits)
        try:
            root, _ = machine.run()
        except PickleError as error:
            raise self._error(error, record) from error
        refuse_bytearrays(self._file.path, machine)
        lookup = _Lookup(self, "data/")
        storages = {}
        for pid in machine.persistent_ids:
            storage = lookup.storage(pid)
            if storage is not None and storage.ref is not None:
                storages[pid[2]] = storage.ref
        return root, source, storages, self._byteorder()

    def _byteorder(self) -> str:
        record = self.record("byteorder")
        if record is None or record.nbytes > 16:
            return "little"
        return "big" if self.source_of(record).read(0, 16) == b"big" else "little"

    def _unpickle(self, record: ZipRecord, folder: str, wrap: str = "") -> Harvest:
        source = self.source_of(record)
        machine = PickleMachine(source, self._limits, track_scalars=self._track_scalars)
        try:
            root, end = machine.run()
        except PickleError as error:
            raise self._error(error, record) from error
        self._machines.append(machine)
        lookup = _Lookup(self, folder)
        found = harvest(
            DictNode([(wrap, root)]) if wrap else root, lookup.storage, source, self._limits
        )
        found.problems += lookup.problems()
        if end < source.nbytes:
            found.problems.append(
                Problem(
                    code="CD104",
                    severity=Severity.WARNING,
                    subject=record.name,
                    message=f"{source.nbytes - end} bytes follow the end of the pickle",
                    evidence={"nbytes": source.nbytes - end},
                )
            )
        return found

    def _error(
        self, error: PickleError, record: ZipRecord
    ) -> CorruptCheckpointError | LimitExceededError | TruncatedCheckpointError:
        kind: type[CorruptCheckpointError | LimitExceededError | TruncatedCheckpointError]
        if isinstance(error, PickleLimitError):
            kind = LimitExceededError
        elif isinstance(error, PickleTruncatedError) and self.truncated:
            kind = TruncatedCheckpointError
        else:
            kind = CorruptCheckpointError
        offset = record.offset + error.offset if record.method != DEFLATED else record.offset
        return kind(
            self._file.path,
            f"{record.name}: {error.message}",
            offset=offset,
            remedy="Use an earlier checkpoint: ckptdoctor scan lists them.",
        )

    # -- salvage ---------------------------------------------------------------------------------

    def _rescue(self) -> ZipDirectory:
        """The whole records of a file that lost its end, by their local headers.

        The header of a storage does not tell its size; the pickle, which comes first, does.
        """
        sizes: dict[str, int] = {}

        def size_of(name: str, offset: int) -> int | None:
            folder, _, base = name.rpartition("/")
            if base == "data.pkl":
                source = FileSource(self._file.fd, self._file.nbytes - offset, file_offset=offset)
                machine = PickleMachine(source, self._limits)
                try:
                    _, end = machine.run()
                except PickleError:
                    return None
                for pid in machine.persistent_ids:
                    parsed = _parse_pid(pid)
                    if parsed is not None:
                        key, dtype_nbytes, numel = parsed
                        sizes[f"{folder}/data/{key}" if folder else f"data/{key}"] = (
                            dtype_nbytes * numel
                        )
                return end
            return sizes.get(name)

        return walk_headers(self._source, size_of)

    def _truncation(self, found: Harvest) -> Problem:
        lost = [tensor.fqn for tensor in found.tensors if tensor.lost]
        whole = len(found.tensors) - len(lost)
        return Problem(
            code="CD102",
            severity=Severity.ERROR,
            subject="file",
            message=f"the file is cut: {whole} of {len(found.tensors)} tensors are whole",
            evidence={"whole": whole, "lost": len(lost), "first_lost": lost[0] if lost else None},
            remedy="Copy it again from where it was written; if that file is cut too, use another.",
        )


class _Lookup:
    """Finds the record of a storage: ``("storage", class, key, location, numel)``."""

    def __init__(self, archive: _Archive, folder: str) -> None:
        self._archive = archive
        self._folder = folder
        self._known: dict[str, Storage] = {}
        self._missing: list[str] = []
        self._short: list[tuple[str, int, int]] = []

    def storage(self, pid: Node) -> Storage | None:
        """The storage; lost where its record is missing or short."""
        if type(pid) is not tuple or len(pid) < 5 or type(pid[2]) is not str:
            return None
        key = pid[2]
        dtype = class_dtype(pid[1])
        if dtype is None:
            return None
        known = self._known.get(key)
        if known is not None and known.dtype is dtype:
            return known
        record = self._archive.record(self._folder + key)
        numel = unwrap(pid[4])
        if type(numel) is not int:
            return None
        storage = Storage(None, dtype, lost=True)
        if record is None:
            self._missing.append(key)
        else:
            needed = numel * dtype.itemsize
            if record.nbytes < needed:
                self._short.append((record.name, needed, record.nbytes))
            else:
                storage = Storage(_storage_ref(record), dtype)
        self._known[key] = storage
        return storage

    def problems(self) -> Iterable[Problem]:
        """What was missing or short."""
        if self._missing and not self._archive.truncated:
            yield Problem(
                code="CD104",
                severity=Severity.ERROR,
                subject=self._folder + self._missing[0],
                message=f"the records of {len(self._missing)} storages are missing",
                evidence={"missing": len(self._missing)},
            )
        for name, needed, nbytes in self._short[:20]:
            yield Problem(
                code="CD104",
                severity=Severity.ERROR,
                subject=name,
                message=f"the record holds {nbytes} bytes, its tensors need {needed}",
                evidence={"nbytes": nbytes, "needed_nbytes": needed},
            )


def _parse_pid(pid: Node) -> tuple[str, int, int] | None:
    """Key, bytes an element, and number of elements of a storage."""
    if type(pid) is not tuple or len(pid) < 5:
        return None
    dtype, numel = class_dtype(pid[1]), unwrap(pid[4])
    if dtype is None or type(pid[2]) is not str or type(numel) is not int:
        return None
    return pid[2], dtype.itemsize, numel


def _storage_ref(record: ZipRecord) -> StorageRef:
    return StorageRef(
        key=record.name,
        offset=record.offset,
        nbytes=record.nbytes,
        crc32=record.crc32,
        deflated_nbytes=record.stored_nbytes if record.method == DEFLATED else None,
    )
