"""What is believed of an archive far away, and which archives stand for others."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ckptdoctor.formats.limits import Limits
from ckptdoctor.formats.source import FileSource
from ckptdoctor.formats.zip.directory import read_directory
from ckptdoctor.formats.zip.end import find_directory
from ckptdoctor.formats.zip.pattern import DirectoryPattern
from ckptdoctor.formats.zip.records import ZipDirectory
from tests.builders import patched, rezip, save
from tests.each import each


@contextmanager
def source_of(path: Path) -> Iterator[FileSource]:
    fd = os.open(path, os.O_RDONLY)
    try:
        yield FileSource(fd, path.stat().st_size)
    finally:
        os.close(fd)


def directory_of(path: Path) -> ZipDirectory:
    with source_of(path) as source:
        found = read_directory(source, Limits.for_file(source.nbytes))
    assert found is not None
    return found


def state() -> dict[str, torch.Tensor]:
    return {f"w{at}": torch.arange(at * 50.0 + 9) for at in range(9)}


def with_a_folder(path: Path, tmp_path: Path) -> Path:
    made = rezip(path, tmp_path / "folder.pt")
    with zipfile.ZipFile(made, "a") as archive:
        archive.mkdir("a/empty")
    return made


def told_of_the_first(at: int, value: bytes) -> Callable[[Path, Path], Path]:
    """The directory says something of its first record that the local header does not."""

    def made(path: Path, _: Path) -> Path:
        return patched(path, path.read_bytes().index(b"PK\x01\x02") + at, value)

    return made


KINDS = {
    "torch": lambda path, _: path,
    "deflated": lambda path, folder: rezip(path, folder / "packed.pt", method=zipfile.ZIP_DEFLATED),
    "not aligned": lambda path, folder: rezip(path, folder / "anew.pt"),
    "a folder": with_a_folder,
    "encrypted": told_of_the_first(8, b"\x09"),
    "a record that is called a folder": told_of_the_first(38, b"\x10"),
    "a record whose sizes differ": told_of_the_first(20, b"\x01"),
    "a record that is to be archived": told_of_the_first(38, b"\x20"),
}


@each("kind", KINDS)
def test_what_is_believed_of_a_far_archive_is_what_its_headers_say(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = KINDS[kind](save(tmp_path / "a.pt", state()), tmp_path)
    near = directory_of(path)
    reads: list[int] = []
    read = FileSource.read

    def counted(self: FileSource, offset: int, nbytes: int) -> bytes:
        reads.append(offset)
        return read(self, offset, nbytes)

    monkeypatch.setattr(FileSource, "is_at_hand", lambda *_: False)
    monkeypatch.setattr(FileSource, "read", counted)
    assert directory_of(path) == near
    if kind in ("torch", "a record that is to be archived"):
        assert near.problems == []
        assert len(reads) <= 3  # none of a header: two ends, and the directory


@each(
    ("at", "value", "says"),
    [
        (8, b"\x48", "the record is encrypted"),
        (9, b"\x28", "the record is encrypted"),
        (8, b"\x28", "the record is a patch"),
        (10, b"\x63", "the record is compressed by method 99"),
        (10, b"\x08", "disagree about the method"),
        (20, b"\x01", "a stored record of"),
        (34, b"\x05", "another disk, number 5"),
        (34, b"\xff\xff", ""),  # as zip64 has it
        (38, b"\x10", "marked as a folder"),
        (38, b"\x20", ""),
        (46, b"X", "disagree about the name"),
    ],
)
def test_what_the_directory_says_otherwise_is_told(
    at: int, value: bytes, says: str, tmp_path: Path
) -> None:
    path = told_of_the_first(at, value)(save(tmp_path / "a.pt", state()), tmp_path)
    told = [problem.message for problem in directory_of(path).problems]
    assert any(says in message for message in told) if says else told == []


@each(
    ("at", "value", "says"),
    [
        (14, b"\x01\0\0\0", "crc32"),
        (14, bytes(4), ""),
        (18, b"\x01\0\0\0", "stored size"),
        (18, bytes(4), ""),
        (18, b"\xff" * 4, ""),
        (22, b"\x01\0\0\0", "size"),
        (22, bytes(4), ""),
        (22, b"\xff" * 4, ""),
    ],
)
def test_what_a_header_says_otherwise_is_told_where_it_says_anything(
    at: int, value: bytes, says: str, tmp_path: Path
) -> None:
    path = rezip(save(tmp_path / "a.pt", state()), tmp_path / "b.pt")  # without descriptors
    assert directory_of(path).problems == []
    told = [problem.message for problem in directory_of(patched(path, at, value)).problems]
    assert told == ([f"directory and record header disagree about the {says}"] if says else [])


def test_what_the_end_says_otherwise_is_told_of_the_directory(tmp_path: Path) -> None:
    path = rezip(save(tmp_path / "a.pt", state()), tmp_path / "b.pt")
    data = path.read_bytes()
    end, first = data.rindex(b"PK\x05\x06"), data.index(b"PK\x01\x02")

    def told(*new: tuple[int, bytes], behind: bytes = b"") -> list[tuple[str, str, str]]:
        changed = bytearray(data + behind)
        for at, value in new:
            changed[at : at + len(value)] = value
        path.write_bytes(changed)
        return [(p.subject, p.severity.name, p.message) for p in directory_of(path).problems]

    count = data[end + 8]
    assert told((end + 8, b"\x4d"), (end + 10, b"\x4d")) == [
        ("zip directory", "ERROR", f"the directory announces 77 records and holds {count}")
    ]
    assert told((first, b"XX")) == [
        ("zip directory", "ERROR", f"the directory announces {count} records and holds 0"),
        (
            "zip directory",
            "ERROR",
            f"the entries of the directory take 0 of its {end - first} bytes",
        ),
    ]
    assert told(behind=b"12345") == [("file", "WARNING", "5 bytes follow the archive")]


def test_records_that_share_their_bytes_are_told(tmp_path: Path) -> None:
    path = rezip(save(tmp_path / "a.pt", state()), tmp_path / "b.pt")
    data = path.read_bytes()
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 4)
    patched(path, second + 42, data[first + 42 : first + 46])  # where the other one lies
    told = [(problem.subject, problem.message) for problem in directory_of(path).problems]
    assert told[-1][1].startswith("the record shares its bytes with 'a/")
    assert not any(
        "shares" in problem.message for problem in directory_of(tmp_path / "a.pt").problems
    )


def test_a_directory_larger_than_is_held_or_than_the_file_is_not_read(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", state())
    with source_of(path) as source:
        place = find_directory(source)
        assert place is not None
        limits = Limits.for_file(source.nbytes)
        assert read_directory(source, replace(limits, metadata_nbytes=place.nbytes)) is not None
        assert read_directory(source, replace(limits, metadata_nbytes=place.nbytes - 1)) is None
    narrow = rezip(path, tmp_path / "b.pt")
    end = narrow.read_bytes().rindex(b"PK\x05\x06")
    patched(narrow, end + 16, b"\xff\xff\xff\x7f")
    with source_of(narrow) as source:
        assert read_directory(source, Limits.for_file(source.nbytes)) is None


UNUSUAL = {
    "a deflated record": lambda path, folder: rezip(
        path, folder / "b.pt", method=zipfile.ZIP_DEFLATED
    ),
    "a record beside its folder": lambda path, folder: rezip(
        path, folder / "b.pt", append=[("../b/more", b"1")]
    ),
    "a name beyond ASCII": lambda path, folder: rezip(
        path, folder / "b.pt", append=[("a/m\u00f6re", b"1")]
    ),
}


def pattern_of(path: Path) -> DirectoryPattern | None:
    with source_of(path) as source:
        place = find_directory(source)
        found = read_directory(source, Limits.for_file(source.nbytes))
        assert place is not None
        assert found is not None
        return DirectoryPattern.of(source, place, found.records)


@pytest.mark.parametrize("unusual", UNUSUAL)
def test_an_unusual_archive_stands_for_no_other(unusual: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.pt", state())
    assert pattern_of(path) is not None
    assert pattern_of(UNUSUAL[unusual](path, tmp_path)) is None


def test_records_that_grew_as_they_were_packed_are_packed_all_the_same(tmp_path: Path) -> None:
    """Their plain bytes would fit where the packed ones lie."""
    path, drop = save(tmp_path / "a.pt", {}), (".data/serialization_id",)
    for method, stands in ((zipfile.ZIP_STORED, True), (zipfile.ZIP_DEFLATED, False)):
        again = rezip(path, tmp_path / f"{method}.pt", method=method, drop=drop)
        assert (pattern_of(again) is not None) == stands


@each(
    ("name", "stands"),
    [
        ("epoch_88-best", True),
        ("data", False),
        ("Tensors", False),
        ("constants", False),
        ("__MACOSX", False),
        (".hidden", False),
        ("na\u00efve", False),
    ],
)
def test_an_archive_whose_folder_means_something_stands_for_no_other(
    name: str, stands: bool, tmp_path: Path
) -> None:
    torch.save(state(), tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as old,
        zipfile.ZipFile(tmp_path / "b.pt", "w") as new,
    ):
        for info in old.infolist():
            new.writestr(f"{name}/{info.filename.partition('/')[2]}", old.read(info))
    assert (pattern_of(tmp_path / "b.pt") is not None) == stands
