"""The file of a parity: which checkpoint it is of, the checksums of its blocks, and their XOR.

A checkpoint of n bytes is cut into blocks, and block k is added to column ``k mod columns``. One
block of each column can be given back, so any run of as many bytes as the columns hold, less one
block at either end. Of one lost run no code gives back more with as few bytes.

    magic, 16 bytes
    u32      size of the description
    JSON     the description, see ``Description``
    u32 ...  CRC32 of each block of the checkpoint
    ...      the columns
    32 bytes SHA-256 of all that comes before
"""

from __future__ import annotations

import array
import hashlib
import json
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ckptdoctor.destination import opened_for_reading
from ckptdoctor.errors import DestinationError
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.places import named
from ckptdoctor.version import __version__

__all__ = ["Description", "Parity", "digest_of_records", "is_parity", "parity_path", "read_parity"]

MAGIC = b"ckptdoc parity 1"
_SIZE = struct.Struct("<I")
_SHA256_NBYTES = 32
_LEAST_BLOCK, _MOST_BLOCK = 64, 1 << 16
_BLOCKS_OF_A_RUN = 16
_MOST_DESCRIPTION = 1 << 16


def parity_path(checkpoint: Path) -> Path:
    """``last.pth`` -> ``last.pth.parity``."""
    checkpoint = named(checkpoint)
    return checkpoint.parent / f"{checkpoint.name}.parity"


def digest_of_records(records: Iterable[tuple[str, int, int | None]]) -> str:
    """SHA-256 over name, size and stored checksum of each record, in hexadecimal.

    Equal for equal contents wherever the file lies, and read without reading a tensor.
    """
    digest = hashlib.sha256()
    for name, nbytes, crc32 in sorted(records, key=lambda record: record[0]):
        digest.update(f"{name}\0{nbytes}\0{crc32}\n".encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Which checkpoint a parity is of, and how it is cut.

    Attributes:
        nbytes: of the checkpoint.
        block_nbytes: of a block.
        columns: how many blocks can be given back.
    """

    nbytes: int
    block_nbytes: int
    columns: int

    @classmethod
    def for_share(cls, nbytes: int, share: float) -> Description:
        """How a checkpoint is cut so that any run of this share of it can be given back."""
        run = max(1, round(nbytes * share))
        block = min(_MOST_BLOCK, max(_LEAST_BLOCK, 1 << (run // _BLOCKS_OF_A_RUN).bit_length()))
        return cls(nbytes=nbytes, block_nbytes=block, columns=-(-run // block) + 1)

    @property
    def blocks(self) -> int:
        """How many blocks the checkpoint has; the last may be short."""
        return -(-self.nbytes // self.block_nbytes)

    @property
    def parity_nbytes(self) -> int:
        """Size of the columns."""
        return self.columns * self.block_nbytes

    @property
    def file_nbytes(self) -> int:
        """About the size of the file."""
        return self.parity_nbytes + 4 * self.blocks + 1024

    @property
    def run_nbytes(self) -> int:
        """The longest run of bytes that is given back wherever it lies."""
        return self.parity_nbytes - self.block_nbytes + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """A parity.

    Attributes:
        description: of the checkpoint.
        digest: of its records, as :func:`digest_of_records` has it.
        checksums: CRC32 of each block.
        column_bytes: the XOR of the blocks of each column, one behind the other.
    """

    description: Description
    digest: str
    checksums: array.array[int]
    column_bytes: bytes

    def packed(self, name: str) -> bytes:
        """The file.

        Args:
            name: of the checkpoint, for whoever looks into it.
        """
        content = {
            "tool": {"name": "ckptdoctor", "version": __version__},
            "file": {"name": name, "nbytes": self.description.nbytes, "digest": self.digest},
            "block_nbytes": self.description.block_nbytes,
            "columns": self.description.columns,
        }
        text = json.dumps(content).encode()
        body = b"".join((MAGIC, _SIZE.pack(len(text)), text, _little(self.checksums).tobytes()))
        digest = hashlib.sha256(body)
        digest.update(self.column_bytes)
        return b"".join((body, self.column_bytes, digest.digest()))


def _little(numbers: array.array[int]) -> array.array[int]:
    if sys.byteorder == "little":
        return numbers
    swapped = numbers[:]
    swapped.byteswap()
    return swapped


def is_parity(path: Path) -> bool:
    """Whether a file is a parity of ours, whole or not."""
    try:
        with os.fdopen(opened_for_reading(path), "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, DestinationError):
        return False


def read_parity(path: Path) -> Parity | None:
    """The parity in a file; None where there is none, or one that is not whole itself."""
    try:
        with os.fdopen(opened_for_reading(path), "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return None
            file.seek(0)
            raw = file.read()
    except (OSError, DestinationError):
        return None
    body = memoryview(raw)[:-_SHA256_NBYTES]
    if hashlib.sha256(body).digest() != raw[-_SHA256_NBYTES:]:
        return None
    try:
        return _parsed(body)
    except (ValueError, KeyError, TypeError, struct.error):
        return None


def _parsed(body: memoryview) -> Parity:
    (size,) = _SIZE.unpack_from(body, len(MAGIC))
    start = len(MAGIC) + _SIZE.size
    content: dict[str, Any] = json.loads(bytes(body[start : start + size]))
    about = content["file"]
    description = Description(
        nbytes=int(about["nbytes"]),
        block_nbytes=int(content["block_nbytes"]),
        columns=int(content["columns"]),
    )
    if min(description.nbytes, description.block_nbytes, description.columns) < 1:
        raise ValueError("sizes are positive")
    start += size
    end = start + 4 * description.blocks
    checksums = array.array("I", bytes(body[start:end]))
    columns = bytes(body[end:])
    if len(checksums) != description.blocks or len(columns) != description.parity_nbytes:
        raise ValueError("it is not as long as it says")
    return Parity(
        description=description,
        digest=str(about["digest"]),
        checksums=_little(checksums),
        column_bytes=columns,
    )
