"""A checkpoint as torch writes it today: a zip archive of a pickle and its storages.

Records are stored, aligned to 64 bytes and carry their CRC32, in the order that torch uses. The
archive itself is Python's ``zipfile``.

Source: ``caffe2/serialize/inline_container.cc`` of PyTorch.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from typing import IO

__all__ = ["Chunks", "write_torch_zip"]

Chunks = tuple[int, Iterable[bytes]]
"""Size in bytes, and the bytes in pieces."""

_ALIGNMENT = 64
_ZIP64_EXTRA_NBYTES = 20
_ZIP64_LIMIT = (1 << 31) - 1  # zipfile's own
_EPOCH = (1980, 1, 1, 0, 0, 0)
_FOLDER = "archive"


def write_torch_zip(
    out: IO[bytes], pickle: bytes, storages: Mapping[str, Chunks], *, byteorder: str = "little"
) -> dict[str, int]:
    """Write a checkpoint; returns the CRC32 of each storage by its key.

    Args:
        out: a new file, open for reading and writing.
        pickle: ``data.pkl``.
        storages: by the key that the pickle refers to.
        byteorder: of the storages.

    Raises:
        OSError: it cannot be written.
    """
    crcs: dict[str, int] = {}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        fold = _Fold()
        _add(archive, "data.pkl", (len(pickle), [pickle]), fold)
        _add(archive, ".format_version", (1, [b"1"]), fold)
        _add(archive, ".storage_alignment", (2, [b"64"]), fold)
        _add(archive, "byteorder", (len(byteorder), [byteorder.encode()]), fold)
        for key, chunks in storages.items():
            crcs[key] = _add(archive, f"data/{key}", chunks, fold)
        _add(archive, "version", (2, [b"3\n"]), fold)
        names = zlib.crc32("\n".join(sorted(storages)).encode())
        identity = f"{names:020d}{fold.value:020d}".encode()
        _add(archive, ".data/serialization_id", (len(identity), [identity]), fold)
    return crcs


class _Fold:
    """torch's running hash of the checksums of all records."""

    def __init__(self) -> None:
        self.value = 0

    def add(self, crc: int) -> None:
        """One more record."""
        value = self.value
        mixed = crc + 0x9E3779B9 + (value << 6) + (value >> 2)
        self.value = (value ^ mixed) & 0xFFFF_FFFF_FFFF_FFFF


def _add(archive: zipfile.ZipFile, name: str, chunks: Chunks, fold: _Fold) -> int:
    nbytes, pieces = chunks
    info = zipfile.ZipInfo(f"{_FOLDER}/{name}", _EPOCH)
    info.file_size = nbytes
    large = nbytes > _ZIP64_LIMIT
    info.extra = _padding(_position(archive), info, large=large)
    crc = written = 0
    with archive.open(info, "w", force_zip64=large) as record:
        for piece in pieces:
            record.write(piece)
            crc = zlib.crc32(piece, crc)
            written += len(piece)
    if written != nbytes:
        raise OSError(f"{name}: {written} bytes were there instead of {nbytes}")
    fold.add(crc)
    return crc


def _position(archive: zipfile.ZipFile) -> int:
    """Where the next local header goes."""
    return archive.fp.tell() if archive.fp is not None else 0


def _padding(start: int, info: zipfile.ZipInfo, *, large: bool) -> bytes:
    """An extra field that moves the data to a multiple of 64, as torch's own ``FB`` field."""
    header = 30 + len(info.filename.encode()) + 4 + (_ZIP64_EXTRA_NBYTES if large else 0)
    fill = -(start + header) % _ALIGNMENT
    return b"FB" + struct.pack("<H", fill) + b"Z" * fill
