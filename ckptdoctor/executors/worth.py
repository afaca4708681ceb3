"""When it pays to have files read by copies of this process.

Python does one thing at a time: of many small files, or of few with thousands of tensors, threads
read no more than one does. Copies do, and cost their start, and that what they found is sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from ckptdoctor.errors import CheckpointError
from ckptdoctor.executors.copy_of_us import can_copy
from ckptdoctor.formats.open_file import OpenFile, opened
from ckptdoctor.formats.zip.end import find_directory
from ckptdoctor.sources.descriptors import is_far

__all__ = ["copies_for"]

# Seconds of a core of 2023, for what Python does with a file and with each record in it, and for
# reading, checking and measuring a byte, which threads share. Only their ratio matters.
_FILE_S = 0.0012
_RECORD_S = 18e-6
_BYTE_S = 1 / 8e9
_LEAST_S = 0.6
"""Less than this is done before copies have won their start back."""
_PER_COPY_S = 0.2
_MOST = 8
"""What copies send has to be taken and judged by one: more of them than this wait for it."""
_ENTRY_NBYTES = 80
"""What the header of a safetensors file says of a tensor, about."""


def copies_for(files: Sequence[Path], cores: int) -> int:
    """How many copies of this process shall help to read these files; 0 where threads do as well.

    Args:
        files: those that are to be read.
        cores: how many may be used.
    """
    if cores < 2 or not can_copy() or not files or any(map(is_far, files)):
        return 0
    seconds = len(files) * (_FILE_S + _RECORD_S * _records_in(files[len(files) // 2]))
    if seconds < _LEAST_S or _nbytes_of(files) * _BYTE_S > seconds:
        return 0
    return min(cores - 1, _MOST, max(1, round(seconds / _PER_COPY_S)))


def _nbytes_of(files: Sequence[Path]) -> int:
    total = 0
    for path in files:
        with contextlib.suppress(OSError):  # gone since it was listed
            total += path.stat().st_size
    return total


def _records_in(path: Path) -> int:
    """How many records a file has, about; 0 where that cannot be seen at once."""
    with contextlib.suppress(CheckpointError, OSError), opened(path) as file:
        place = find_directory(file.source)
        return _tensors_in(file) if place is None else place.count
    return 0


def _tensors_in(file: OpenFile) -> int:
    """How many tensors a safetensors file has, about; 0 of another."""
    length = int.from_bytes(file.source.read(0, 8), "little")
    is_header = file.source.read(8, 1) == b"{" and length < file.nbytes
    return length // _ENTRY_NBYTES if is_header else 0
