"""Whether one flipped bit is why an archive does not read, and what puts it right."""

from __future__ import annotations

import zlib

from ckptdoctor.errors import CorruptCheckpointError
from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.zip.flipped_bit import suspects_of
from ckptdoctor.formats.zip.packed_bit import suspects_beside
from ckptdoctor.formats.zip.records import DEFLATED, LOCAL_MAGIC, ZipRecord
from ckptdoctor.formats.zip.skeleton import skeletons
from ckptdoctor.shell import command_line

__all__ = ["remedy_of_headers", "remedy_of_magic", "remedy_of_record", "with_remedy"]

_MOST_NBYTES = 1 << 26


def remedy_of_record(file: OpenFile, record: ZipRecord) -> str:
    """What to do where a record that cannot be read has one wrong bit; "" where it has not."""
    if not _is_alone(file) or not record.crc32 or record.nbytes > _MOST_NBYTES:
        return ""
    bits = (_bits_of_packed if record.method == DEFLATED else _bits_of)(file.source, record)
    return _command(file, f"One bit of {record.name} is wrong") if bits else ""


def _bits_of(source: ByteSource, record: ZipRecord) -> tuple[int, ...]:
    computed = zlib.crc32(source.read(record.offset, record.nbytes))
    return suspects_of(record.crc32, computed, record.nbytes).bits


def _bits_of_packed(source: ByteSource, record: ZipRecord) -> tuple[int, ...]:
    """The one bit of a small compressed record; nothing where there are several."""
    found = suspects_beside(
        lambda nbytes: source.read(record.offset, nbytes),
        record.stored_nbytes,
        record.crc32,
        record.nbytes,
    )
    return found.bits if len(found.bits) == 1 else ()


def with_remedy(
    error: CorruptCheckpointError, file: OpenFile, record: ZipRecord
) -> CorruptCheckpointError:
    """The same, with what to do where the record that it is about has one wrong bit."""
    remedy = remedy_of_record(file, record) or error.remedy
    return CorruptCheckpointError(error.path, error.message, offset=error.offset, remedy=remedy)


def remedy_of_headers(file: OpenFile) -> str:
    """What to do where one bit of an archive's headers is wrong; "" where it is not one."""
    if not _is_alone(file):
        return ""
    for one in skeletons(file.source):
        if len(one.differing) == 1 and one.differing[0][1].bit_count() == 1:
            return _command(file, "One bit of its headers is wrong")
    return ""


def remedy_of_magic(file: OpenFile, head: bytes) -> str:
    """What to do where a file would be an archive but for one bit; "" where it would not."""
    wrong = sum((one ^ other).bit_count() for one, other in zip(head, LOCAL_MAGIC, strict=False))
    return remedy_of_headers(file) if wrong == 1 else ""


def _is_alone(file: OpenFile) -> bool:
    """Whether it is a file, and not a part of one."""
    return not file.is_packed and file.start == 0 and file.nbytes == file.identity.nbytes


def _command(file: OpenFile, what: str) -> str:
    return f"{what}: put it right, in a new file: {command_line('ckptdoctor', 'repair', file.path)}"
