"""Where the zeros begin that a file ends with, if its last bytes are those of tensors."""

from __future__ import annotations

from ckptdoctor.checkpoint import Checkpoint, ZeroTail
from ckptdoctor.sources.descriptors import pread

__all__ = ["find_zero_tail"]

_FIRST_NBYTES = 4096  # all that is read of a file which ends with anything else
_MOST_NBYTES = 1 << 22
_BEFORE_NBYTES = 4096


def find_zero_tail(checkpoint: Checkpoint, fd: int) -> ZeroTail | None:
    """The zeros at the end; None where the last bytes are no zeros, or have a checksum.

    Args:
        checkpoint: as the reader described it.
        fd: its file, open.
    """
    if all(tensor.storage is None or tensor.storage.crc32 for tensor in checkpoint.tensors):
        return None
    stored = [
        tensor.storage
        for tensor in checkpoint.tensors
        if tensor.storage is not None and tensor.storage.is_plain and not tensor.lost
    ]
    last = max(stored, key=lambda ref: ref.offset + ref.nbytes, default=None)
    if last is None or last.crc32 or last.offset + last.nbytes != checkpoint.nbytes:
        return None
    least = min(ref.offset for ref in stored)
    start = _last_other(fd, least, checkpoint.nbytes)
    if start == checkpoint.nbytes:
        return None
    before = pread(fd, min(_BEFORE_NBYTES, start - least), max(least, start - _BEFORE_NBYTES))
    filled = len(before) - before.count(0)
    return ZeroTail(start=start, filled=filled / len(before) if before else 0.0)


def _last_other(fd: int, least: int, end: int) -> int:
    """The byte behind the last one that is not zero; ``least`` where all are."""
    nbytes = _FIRST_NBYTES
    while end > least:
        begin = max(least, end - nbytes)
        kept = len(pread(fd, end - begin, begin).rstrip(b"\0"))
        if kept:
            return begin + kept
        end, nbytes = begin, min(nbytes * 8, _MOST_NBYTES)
    return least
