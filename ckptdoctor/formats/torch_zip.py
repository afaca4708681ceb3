"""Checkpoints as torch has written them since 1.6, and TorchScript archives.

Both are zip archives with a folder that holds ``data.pkl`` and one record a storage.

Source: ``torch/serialization.py`` and ``caffe2/serialize/inline_container.cc`` of PyTorch.
"""

from __future__ import annotations

import contextlib
import posixpath
from dataclasses import replace

from ckptdoctor.checkpoint import Checkpoint, Problem, Role, StorageRef
from ckptdoctor.errors import (
    CheckpointError,
    CorruptCheckpointError,
    LimitExceededError,
    TruncatedCheckpointError,
    UnknownFormatError,
    UnsupportedCheckpointError,
)
from ckptdoctor.finding import Severity
from ckptdoctor.formats.assemble import assemble, refuse_single_value
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.member_names import DO_NOT_UNPACK
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle.machine import PickleMachine, refuse_bytearrays
from ckptdoctor.formats.pickle.nodes import (
    DictNode,
    Located,
    Node,
    PickleError,
    PickleLimitError,
    PickleTruncatedError,
)
from ckptdoctor.formats.pickle.stray import Strays, code_behind, telling
from ckptdoctor.formats.sniff import describe_zip
from ckptdoctor.formats.source import ByteSource, PartSource
from ckptdoctor.formats.torch_script import Programs
from ckptdoctor.formats.tree import PLAIN, Harvest, harvest
from ckptdoctor.formats.zip.byteorder import byteorder_of
from ckptdoctor.formats.zip.directory import read_directory
from ckptdoctor.formats.zip.members import start_of
from ckptdoctor.formats.zip.one_bit_off import remedy_of_headers, remedy_of_record, with_remedy
from ckptdoctor.formats.zip.others import other_pickles
from ckptdoctor.formats.zip.plain import plain_source
from ckptdoctor.formats.zip.records import DEFLATED, ZipDirectory, ZipRecord
from ckptdoctor.formats.zip.salvage import walk_headers
from ckptdoctor.formats.zip.storages import ZipStorages, is_storage_name, parse_pid, storage_ref

__all__ = ["MAGIC", "locate", "read_object_in_zip", "read_torch_zip"]

MAGIC = b"PK\x03\x04"

_OPCODES_A_DEFLATED_BYTE = 4  # 20,000 layers with names that are much alike take 1.4
_SPARE_OPCODES = 1 << 20


def read_torch_zip(file: OpenFile, limits: Limits, *, takes_value: bool = False) -> Checkpoint:
    """The checkpoint in a zip archive.

    Args:
        file: the archive.
        limits: bounds on the work.
        takes_value: whether it may hold a single number or text, which is then called ``value``.

    Raises:
        UnknownFormatError: an archive of something else.
        TruncatedCheckpointError: cut before the end of ``data.pkl``.
        CorruptCheckpointError: ``data.pkl`` cannot be read.
        LimitExceededError: reading would cost more than the file explains.
    """
    archive = _Archive(file, limits, takes_value=takes_value)
    with telling(archive.machines):
        return archive.read()


