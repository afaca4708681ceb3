"""Checkpoints as torch wrote them before 0.1.10: a tar of ``storages``, ``tensors`` and ``pickle``.

Source: ``legacy_load`` inside ``_legacy_load`` in ``torch/serialization.py``.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

from ckptdoctor.checkpoint import Checkpoint, StorageRef
from ckptdoctor.errors import (
    CheckpointError,
    CorruptCheckpointError,
    LimitExceededError,
    TruncatedCheckpointError,
    UnknownFormatError,
)
from ckptdoctor.formats.assemble import assemble
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.pickle_nodes import Node, PickleError, PickleLimitError
from ckptdoctor.formats.pickle_vm import PickleMachine
from ckptdoctor.formats.raw import RawTensor, Storage, class_dtype
from ckptdoctor.formats.source import FileSource
from ckptdoctor.formats.stray_pickles import code_behind
from ckptdoctor.formats.tree import harvest

__all__ = ["is_tar", "read_torch_tar"]

_MEMBERS = frozenset({"storages", "tensors", "pickle"})
_MAX_MEMBERS = 10_000
_MAX_DIMENSIONS = 64


def is_tar(head: bytes) -> bool:
    """Whether the first 512 bytes are the header of a tar archive, by its checksum."""
    if len(head) < 512 or head[:1] == b"\0":
        return False
    try:
        claimed = int(head[148:156].strip(b"\0 ") or b"-1", 8)
    except ValueError:
        return False
    return claimed == sum(head[:148]) + 8 * ord(" ") + sum(head[156:512])


def read_torch_tar(file: OpenFile, limits: Limits) -> Checkpoint:
    """The checkpoint in a tar archive.

    Raises:
        UnknownFormatError: an archive of something else.
        CheckpointError: one of its parts cannot be read.
    """
    return _Tar(file, limits).read()


@dataclass(slots=True)
class _Part:
    """A member of the archive and the machine that reads the pickles in it."""

    source: FileSource
    machine: PickleMachine
    at: int = 0


class _Tar:
    def __init__(self, file: OpenFile, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._storages: dict[str, Storage] = {}
        self._tensors: dict[str, RawTensor] = {}

    def read(self) -> Checkpoint:
        """The checkpoint."""
        parts = self._parts()
        try:
            self._read_storages(parts["storages"])
            self._read_tensors(parts["tensors"])
            root, _ = parts["pickle"].machine.run()
        except PickleLimitError as error:
            raise LimitExceededError(self._file.path, error.message) from error
        except PickleError as error:
            raise CorruptCheckpointError(self._file.path, error.message) from error
        except (struct.error, IndexError, TypeError, ValueError, KeyError) as error:
            raise CorruptCheckpointError(
                self._file.path, "its storages or tensors are not as torch wrote them"
            ) from error
        source = parts["pickle"].source
        found = harvest(root, self._named, source, self._limits)
        refs = {s.ref.key: s.ref for s in self._storages.values() if s.ref is not None}
        machines = [part.machine for part in parts.values()]
        machines += code_behind(FileSource(self._file.fd, self._file.nbytes), 0, self._limits)
        return assemble(self._file, "torch-tar", found, machines, records=tuple(refs.values()))

    def _parts(self) -> dict[str, _Part]:
        import tarfile  # with bz2 and lzma in tow: for the rare file that needs it

        names: list[str] = []
        parts: dict[str, _Part] = {}
        try:
            with (
                io.FileIO(self._file.fd, "rb", closefd=False) as raw,
                tarfile.open(fileobj=raw, mode="r:") as archive,
            ):
                for _ in range(_MAX_MEMBERS):
                    member = archive.next()
                    if member is None:
                        break
                    names.append(member.name)
                    if member.name in _MEMBERS and member.isreg():
                        source = FileSource(self._file.fd, member.size, member.offset_data)
                        parts[member.name] = _Part(source, PickleMachine(source, self._limits))
        except tarfile.ReadError as error:
            if not parts and not names:
                raise UnknownFormatError(
                    self._file.path, f"not a checkpoint: a damaged tar archive ({error})"
                ) from error
        except (tarfile.TarError, OverflowError, ValueError) as error:
            raise CorruptCheckpointError(self._file.path, f"a damaged tar: {error}") from error
        if set(parts) != _MEMBERS:
            raise self._something_else(names, parts)
        return parts

    def _something_else(self, names: list[str], parts: dict[str, _Part]) -> CheckpointError:
        if parts:
            missing = ", ".join(sorted(_MEMBERS - set(parts)))
            return TruncatedCheckpointError(
                self._file.path, f"an archive of torch before 0.1.10 without its {missing}"
            )
        first = f" that holds {names[0]!r}" if names else ""
        return UnknownFormatError(
            self._file.path, f"not a checkpoint but a tar archive{first}: unpack it first"
        )

    # -- parts -----------------------------------------------------------------------------------

    def _run(self, part: _Part) -> Node:
        value, part.at = part.machine.run(part.at)
        return value

    def _read_storages(self, part: _Part) -> None:
        for _ in range(self._run(part)):
            node, _, storage_class = self._run(part)
            key = _key(node)
            dtype = class_dtype(storage_class)
            if dtype is None:
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

    def _read_tensors(self, part: _Part) -> None:
        for _ in range(self._run(part)):
            key, storage_key, _ = self._run(part)
            storage = self._storages[_key(storage_key)]
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
            self._tensors[_key(key)] = RawTensor(storage.dtype, shape, stride, offset, storage.ref)

    def _named(self, pid: Node) -> Storage | RawTensor | None:
        """What a persistent id stands for: a number is a tensor or a storage."""
        node = pid[0] if type(pid) is tuple and pid else pid
        key = str(node) if type(node) in (str, int) else ""
        return self._tensors.get(key) or self._storages.get(key)


def _key(node: Node) -> str:
    """The key of a storage or a tensor.

    Raises:
        TypeError: the node is none.
    """
    if type(node) not in (str, int):
        raise TypeError("a key that is no key")
    return str(node)
