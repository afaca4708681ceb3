"""Checksums of an archive, found and mended in place: torch and Python's zipfile agree."""

from __future__ import annotations

import io
import zipfile
import zlib

import pytest
import torch

from ckptdoctor.formats.source import MemorySource
from ckptdoctor.formats.zip.patching import checksums, placed_records


def archive(value: object = 1.5) -> bytes:
    out = io.BytesIO()
    torch.save(value, out)
    return out.getvalue()


def test_records_lie_where_zipfile_finds_them() -> None:
    raw = archive({"w": torch.arange(3.0)})
    found = {record.name: record for record in placed_records(MemorySource(raw))}
    with zipfile.ZipFile(io.BytesIO(raw)) as whole:
        for info in whole.infolist():
            record = found[info.filename.partition("/")[2]]
            assert record.crc32 == info.CRC
            assert raw[record.offset : record.offset + record.nbytes] == whole.read(info)


@pytest.mark.parametrize("name", ["data.pkl", "data/0"])
def test_other_bytes_with_mended_checksums_are_whole(name: str) -> None:
    raw = bytearray(archive({"w": torch.arange(3.0), "lr": 0.5}))
    source = MemorySource(bytes(raw))
    records = placed_records(source)
    (record,) = [one for one in records if one.name == name]
    new = bytearray(raw[record.offset : record.offset + record.nbytes])
    if name == "data/0":
        new[:] = bytes(len(new))
    else:
        at = new.index(b"G\x3f\xe0")
        new[at : at + 9] = b"G\x3f\xd0" + bytes(6)
    raw[record.offset : record.offset + record.nbytes] = new
    for at, patch in checksums(source, records, {name: zlib.crc32(new)}):
        raw[at : at + len(patch)] = patch
    with zipfile.ZipFile(io.BytesIO(bytes(raw))) as whole:
        assert whole.testzip() is None
    loaded = torch.load(io.BytesIO(bytes(raw)))
    assert loaded["lr"] == (0.5 if name == "data/0" else 0.25)
    assert loaded["w"].tolist() == ([0.0, 0.0, 0.0] if name == "data/0" else [0.0, 1.0, 2.0])
    written = {one.name: one for one in placed_records(MemorySource(bytes(raw)))}
    as_torch = {one.name: one for one in placed_records(MemorySource(archive(loaded)))}
    identity = ".data/serialization_id"  # a fold of all others
    assert written[identity].crc32 == as_torch[identity].crc32


def test_what_is_no_plain_archive_has_no_places() -> None:
    assert placed_records(MemorySource(b"nothing")) == []
    assert placed_records(MemorySource(archive()[:-30])) == []
