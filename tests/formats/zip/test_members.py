"""The members of an archive that is read as no checkpoint; Python's ``zipfile`` is the oracle."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from ckptdoctor.finding import Severity
from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.source import MemorySource
from ckptdoctor.formats.zip import members as members_module
from ckptdoctor.formats.zip.directory import read_directory
from ckptdoctor.formats.zip.members import members, plain_start, start_of
from ckptdoctor.formats.zip.others import other_pickles
from ckptdoctor.formats.zip.records import DEFLATED, STORED, ZipDirectory, ZipRecord, wide_sizes
from ckptdoctor.formats.zip.storages import is_storage_name, storage_ref
from tests.each import each

CODE = b"cposix\nsystem\n(S'true'\ntR."


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def starts(data: bytes) -> list[bytes]:
    found = (plain_start(member) for member in members(MemorySource(data)))
    return [one.read(0, one.nbytes) for one in found]


HELD = {"a": b"the first" * 20, "b": b"the second" * 20}


def test_stored_members_are_all_that_follows_their_headers() -> None:
    found = starts(zipped(HELD))
    assert [one[: len(data)] for one, data in zip(found, HELD.values(), strict=True)] == [
        *HELD.values()
    ]


def test_deflated_members_are_inflated() -> None:
    assert starts(zipped(HELD, zipfile.ZIP_DEFLATED)) == [*HELD.values()]


def test_of_a_deflated_member_the_head_is_at_hand() -> None:
    (member,) = members(MemorySource(zipped({"a": bytes(5_000)}, zipfile.ZIP_DEFLATED)))
    assert member.nbytes == 1024
    assert member.read(1000, 100) == bytes(24)
    assert plain_start(member).nbytes == 5_000


def test_members_of_an_archive_within_are_found_and_each_once() -> None:
    data = zipped({"inner.zip": zipped(HELD), "c": b"the third"})
    found = [one[:9] for one in starts(data)]
    assert found == [zipped(HELD)[:9], b"the first", b"the secon", b"the third"]


def test_a_member_is_found_by_the_directory_where_its_header_has_no_mark() -> None:
    data = bytearray(zipped(HELD))
    second = data.index(b"PK\x03\x04", 4)
    assert len(starts(bytes(data))) == 2
    cut = bytes(data[: second + 40])  # cut within the second
    assert [one[:9] for one in starts(cut)] == [b"the first", b"the secon"]
    assert starts(b"no archive") == []


def test_a_member_far_behind_is_found_by_the_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members_module, "_SEARCHED_NBYTES", 200)
    data = zipped({"a": bytes(400), "b": b"the second"})
    assert [one[:10] for one in starts(data)] == [bytes(10), b"the second"]
    monkeypatch.setattr(members_module, "_DIRECTORY_NBYTES", 20)
    assert len(starts(data)) == 1


def test_the_start_of_a_record_is_what_it_holds() -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        source = MemorySource(zipped(HELD, method))
        directory = read_directory(source, Limits.for_file(source.nbytes))
        assert directory is not None
        for record, data in zip(directory.records, HELD.values(), strict=True):
            start = start_of(source, record)
            assert start.read(0, start.nbytes) == data


# -- records -------------------------------------------------------------------------------------


def extra(*fields: tuple[int, bytes]) -> bytes:
    return b"".join(struct.pack("<HH", kind, len(data)) + data for kind, data in fields)


def test_sizes_of_all_ones_stand_in_the_wide_field_in_their_order() -> None:
    ones, wide = 0xFFFF_FFFF, struct.pack("<QQ", 5 << 32, 7 << 32)
    assert wide_sizes(extra((1, wide)), ones, ones) == (5 << 32, 7 << 32)
    assert wide_sizes(extra((1, wide)), 3, ones) == (3, 5 << 32)
    assert wide_sizes(extra((1, wide)), ones, ones, ones) == (5 << 32, 7 << 32, ones)
    assert wide_sizes(extra((9, b"xyz"), (1, wide)), ones, 4) == (5 << 32, 4)
    assert wide_sizes(extra((9, b"xyz")), ones, 4) == (ones, 4)
    assert wide_sizes(extra((1, wide[:11])), ones, ones) == (5 << 32, ones)
    assert wide_sizes(b"\x01\x00", ones) == (ones,)


def test_of_very_many_problems_the_first_are_told_and_the_others_counted() -> None:
    directory = ZipDirectory()
    for at in range(1000):
        directory.add_problem("CD104", str(at), "missing")
    directory.shorten()
    assert len(directory.problems) == 1000
    directory.add_problem("CD104", "x", "missing", Severity.WARNING, place=3)
    assert (directory.problems[-1].severity, directory.problems[-1].evidence) == (
        Severity.WARNING,
        {"place": 3},
    )
    directory.add_problem("CD104", "y", "missing")
    directory.shorten()
    assert len(directory.problems) == 1001
    assert directory.problems[-1].message == "2 more records are damaged"
    assert directory.problems[-2].subject == "999"


@each(
    ("name", "is_one"),
    [
        ("a/data/0", True),
        ("a/constants/12", True),
        ("a/tensors/3", True),
        ("data/0", True),
        ("a/data/x", False),
        ("a/other/0", False),
        ("a/data.pkl", False),
        ("0", False),
    ],
)
def test_which_records_nobody_unpickles(name: str, is_one: bool) -> None:
    assert is_storage_name(name) is is_one


def test_where_a_storage_lies() -> None:
    record = ZipRecord("a/data/0", STORED, 7, 30, 30, 64)
    plain = storage_ref(record, 1000, "inner/")
    assert (plain.key, plain.offset, plain.nbytes, plain.crc32) == ("inner/a/data/0", 1064, 30, 7)
    assert plain.deflated_nbytes is None
    packed = storage_ref(ZipRecord("a/data/0", DEFLATED, 7, 10, 30, 64))
    assert (packed.offset, packed.nbytes, packed.deflated_nbytes) == (64, 30, 10)


def test_code_in_a_record_beside_the_pickle_is_seen_and_what_torch_writes_is_not_looked_at() -> (
    None
):
    def code(**held: bytes) -> bool:
        source = MemorySource(zipped({name.replace("_", "."): one for name, one in held.items()}))
        directory = read_directory(source, Limits.for_file(source.nbytes))
        assert directory is not None
        strays = other_pickles(source, directory.records, Limits.for_file(source.nbytes))
        return bool(strays.code)

    assert code(other_pkl=CODE)
    assert code(note=CODE)
    assert not code(byteorder=b"little", version=b"3\n", id=b"1" * 40)
