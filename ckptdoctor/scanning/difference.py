"""Pairs of tensors, element by element, by threads: no tensor lies in memory as a whole.

torch is imported here, but only once something is compared: comparing needs more of it than the
scan does.
"""

from __future__ import annotations

import os
import tempfile
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ckptdoctor.checkpoint import StorageRef, TensorRecord
from ckptdoctor.difference import Movement
from ckptdoctor.errors import CkptDoctorError
from ckptdoctor.scanning.boxes import Walk, lay_out, walk
from ckptdoctor.scanning.reading import FileShrankError, read_into
from ckptdoctor.scanning.scanner import available_cores

if TYPE_CHECKING:
    from ckptdoctor.scanning.movement import BoxWorker

__all__ = ["Compared", "Side", "UnreadableTensorError", "compare_tensors"]

_TASK_NUMEL = 1 << 21  # enough to keep a thread busy, little enough to share a tensor out
_INFLATE_NBYTES = 1 << 20
_IN_MEMORY_NBYTES = 1 << 25  # decoded storages beyond this go to a file without a name
_PATIENCE_S = 0.2

Pair = tuple[TensorRecord, TensorRecord]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two files.

    Attributes:
        fd: open for reading.
        byteorder: of its storages.
    """

    fd: int
    byteorder: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found of one pair.

    Attributes:
        movement: how far its elements moved.
        largest_at: the index of the one that moved farthest; None where none moved.
    """

    movement: Movement
    largest_at: tuple[int, ...] | None


class UnreadableTensorError(CkptDoctorError):
    """A tensor could not be read to its end.

    Args:
        side: 0 for the first file, 1 for the second.
        message: what is wrong.
        shrank: whether the file ended before the tensor did.
    """

    def __init__(self, side: int, message: str, *, shrank: bool = False) -> None:
        self.side = side
        self.message = message
        self.shrank = shrank
        super().__init__(message)


def compare_tensors(
    sides: tuple[Side, Side],
    pairs: Sequence[Pair],
    *,
    jobs: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Compared]:
    """How far the elements of each pair moved.

    Memory is a few megabytes a thread, whatever the tensors' size and strides. Deflated storages
    are inflated into a temporary file first.

    Args:
        sides: the two files.
        pairs: a tensor of the first file and one of equal shape of the second, whose bytes are
            there.
        jobs: threads; None for one a core.
        progress: told of the bytes compared, in batches, from several threads.

    Raises:
        UnreadableTensorError: a file ends before a tensor does, or a deflated one is damaged.
        OSError: a file cannot be read.
    """
    from_torch = _load_torch()
    with ExitStack() as stack:
        decoded = tuple(stack.enter_context(_Decoded(at, side)) for at, side in enumerate(sides))
        work = [
            _Work(walk_of(pair), pair, (decoded[0].source(pair[0]), decoded[1].source(pair[1])))
            for pair in pairs
        ]
        stack.callback(from_torch.set_num_threads, from_torch.get_num_threads())
        from_torch.set_num_threads(1)  # ours are enough: torch's would wait for each other
        results = _by_threads(work, sides, jobs or available_cores(), progress)
    return [_summed(each, found) for each, found in zip(work, results, strict=True)]


def _load_torch() -> Any:
    """Import torch, and let nobody hear what it says of a missing numpy, which we do not use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
    return torch
