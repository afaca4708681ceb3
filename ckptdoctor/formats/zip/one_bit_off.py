"""Whether one flipped bit is why an archive does not read, and what puts it right."""

from __future__ import annotations

import zlib

from ckptdoctor.formats.open_file import OpenFile
from ckptdoctor.formats.zip.flipped_bit import suspects_of
from ckptdoctor.formats.zip.records import LOCAL_MAGIC, STORED, ZipRecord
from ckptdoctor.formats.zip.skeleton import skeletons
from ckptdoctor.shell import command_line

__all__ = ["remedy_of_headers", "remedy_of_magic", "remedy_of_record"]

_MOST_NBYTES = 1 << 26


def remedy_of_record(file: OpenFile, record: ZipRecord) -> str:
    """What to do where a record that cannot be read has one wrong bit; "" where it has not."""
    if not _is_alone(file) or not record.crc32 or record.method != STORED:
        return ""
    if record.nbytes > _MOST_NBYTES:
        return ""
    computed = zlib.crc32(file.source.read(record.offset, record.nbytes))
    suspects = suspects_of(record.crc32, computed, record.nbytes)
    return _command(file, f"One bit of {record.name} is wrong") if suspects.bits else ""


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
