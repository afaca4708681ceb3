"""Another checkpoint in the folder that holds the same record: frozen weights, or a copy as "best".

Equal size and equal stored checksum make it a twin, and its bytes tell what the record's were.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from ckptdoctor.errors import CheckpointError
from ckptdoctor.formats import opened
from ckptdoctor.formats.source import ByteSource
from ckptdoctor.formats.torch_zip import MAGIC
from ckptdoctor.formats.zip.patching import PlacedRecord, placed_records
from ckptdoctor.formats.zip.records import STORED, ZipRecord
from ckptdoctor.lean_dataclass import dataclass
from ckptdoctor.manifest import actions_of
from ckptdoctor.recovery.repair.sums import Sums
from ckptdoctor.runs.discover import CHECKPOINT_SUFFIXES

__all__ = ["Twin", "twin_of"]

_CHUNK_NBYTES = 1 << 22
_MOST_FILES = 64


@dataclass(frozen=True, slots=True)
class Twin:
    """A record of another file.

    Attributes:
        path: of that file.
        name: of the record in it.
        equal: whether its bytes are those that it was held against.
    """

    path: Path
    name: str
    equal: bool


def twin_of(path: Path, record: ZipRecord, view: ByteSource) -> Twin | None:
    """A twin of a record in a file beside it; None where none is found.

    None is looked for of a compressed record, which is small: its checksum decides.
    One that has the bytes is preferred to one that has others, and one whose bytes do not have
    their checksum is none: it is damaged itself, as a copy or a hard link of the file is.

    Args:
        path: the file.
        record: of it.
        view: its bytes, with the record as it is believed to have been.
    """
    if record.method != STORED:
        return None
    found = list(_twins(path, record, view))
    return next((one for one in found if one.equal), found[0] if found else None)


def _twins(path: Path, record: ZipRecord, view: ByteSource) -> Iterator[Twin]:
    for other in itertools.islice(_beside(path), _MOST_FILES):
        try:
            with opened(other) as file:
                if file.source.read(0, len(MAGIC)) != MAGIC:
                    continue
                for one in placed_records(file.source):
                    if (one.nbytes, one.crc32) != (record.nbytes, record.crc32):
                        continue
                    equal = _are_equal(view, record, file.source, one)
                    if equal or _is_whole(file.source, one):
                        yield Twin(other, one.name, equal)
        except (CheckpointError, OSError):
            continue


def _beside(path: Path) -> Iterator[Path]:
    try:
        names = sorted(path.parent.iterdir())
    except OSError:
        return
    for other in names:
        if other.name == path.name or not other.name.lower().endswith(CHECKPOINT_SUFFIXES):
            continue
        if "repair" not in actions_of(other):  # what was only likely must not prove itself
            yield other


def _is_whole(source: ByteSource, record: PlacedRecord) -> bool:
    return Sums(source).of(record.offset, record.nbytes) == record.crc32


def _are_equal(
    view: ByteSource, record: ZipRecord, source: ByteSource, other: PlacedRecord
) -> bool:
    for start in range(0, record.nbytes, _CHUNK_NBYTES):
        size = min(_CHUNK_NBYTES, record.nbytes - start)
        if view.read(record.offset + start, size) != source.read(other.offset + start, size):
            return False
    return True
