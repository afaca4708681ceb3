"""The storages of torch files within a pickle, found beside those of the file itself."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace

from ckptdoctor.checkpoint import Problem, StorageRef
from ckptdoctor.finding import Severity
from ckptdoctor.formats.legacy_storages import LegacyStorages, storage_keys
from ckptdoctor.formats.pickle.inner import InnerFile
from ckptdoctor.formats.pickle.nodes import BytesRef, Node, unwrap
from ckptdoctor.formats.raw import (
    Inside,
    MalformedTensorError,
    RawTensor,
    Storage,
    StorageLookup,
    class_dtype,
)
from ckptdoctor.formats.zip.records import ZipDirectory, ZipRecord
from ckptdoctor.formats.zip.storages import ZipStorages, storage_ref

__all__ = ["InnerStorages"]

_MAX_PROBLEMS = 20


class InnerStorages:
    """Finds a storage, wherever it lies: a ``StorageLookup``.

    Args:
        files: the torch files within the pickle, by the id of their byte string.
        around: finds the storages of the file that holds the pickle.
        base: where the pickle's source lies in the file.
    """

    def __init__(
        self, files: Mapping[int, InnerFile], around: StorageLookup, base: int = 0
    ) -> None:
        self._base = base
        self._files = files
        self._around = around
        self._known: dict[int, Storage | MalformedTensorError] = {}
        self._problems: list[Problem] = []

    def __call__(self, what: Node) -> Storage | RawTensor | None:
        """The storage inside a byte string, or that a persistent id of the file names.

        Raises:
            MalformedTensorError: the byte string is no torch file with a storage.
        """
        if type(what) is not Inside:
            return self._around(what)
        file = self._files.get(id(what.data))
        if file is None:
            raise MalformedTensorError("bytes that were not read")
        found = self._known.get(id(what.data))
        if found is None:
            found = self._known[id(what.data)] = self._storage_or_why(file)
        if isinstance(found, MalformedTensorError):
            raise found
        return found

    def problems(self) -> list[Problem]:
        """What is wrong within the files beside their tensors; and files that no tensor is of."""
        for each, file in self._files.items():
            if each not in self._known and file.fault and not file.foreign:
                self._add("pickle", f"a file within the pickle cannot be read: {file.fault}")
        more = len(self._problems) - _MAX_PROBLEMS
        if more > 0:
            del self._problems[_MAX_PROBLEMS:]
            self._add("pickle", f"{more} more files within the pickle are damaged")
        return self._problems

    def _storage_or_why(self, file: InnerFile) -> Storage | MalformedTensorError:
        try:
            return self._storage(file)
        except MalformedTensorError as error:
            return error

    def _storage(self, file: InnerFile) -> Storage:
        if file.fault:
            raise MalformedTensorError(file.fault)
        if file.directory is not None:
            return _in_zip(file, file.directory)
        if file.text is not None:
            return self._spelled(file, file.text)
        keys = storage_keys(file.keys)
        if keys is None:
            raise MalformedTensorError("the list of storage keys is no list of keys")
        base = (file.source.file_offset or 0) + file.start
        storages = LegacyStorages(file.source, [file.pid], f"{base}:")
        end = storages.locate(keys, file.behind)
        if storages.problems:
            raise MalformedTensorError(storages.problems[0].message)
        storage = storages.storage(file.pid)
        if storage is None or storage.lost:
            raise MalformedTensorError("the file in it ends before the storage that it promises")
        if end is not None and end < file.source.nbytes:
            rest = file.source.nbytes - end
            self._add(
                f"storage {storage.ref.key if storage.ref else ''}",
                f"{rest} bytes follow it in its byte string",
                Severity.WARNING,
            )
        return storage

    def _spelled(self, file: InnerFile, text: BytesRef) -> Storage:
        """Of a file that is spelled as text: its bytes are decoded when they are measured."""
        dtype, numel = class_dtype(file.pid[1]), unwrap(file.pid[4])
        header = file.source.read(file.behind, 8)
        keys = storage_keys(file.keys)
        if dtype is None or keys != [str(unwrap(file.pid[2]))] or len(header) < 8:
            raise MalformedTensorError("its text spells no file of torch")
        if struct.unpack("<q", header)[0] != numel or type(numel) is not int or numel < 0:
            raise MalformedTensorError("its size is not the one that its pickle speaks of")
        before = len(file.source.read(0, file.behind + 8).decode("latin-1").encode())
        nbytes = numel * dtype.itemsize
        if nbytes > text.nbytes - before:
            raise MalformedTensorError("the file in it ends before the storage that it promises")
        ref = StorageRef(
            key=f"{self._base + text.offset}:{keys[0]}",
            offset=self._base + text.offset + before,
            nbytes=nbytes,
            text_nbytes=text.nbytes - before,
        )
        return Storage(ref, dtype)

    def _add(self, subject: str, message: str, severity: Severity = Severity.ERROR) -> None:
        self._problems.append(
            Problem(code="CD104", severity=severity, subject=subject, message=message)
        )


def _in_zip(file: InnerFile, directory: ZipDirectory) -> Storage:
    base = file.source.file_offset
    if base is None:
        raise MalformedTensorError("a zip archive that the pickle spells as text")
    start = base + file.start
    folder = next(r.name for r in directory.records if r.name.lower().endswith(".pkl"))
    prefix = folder.rpartition("/")[0]

    def record(name: str) -> ZipRecord | None:
        full = f"{prefix}/{name}" if prefix else name
        return next((r for r in directory.records if r.name == full), None)

    storage = ZipStorages(record, "data/", storage_ref).storage(file.pid)
    if storage is None or storage.ref is None:
        raise MalformedTensorError("the record of its storage is missing or short")
    if storage.ref.deflated_nbytes is not None:
        raise MalformedTensorError("the record of its storage is packed")
    ref = replace(storage.ref, key=f"{start}:{file.pid[2]}", offset=start + storage.ref.offset)
    return Storage(ref, storage.dtype)
