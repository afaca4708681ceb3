"""What is remembered of one file: what a reader and a scan said of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Self

from ckptdoctor.checkpoint import Checkpoint, Problem, Role, TensorStats, ZeroTail, inode_of
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.sources.descriptors import mark_of

__all__ = ["FileState", "Result", "scanned_as"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """What tells that a file is the one that was read.

    Attributes:
        device: where it lies; another number after the next start of a machine, so not compared.
        inode: which file it is there.
        nbytes: its size.
        mtime_ns: when its bytes were written last; anybody may set it.
        ctime_ns: when anything about it was changed last; nobody can set it.
    """

    device: int = field(compare=False)
    inode: int
    nbytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, file: Path | int) -> Self:
        """Of a file by its path, or of an open one, now.

        Raises:
            OSError: it is not there.
        """
        mark = mark_of(file)
        if mark is not None:  # its place in the mirror is made anew by each command
            digest = hashlib.blake2b(mark, digest_size=7).digest()
            nbytes = os.stat(file).st_size  # noqa: PTH116
            return cls(
                device=0, inode=int.from_bytes(digest), nbytes=nbytes, mtime_ns=0, ctime_ns=0
            )
        status = os.stat(file)  # noqa: PTH116  (a descriptor has no Path)
        return cls(
            device=status.st_dev,
            inode=inode_of(status),
            nbytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a reader and a scan said of one file.

    Attributes:
        checkpoint: as the reader described it, by the names that the file itself gives.
        scanned: the name and the role of each of its tensors, in the order of the file, that they
            have in the checkpoint that it is a part of.
        stats: by those names.
        problems: that the scan met, beside those of the reader.
        unchecked: records without a stored checksum.
        zero_tail: the zeros that the file ends with.
    """

    checkpoint: Checkpoint
    scanned: tuple[tuple[str, Role], ...]
    stats: Mapping[str, TensorStats]
    problems: tuple[Problem, ...]
    unchecked: int
    zero_tail: ZeroTail | None


def scanned_as(checkpoint: Checkpoint) -> tuple[tuple[str, Role], ...]:
    """What a scan goes by: the name and the role of each tensor."""
    return tuple((tensor.fqn, tensor.role) for tensor in checkpoint.tensors)
