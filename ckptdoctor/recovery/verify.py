"""Reading back what was written: the copy equals its source, but for what was changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from ckptdoctor.checkpoint import Checkpoint, Scalar, StorageRef, TensorRecord
from ckptdoctor.diagnose import Examination, examine
from ckptdoctor.errors import RestoreError
from ckptdoctor.finding import Severity
from ckptdoctor.formats.open_file import OpenFile, opened
from ckptdoctor.recovery.average import compare_means
from ckptdoctor.recovery.draft import Draft, storage_key
from ckptdoctor.report import CheckpointReport
from ckptdoctor.scanning.elements import storage_bytes
from ckptdoctor.scanning.plan import Extent
from ckptdoctor.sources.descriptors import pread

__all__ = ["compare_draft", "verify_copy", "verify_draft"]

_CHUNK_NBYTES = 1 << 22


def verify_copy(file: OpenFile, out: IO[bytes], report: CheckpointReport) -> None:
    """Compare a copy with its source, byte by byte.

    Raises:
        RestoreError: they differ.
    """
    fd, nbytes = out.fileno(), report.nbytes
    if os.fstat(fd).st_size != nbytes or not _equal(file.fd, 0, fd, 0, nbytes):
        raise RestoreError(f"the copy differs from {report.path}: the source changed meanwhile")


def verify_draft(draft: Draft, path: Path, jobs: int | None) -> Checkpoint:
    """Read a changed checkpoint back, scan it, and compare all that was to stay with the source.

    Returns:
        The checkpoint as it was read back.

    Raises:
        RestoreError: something in it is not as it must be.
    """
    (report,) = examine([path], Examination(jobs=jobs, keep_details=True)).checkpoints
    bad = [finding for finding in report.findings if finding.severity is Severity.ERROR]
    if report.checkpoint is None or bad:
        what = f"{bad[0].code} {bad[0].subject}: {bad[0].message}" if bad else "it cannot be read"
        raise RestoreError(f"what was written is not sound, and was not kept: {what}")
    with opened(path) as copy:
        compare_draft(draft, report.checkpoint, copy.fd)
    return report.checkpoint


def compare_draft(draft: Draft, written: Checkpoint, fd: int) -> None:
    """Compare all that was to stay with the source, and what is a mean with its sources.

    Args:
        draft: what was written.
        written: as it was read back.
        fd: of the file that was written.

    Raises:
        RestoreError: something in it is not as it must be.
    """
    source = {tensor.fqn: tensor for tensor in draft.checkpoint.tensors}
    touched = draft.touched
    bytes_of = _Bytes(draft, fd)
    for tensor in written.tensors:
        name = draft.renamed.get(tensor.fqn, tensor.fqn)
        if _is_touched(name, touched):
            continue
        before = source.get(name)
        if before is None or not _same_view(before, tensor):
            raise RestoreError(f"verification failed: {tensor.fqn} is not what it was")
        if not bytes_of.are_same(before, tensor):
            raise RestoreError(f"verification failed: the bytes of {tensor.fqn} differ")
    names = {draft.renamed.get(tensor.fqn, tensor.fqn) for tensor in written.tensors}
    for tensor in draft.checkpoint.tensors:
        if tensor.fqn not in names and not _is_touched(tensor.fqn, touched):
            raise RestoreError(f"verification failed: {tensor.fqn} is missing")
    for name, value in draft.checkpoint.scalars.items():
        if not _is_touched(name, touched) and not _same(written.scalars.get(name), value):
            raise RestoreError(f"verification failed: {name} is not what it was")
    compare_means(draft, written, fd)


def _is_touched(name: str, touched: set[str]) -> bool:
    """Whether a name, or what it stands below, was changed."""
    while name:
        if name in touched:
            return True
        name = name.rpartition(".")[0]
    return False


def _same_view(before: TensorRecord, after: TensorRecord) -> bool:
    return (before.dtype, before.shape, before.stride, before.storage_offset) == (
        after.dtype,
        after.shape,
        after.stride,
        after.storage_offset,
    )


def _same(one: Scalar, other: Scalar) -> bool:
    return type(one) is type(other) and (one == other or (one != one and other != other))  # noqa: PLR0124


def _same_bytes(fd: int, before: StorageRef, copy_fd: int, after: StorageRef) -> bool:
    if before.nbytes != after.nbytes:
        return False
    if _is_encoded(before) or _is_encoded(after):
        return storage_bytes(fd, before) == storage_bytes(copy_fd, after)
    return _equal(fd, before.offset, copy_fd, after.offset, before.nbytes)


class _Bytes:
    """The bytes of two files, each storage compared once.

    A storage in which another tensor was changed is compared where the tensor lies in it.
    """

    def __init__(self, draft: Draft, fd: int) -> None:
        self._draft = draft
        self._fd = fd
        self._compared: set[tuple[str, int]] = set()

    def are_same(self, before: TensorRecord, after: TensorRecord) -> bool:
        """Whether a tensor that was not changed has the bytes that it had."""
        own, other, fd = before.storage, after.storage, self._draft.file.fd
        if own is None or other is None:
            return True
        plain = own.is_plain and Extent.of(before).dense
        if plain and storage_key(before) in self._draft.patches:
            return _same_elements(fd, before, self._fd, after)
        where = (other.key, other.offset)
        if where in self._compared and other.inline is None:
            return True
        self._compared.add(where)
        return _same_bytes(fd, own, self._fd, other)


def _same_elements(fd: int, before: TensorRecord, copy_fd: int, after: TensorRecord) -> bool:
    """Whether the bytes of two tensors of one shape are equal, whatever lies beside them."""
    own, other = before.storage, after.storage
    if own is None or other is None or not other.is_plain:
        return False
    extent = Extent.of(before)
    start = other.offset + extent.start
    return _equal(fd, own.offset + extent.start, copy_fd, start, extent.nbytes)


def _is_encoded(ref: StorageRef) -> bool:
    return not ref.is_plain


def _equal(fd: int, offset: int, other_fd: int, other_offset: int, nbytes: int) -> bool:
    for start in range(0, nbytes, _CHUNK_NBYTES):
        size = min(_CHUNK_NBYTES, nbytes - start)
        if pread(fd, size, offset + start) != pread(other_fd, size, other_offset + start):
            return False
    return True
