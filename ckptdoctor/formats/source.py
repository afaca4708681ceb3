"""Where readers take bytes from: an open file, or bytes that a reader had to decode first."""

from __future__ import annotations

from typing import Protocol

from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.sources import descriptors
from ckptdoctor.sources.descriptors import pread

__all__ = ["ByteSource", "FileSource", "MemorySource", "PartSource"]


class ByteSource(Protocol):
    """Random access to a range of bytes."""

    @property
    def nbytes(self) -> int:
        """Size of the range."""

    @property
    def file_offset(self) -> int | None:
        """Where byte 0 of the range lies in the file; None where the file holds it encoded."""

    def read(self, offset: int, nbytes: int) -> bytes:
        """Up to ``nbytes`` from ``offset``; fewer only at the end of the range."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """A range of an open file, read with ``pread`` so that threads can share the descriptor."""

    fd: int
    nbytes: int
    file_offset: int = 0

    def read(self, offset: int, nbytes: int) -> bytes:
        """Up to ``nbytes`` from ``offset``."""
        wanted = min(nbytes, self.nbytes - offset)
        if wanted <= 0 or offset < 0:
            return b""
        data = pread(self.fd, wanted, self.file_offset + offset)
        while data and len(data) < wanted:  # Linux caps one pread at 2 GiB; network folders at less
            more = pread(self.fd, wanted - len(data), self.file_offset + offset + len(data))
            if not more:
                break
            data += more
        return data

    def is_at_hand(self, offset: int, nbytes: int) -> bool:
        """Whether bytes can be had without a request to another machine."""
        return descriptors.is_at_hand(self.fd, self.file_offset + offset, nbytes)


@dataclass(frozen=True, slots=True)
class MemorySource:
    """Bytes that were decoded, so that a position in them is no position in the file."""

    data: bytes
    file_offset: int | None = None

    @property
    def nbytes(self) -> int:
        """Size of the bytes."""
        return len(self.data)

    def read(self, offset: int, nbytes: int) -> bytes:
        """Up to ``nbytes`` from ``offset``."""
        return self.data[offset : offset + nbytes]


@dataclass(frozen=True, slots=True)
class PartSource:
    """A range of another source, which is not copied."""

    whole: ByteSource
    start: int
    nbytes: int

    @property
    def file_offset(self) -> int | None:
        """Where byte 0 of the range lies in the file; None where the file holds it encoded."""
        base = self.whole.file_offset
        return None if base is None else base + self.start

    def read(self, offset: int, nbytes: int) -> bytes:
        """Up to ``nbytes`` from ``offset``."""
        wanted = min(nbytes, self.nbytes - offset)
        return self.whole.read(self.start + offset, wanted) if wanted > 0 and offset >= 0 else b""
