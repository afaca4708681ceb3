"""Archives that lost their directory: the records are those that Python's ``zipfile`` wrote."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from ckptdoctor.errors import CorruptCheckpointError, LimitExceededError
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.source import MemorySource
from ckptdoctor.formats.zip import salvage
from ckptdoctor.formats.zip.plain import plain_source
from ckptdoctor.formats.zip.records import DEFLATED, STORED, ZipDirectory, ZipRecord
from ckptdoctor.formats.zip.salvage import walk_headers
from tests.each import each

HELD = {"a/data.pkl": b"first" * 30, "a/data/0": bytes(range(256)), "a/data/1": b"", "a/x": b"z"}


class _Stream(io.BytesIO):
    """Nothing can be gone back to, so that sizes stand in descriptors."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def archive(*, streamed: bool = False, method: int = zipfile.ZIP_STORED) -> bytes:
    out = _Stream() if streamed else io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as new:
        for name, data in HELD.items():
            new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, method)
    return out.getvalue()


def nobody(_: str, __: int) -> int | None:
    """Nobody knows the size of a record."""
    return None


def walked(data: bytes, size_of: salvage.SizeHint = nobody) -> ZipDirectory:
    return walk_headers(MemorySource(data), size_of)


def directory_at(data: bytes) -> int:
    return data.index(b"PK\x01\x02")


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_record_is_found_by_its_header(streamed: bool, method: int) -> None:
    data = archive(streamed=streamed, method=method)
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        listed = [(i.filename, i.CRC, i.compress_size, i.file_size) for i in whole.infolist()]
    for cut in (data, data[: directory_at(data)]):
        found = walked(cut)
        assert [(r.name, r.crc32, r.stored_nbytes, r.nbytes) for r in found.records] == listed
        assert (found.problems, found.cut) == ([], None)
        for record in found.records:
            packed = cut[record.offset : record.offset + record.stored_nbytes]
            plain = zlib.decompress(packed, -15) if record.method == DEFLATED else packed
            assert plain == HELD[record.name]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_record_that_the_file_cuts_is_told_with_what_is_there(streamed: bool) -> None:
    data = archive(streamed=streamed)
    (first, second, *_) = walked(data).records
    for length in range(second.offset, second.offset + 256, 51):
        found = walked(data[:length])
        assert [record.name for record in found.records] == ["a/data.pkl"]
        (problem,) = found.problems
        assert (problem.code, problem.subject) == ("CD102", "a/data/0")
        assert problem.evidence == {"offset": second.offset}
        there = length - second.offset
        assert found.cut == ZipRecord("a/data/0", STORED, 0, there, there, second.offset)
    within = walked(data[: second.offset - 3])  # cut within its header
    assert within.cut is not None
    assert within.cut.nbytes == 0
    short = walked(data[: first.offset + first.nbytes + (16 if streamed else 0) + 20])
    assert ([record.name for record in short.records], short.cut) == (["a/data.pkl"], None)


def test_a_size_that_somebody_knows_is_looked_at_first() -> None:
    """The bytes of a storage may look like the descriptor of a part of it."""
    fake = struct.pack("<4sIII", b"PK\x07\x08", 7, 40, 40)
    body = bytes(40) + fake + bytes(100)
    header = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 8, 0, 0, 33, 0, 0, 0, 8, 0)
    true = struct.pack("<4sIII", b"PK\x07\x08", zlib.crc32(body), len(body), len(body))
    data = header + b"a/data/0" + body + true
    asked: list[tuple[str, int]] = []

    def size_of(name: str, offset: int) -> int | None:
        asked.append((name, offset))
        return len(body)

    (record,) = walked(data, size_of).records
    assert (record.nbytes, record.crc32) == (len(body), zlib.crc32(body))
    assert asked == [("a/data/0", 38)]
    assert walked(data).records[0].nbytes == 40  # nobody knew better
    assert walked(data, lambda *_: 99).records[0].nbytes == 40  # and a wrong size is not believed


@each("wide", [False, True])
@each("left", [0, 3, 4, 6, 8, 11, 12, 15])
def test_where_the_file_ends_in_a_descriptor_the_bytes_before_it_are_whole(
    wide: bool, left: int
) -> None:
    body = b"weights!" * 5
    header = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 8, 0, 0, 33, 0, 0, 0, 8, 0)
    form, crc = "<4sIQQ" if wide else "<4sIII", zlib.crc32(body)
    descriptor = struct.pack(form, b"PK\x07\x08", crc, len(body), len(body))
    data = header + b"a/data/0" + body + descriptor[:left]
    (record,) = walked(data, lambda *_: len(body)).records
    assert (record.nbytes, record.crc32) == (len(body), crc if left >= 8 else 0)
    assert walked(data[: 38 + 39], lambda *_: len(body)).records == []  # one byte is missing
    other = header + b"a/data/0" + body + (b"PK\x07\x09" + bytes(20))[: max(left, 4)]
    assert walked(other, lambda *_: len(body)).records == []  # what stands there is none


def test_encrypted_records_and_those_of_other_methods_are_passed_over() -> None:
    plain = bytearray(archive())
    plain[6] |= 1
    assert [record.name for record in walked(bytes(plain)).records] == [*HELD][1:]
    other = bytearray(archive())
    other[8] = 12
    assert [record.name for record in walked(bytes(other)).records] == [*HELD][1:]


def test_what_is_no_archive_has_no_records() -> None:
    for data in (b"", b"PK\x03\x04", bytes(100)):
        found = walked(data)
        assert (found.records, found.problems) == ([], [])


# -- plain bytes ---------------------------------------------------------------------------------


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def inflated(record: ZipRecord, packed: bytes, limits: Limits | None = None) -> bytes:
    source = MemorySource(b"####" + packed)
    found = plain_source(Path("a.pt"), source, record, limits or Limits())
    return found.read(0, found.nbytes)


def record_of(packed: bytes, nbytes: int, method: int = DEFLATED) -> ZipRecord:
    return ZipRecord("a/data/0", method, 0, len(packed), nbytes, 4)


def test_plain_bytes_are_those_that_were_written() -> None:
    data = b"weights" * 100
    packed = deflated(data)
    assert inflated(record_of(packed, len(data)), packed) == data
    assert inflated(record_of(packed, 10), packed) == data[:10]  # no more than it claims
    assert inflated(record_of(data, len(data), STORED), data) == data
    assert inflated(record_of(deflated(b""), 0), deflated(b"")) == b""


def test_what_claims_to_inflate_to_more_than_it_can_or_may_is_refused() -> None:
    packed = deflated(bytes(1000))
    most = 1100 * len(packed) + 64
    assert inflated(record_of(packed, most), packed) == bytes(1000)
    for record, limits in (
        (record_of(packed, most + 1), Limits()),
        (record_of(packed, 1000), Limits(metadata_nbytes=999)),
    ):
        with pytest.raises(LimitExceededError, match="claims to inflate") as caught:
            inflated(record, packed, limits)
        assert caught.value.offset == 4
    assert inflated(record_of(packed, 1000), packed, Limits(metadata_nbytes=1000)) == bytes(1000)


def test_what_cannot_be_inflated_is_damage() -> None:
    with pytest.raises(CorruptCheckpointError, match="cannot be inflated"):
        inflated(record_of(b"\xff" * 20, 100), b"\xff" * 20)
