"""The records of a zip archive, and the structures that they lie in.

Source: PKWARE APPNOTE 6.3.10, sections 4.3 (structures) and 4.4.4 (flags).
"""

from __future__ import annotations

import struct
from dataclasses import field

from ckptdoctor.checkpoint import Problem
from ckptdoctor.finding import Severity
from ckptdoctor.lean_dataclass import dataclass

__all__ = [
    "DEFLATED",
    "ENCRYPTED",
    "HAS_DESCRIPTOR",
    "HEADER_GUESS_NBYTES",
    "LOCAL",
    "LOCAL_MAGIC",
    "STORED",
    "Bone",
    "ZipDirectory",
    "ZipRecord",
    "wide_sizes",
]

STORED = 0
DEFLATED = 8
LOCAL_MAGIC = b"PK\x03\x04"
LOCAL = struct.Struct("<4sHHHHHIIIHH")
ENCRYPTED = 1
HAS_DESCRIPTOR = 8
_MAX_PROBLEMS = 1000
HEADER_GUESS_NBYTES = 384  # a local header with torch's name and padding fits


@dataclass(frozen=True, slots=True)
class ZipRecord:
    """One record.

    Attributes:
        name: as stored; not yet checked for anything.
        method: 0 stored, 8 deflated.
        crc32: of the plain bytes; 0 where the writer computed none.
        stored_nbytes: size in the archive.
        nbytes: size of the plain bytes.
        offset: first byte of the data in the file.
    """

    name: str
    method: int
    crc32: int
    stored_nbytes: int
    nbytes: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bone:
    """One record with what belongs to it, as one side of the archive tells it.

    Attributes:
        name: its bytes.
        header: where its header begins.
        offset: its first byte.
        method: 0 stored, 8 deflated.
        stored_nbytes: size in the archive.
        nbytes: size of the plain bytes.
        crc32: of them.
        end: where what belongs to it ends.
    """

    name: bytes
    header: int
    offset: int
    method: int
    stored_nbytes: int
    nbytes: int
    crc32: int
    end: int


@dataclass(slots=True)
class ZipDirectory:
    """The records in the order of the directory, and what is wrong with them.

    Attributes:
        records: those that are whole.
        problems: what is wrong.
        cut: the record in which the file ends, its sizes those of what is there.
    """

    records: list[ZipRecord] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    cut: ZipRecord | None = None

    def add_problem(
        self,
        code: str,
        subject: str,
        message: str,
        severity: Severity = Severity.ERROR,
        **evidence: object,
    ) -> None:
        """Record what is wrong."""
        self.problems.append(
            Problem(
                code=code,
                severity=severity,
                subject=subject,
                message=message,
                evidence=evidence,
            )
        )

    def shorten(self) -> None:
        """Sum up the problems beyond the first: a directory may list a million of them."""
        more = len(self.problems) - _MAX_PROBLEMS
        if more > 0:
            del self.problems[_MAX_PROBLEMS:]
            self.add_problem(
                "CD104", "zip directory", f"{more} more records are damaged", more=more
            )


def wide_sizes(extra: bytes, *sizes: int) -> tuple[int, ...]:
    """The sizes with those that are 0xFFFFFFFF taken from the zip64 extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind, nbytes = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            field = extra[at + 4 : at + 4 + nbytes]
            values = struct.iter_unpack("<Q", field[: len(field) // 8 * 8])
            return tuple(
                next(values, (size,))[0] if size == 0xFFFF_FFFF else size for size in sizes
            )
        at += 4 + nbytes
    return sizes
