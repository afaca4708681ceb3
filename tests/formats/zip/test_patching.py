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


def test_an_archive_of_python_has_its_checksums_in_header_and_directory_alone() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for name in ("a/data.pkl", "a/data/0", "a/serialization_id"):
            new.writestr(name, b"12345678")
    raw = bytearray(out.getvalue())
    source = MemorySource(bytes(raw))
    records = placed_records(source)
    assert [len(record.places) for record in records] == [2, 2, 2]
    raw[records[1].offset] ^= 1
    for at, patch in checksums(source, records, {"data/0": zlib.crc32(b"02345678")}):
        raw[at : at + len(patch)] = patch
    with zipfile.ZipFile(io.BytesIO(bytes(raw))) as whole:
        assert whole.testzip() is None
        assert whole.read("a/data/0") == b"02345678"
    assert checksums(source, records, {}) == []
    assert checksums(MemorySource(b""), [], {}) == []


def test_a_checksum_that_nobody_computed_stays_none() -> None:
    out = io.BytesIO()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"w": torch.arange(3.0)}, out)
    finally:
        torch.serialization.set_crc32_options(True)
    source = MemorySource(out.getvalue())
    records = placed_records(source)
    changed = {record.name: 7 for record in records}
    none = [record for record in records if not record.crc32]
    assert {"data.pkl", "data/0"} <= {record.name for record in none}
    touched = {at for at, _ in checksums(source, records, changed)}
    assert touched.isdisjoint(at for record in none for at in record.places)


def test_records_that_are_packed_are_placed_where_that_is_wanted() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("a/data.pkl", bytes(100))
    source = MemorySource(out.getvalue())
    assert placed_records(source) == []
    (record,) = placed_records(source, (0, 8))
    assert (record.name, record.method) == ("data.pkl", 8)
    packed = source.read(record.offset, record.nbytes)
    assert zlib.decompress(packed, -15) == bytes(100)