def read_object_in_zip(file: OpenFile, limits: Limits, name: str, role: Role | None) -> Checkpoint:
    """As :func:`read_torch_zip`, for an archive of one object, which may be a single value.

    Args:
        file: the archive; a window where it lies in another file.
        limits: bounds on the work.
        name: what the object is called.
        role: of its tensors; None to go by their names.

    Raises:
        CheckpointError: as from :func:`read_torch_zip`.
    """
    archive = _Archive(file, limits, name=name, role=role)
    with telling(archive.machines):
        return archive.read()


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

    def __init__(
        self,
        file: OpenFile,
        limits: Limits,
        *,
        name: str = "",
        role: Role | None = None,
        takes_value: bool = False,
        track_scalars: bool = False,
    ) -> None:
        self._file = file
        self._name = name
        self._role = role
        self._takes_value = takes_value
        self._refs: dict[ZipRecord, StorageRef] = {}
        self.machines: list[PickleMachine] = []
        self._limits = limits
        self._track_scalars = track_scalars
        self._source = file.source
        directory = read_directory(self._source, limits)
        self.truncated = directory is None
        with telling(self.machines):
            self._directory = directory or self._rescue()
            self._run_cut_pickle(self._directory.cut)
            self._prefix = self._find_prefix()
        self._by_name: dict[str, ZipRecord] = {}
        for record in self._directory.records:
            self._by_name.setdefault(record.name, record)

    # -- records ---------------------------------------------------------------------------------

    def record(self, name: str) -> ZipRecord | None:
        """The record of this name inside the archive's folder."""
        return self._by_name.get(self._prefix + name)

    def _ref_of(self, record: ZipRecord) -> StorageRef:
        known = self._refs.get(record)
        if known is None:
            within = f"{self._name}: " if self._name else ""
            known = storage_ref(record, self._file.start, within)
            if self._file.is_packed:
                plain = self.source_of(record)
                inline = plain.read(0, plain.nbytes)
                known = replace(known, inline=inline, offset=0, deflated_nbytes=None)
            self._refs[record] = known
        return known

    def source_of(self, record: ZipRecord) -> ByteSource:
        """The plain bytes of a record: in place where stored, in memory where deflated."""
        try:
            return plain_source(self._file.path, self._source, record, self._limits)
        except CorruptCheckpointError as error:
            raise with_remedy(error, self._file, record) from error

    def _limits_of(self, record: ZipRecord) -> Limits:
        """What a pickle may cost: its own size tells, not that of the file around it."""
        nbytes = record.stored_nbytes
        if record.method == DEFLATED:
            nbytes = max(_SPARE_OPCODES, _OPCODES_A_DEFLATED_BYTE * nbytes)
        return self._limits.within(nbytes)

    def _find_prefix(self) -> str:
        """The folder that holds ``data.pkl``, with its slash; "" where it lies at the top.

        Where several do, that of the first record: so torch chooses.
        """
        records = self._directory.records
        folders = [
            folder
            for folder, name in (posixpath.split(record.name) for record in records)
            if name == "data.pkl" and not folder.startswith("__MACOSX")
        ]
        if folders:
            first = records[0].name.partition("/")[0]
            chosen = first if first in folders else folders[0]
            for other in dict.fromkeys(folders):
                if other != chosen:
                    self._directory.add_problem(
                        "CD104",
                        f"{other}/data.pkl",
                        f"a second pickle, beside that in {chosen!r}, which torch reads",
                    )
            return f"{chosen}/" if chosen else ""
        if self.truncated:
            raise TruncatedCheckpointError(
                self._file.path,
                "the file ends inside its pickle, before the first tensor",
                remedy=remedy_of_headers(self._file)
                or "Copy it again from where it was written, or use an earlier checkpoint.",
            )
        raise self._stranger()

    def _stranger(self) -> CheckpointError:
        """Why there is no pickle to read: another kind of archive, or one that hides its pickle."""
        for problem in self._directory.problems:
            hidden = problem.subject.endswith("data.pkl") or not self._directory.records
            if hidden or problem.remedy == DO_NOT_UNPACK:
                says = f"{problem.subject}: {problem.message}"
                remedy = problem.remedy or remedy_of_headers(self._file)
                return CorruptCheckpointError(self._file.path, says, remedy=remedy)
        what, remedy = describe_zip([record.name for record in self._directory.records])
        return UnknownFormatError(self._file.path, f"not a checkpoint but {what}", remedy=remedy)

    # -- reading ---------------------------------------------------------------------------------

    def read(self) -> Checkpoint:
        """The checkpoint."""
        constants = self.record("constants.pkl")
        found = self._unpickle(self._by_name[f"{self._prefix}data.pkl"], "data/", wrap=self._name)
        if constants is not None:
            extra = self._unpickle(constants, "constants/", wrap="constants")
            found.tensors += extra.tensors
            found.scalars.update(extra.scalars)
            found.problems += extra.problems
        if self._role is not None:
            found.tensors = [replace(tensor, role=self._role) for tensor in found.tensors]
        byteorder = byteorder_of(self._directory, self.record, self.source_of)
        strays, programs = self._other_pickles(), Programs(self._directory.records, self._prefix)
        self.machines += strays.code
        problems = [*self._told(), *strays.problems(), *programs.problems()]
        if self.truncated:
            problems.insert(0, self._truncation(found))
        return assemble(
            self._file,
            "torchscript" if constants is not None else "torch-zip",
            found,
            self.machines,
            problems=problems,
            records=tuple(map(self._ref_of, self._directory.records)),
            byteorder=byteorder,
            calls=programs.calls(self.source_of),
        )

    def _told(self) -> list[Problem]:
        """What is wrong with the directory, and what to do where that is one bit."""
        problems = self._directory.problems
        worst = next((p for p in problems if p.severity is Severity.ERROR and not p.remedy), None)
        remedy = remedy_of_headers(self._file) if worst is not None else ""
        if not remedy:
            return problems
        return [replace(one, remedy=remedy) if one is worst else one for one in problems]

    def _other_pickles(self) -> Strays:
        """What names code in records that another reader may take for the pickle."""
        read = (self.record("data.pkl"), self.record("constants.pkl"))
        cut = self._directory.cut
        records = [*self._directory.records, *([] if cut is None else [cut])]
        others = [each for each in records if each not in read and not is_storage_name(each.name)]
        return other_pickles(self._source, others, self._limits)

    def locate(self) -> dict[str, Located]:
        """The scalars of ``data.pkl`` with their place in the file."""
        record = self._by_name[f"{self._prefix}data.pkl"]
        if record.method == DEFLATED:
            return {}
        located = self._unpickle(record, "data/").located
        return {
            path: Located(node.value, self._file.start + record.offset + node.offset, node.nbytes)
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
        machine = PickleMachine(source, self._limits_of(record))
        try:
            root, _ = machine.run()
        except PickleError as error:
            raise self._error(error, record) from error
        refuse_bytearrays(self._file.path, machine)
        lookup = ZipStorages(self.record, "data/", self._ref_of)
        storages = {}
        for pid in machine.persistent_ids:
            storage = lookup.storage(pid)
            if storage is not None and storage.ref is not None:
                storages[pid[2]] = storage.ref
        return root, source, storages, byteorder_of(self._directory, self.record, self.source_of)

    def _unpickle(self, record: ZipRecord, folder: str, wrap: str = "") -> Harvest:
        source = self.source_of(record)
        limits = self._limits_of(record)
        machine = PickleMachine(source, limits, track_scalars=self._track_scalars)
        self.machines.append(machine)
        try:
            root, end = machine.run()
        except PickleError as error:
            raise self._error(error, record) from error
        if not wrap and self._takes_value and type(root) in PLAIN:
            wrap = "value"
        elif not wrap:
            refuse_single_value(self._file.path, root)
        lookup = ZipStorages(self.record, folder, self._ref_of)
        named = DictNode([(wrap, root)]) if wrap else root
        found = harvest(named, lookup.storage, source, limits, machine.loading.files)
        found.problems += lookup.problems(cut=self.truncated)
        if end < source.nbytes:
            self.machines += code_behind(source, end, limits)
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
        offset = self._file.start + record.offset
        offset += error.offset if record.method != DEFLATED else 0
        return kind(
            self._file.path,
            f"{record.name}: {error.message}",
            offset=offset,
            remedy=remedy_of_record(self._file, record)
            or "Use an earlier checkpoint: ckptdoctor scan lists them.",
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
                source = PartSource(self._source, offset, self._source.nbytes - offset)
                machine = PickleMachine(source, self._limits)
                try:
                    _, end = machine.run()
                except PickleError:  # run again, and kept, as the record that is cut
                    return None
                for pid in machine.persistent_ids:
                    parsed = parse_pid(pid)
                    if parsed is not None:
                        key, dtype_nbytes, numel = parsed
                        sizes[f"{folder}/data/{key}" if folder else f"data/{key}"] = (
                            dtype_nbytes * numel
                        )
                return end
            return sizes.get(name)

        return walk_headers(self._source, size_of)

    def _run_cut_pickle(self, cut: ZipRecord | None) -> None:
        """See what is named by a pickle in which the file ends."""
        if cut is not None and posixpath.basename(cut.name) == "data.pkl":
            self.machines.append(PickleMachine(start_of(self._source, cut), self._limits_of(cut)))
            with contextlib.suppress(PickleError):
                self.machines[-1].run()

    def _truncation(self, found: Harvest) -> Problem:
        lost = [tensor.fqn for tensor in found.tensors if tensor.lost]
        whole = len(found.tensors) - len(lost)
        return Problem(
            code="CD102",
            severity=Severity.ERROR,
            subject="file",
            message=f"the file is cut: {whole} of {len(found.tensors)} tensors are whole",
            evidence={"whole": whole, "lost": len(lost), "first_lost": lost[0] if lost else None},
            remedy=remedy_of_headers(self._file)
            or "Copy it again from where it was written; if that file is cut too, use another.",
        )
