"""The storages of a zip checkpoint: from the persistent ids of its pickle to records.

Source: ``persistent_id`` in ``_save`` of ``torch/serialization.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ckptdoctor.checkpoint import Problem, StorageRef
from ckptdoctor.finding import Severity
from ckptdoctor.formats.pickle.nodes import Node, unwrap
from ckptdoctor.formats.raw import Storage, class_dtype, is_storage_id
from ckptdoctor.formats.zip.records import DEFLATED, ZipRecord

__all__ = ["ZipStorages", "is_storage_name", "parse_pid", "storage_ref"]

_MAX_PROBLEMS = 20
_FOLDERS = ("data", "constants", "tensors")


class ZipStorages:
    """Finds the record of a storage: ``("storage", class, key, location, numel)``."""

    def __init__(
        self,
        record: Callable[[str], ZipRecord | None],
        folder: str,
        ref_of: Callable[[ZipRecord], StorageRef],
    ) -> None:
        self._record = record
        self._folder = folder
        self._ref_of = ref_of
        self._known: dict[str, Storage] = {}
        self._missing: list[str] = []
        self._short: list[tuple[str, int, int]] = []
        self._long: list[tuple[str, int, int]] = []

    def storage(self, pid: Node) -> Storage | None:
        """The storage; lost where its record is missing or short."""
        if not is_storage_id(pid) or type(pid[2]) is not str:
            return None
        key = pid[2]
        dtype = class_dtype(pid[1])
        if dtype is None:
            return None
        known = self._known.get(key)
        if known is not None and known.dtype is dtype:
            return known
        record = self._record(self._folder + key)
        numel = unwrap(pid[4])
        if type(numel) is not int or numel < 0:
            return None
        storage = Storage(None, dtype, lost=True)
        if record is None:
            self._missing.append(key)
        else:
            needed = numel * dtype.itemsize
            if record.nbytes < needed:
                self._short.append((record.name, needed, record.nbytes))
            else:
                storage = Storage(self._ref_of(record), dtype)
                if record.nbytes >= needed + dtype.itemsize:
                    self._long.append((record.name, needed, record.nbytes))
        self._known[key] = storage
        return storage

    def problems(self, *, cut: bool) -> Iterator[Problem]:
        """What was missing, short, or longer than its storage.

        Args:
            cut: the file is, so that missing records were told already.
        """
        if self._missing and not cut:
            count = len(self._missing)
            these = (
                "the record of one storage is"
                if count == 1
                else f"the records of {count} storages are"
            )
            yield Problem(
                code="CD104",
                severity=Severity.ERROR,
                subject=self._folder + self._missing[0],
                message=f"{these} missing",
                evidence={"missing": count},
            )
        for name, needed, nbytes in self._short[:_MAX_PROBLEMS]:
            yield Problem(
                code="CD104",
                severity=Severity.ERROR,
                subject=name,
                message=f"the record holds {nbytes} bytes, its tensors need {needed}",
                evidence={"nbytes": nbytes, "needed_nbytes": needed},
            )
        for name, needed, nbytes in self._long[:_MAX_PROBLEMS]:
            yield Problem(
                code="CD104",
                severity=Severity.WARNING,
                subject=name,
                message=f"the record holds {nbytes} bytes, its storage only {needed}",
                evidence={"nbytes": nbytes, "needed_nbytes": needed},
            )


def is_storage_name(name: str) -> bool:
    """Whether a record has the name of a storage, which nobody unpickles."""
    folder, _, base = name.rpartition("/")
    return base.isdecimal() and folder.rpartition("/")[2] in _FOLDERS


def parse_pid(pid: Node) -> tuple[str, int, int] | None:
    """Key, bytes an element, and number of elements of a storage."""
    if not is_storage_id(pid):
        return None
    dtype, numel = class_dtype(pid[1]), unwrap(pid[4])
    if dtype is None or type(pid[2]) is not str or type(numel) is not int:
        return None
    return pid[2], dtype.itemsize, numel


def storage_ref(record: ZipRecord, start: int = 0, within: str = "") -> StorageRef:
    """The storage that a record holds.

    Args:
        record: as its archive counts.
        start: where the archive begins in the file.
        within: what is put before the name of the record, where the file holds many archives.
    """
    return StorageRef(
        key=within + record.name,
        offset=start + record.offset,
        nbytes=record.nbytes,
        crc32=record.crc32,
        deflated_nbytes=record.stored_nbytes if record.method == DEFLATED else None,
    )
