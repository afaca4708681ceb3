"""Ranges of bytes in a file and in memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ckptdoctor.formats.source import FileSource, MemorySource
from ckptdoctor.sources import positioned


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(100)))
    return path


@pytest.mark.parametrize(
    ("offset", "nbytes", "expected"),
    [
        (0, 3, b"\x0a\x0b\x0c"),
        (18, 50, b"\x1c\x1d"),
        (20, 1, b""),
        (500, 1, b""),
        (-1, 5, b""),
        (0, 0, b""),
        (0, -5, b""),
        (1 << 70, 5, b""),
    ],
)
def test_reads_stay_inside_the_range(path: Path, offset: int, nbytes: int, expected: bytes) -> None:
    with path.open("rb") as file:
        assert FileSource(file.fileno(), 20, 10).read(offset, nbytes) == expected


def test_short_reads_are_completed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pread
    monkeypatch.setattr(positioned, "pread", lambda fd, nbytes, at: whole(fd, min(nbytes, 7), at))
    with path.open("rb") as file:
        assert FileSource(file.fileno(), 100).read(5, 30) == bytes(range(5, 35))


def test_a_file_that_has_become_shorter_gives_what_is_left(path: Path) -> None:
    with path.open("rb") as file:
        assert FileSource(file.fileno(), 5000).read(90, 100) == bytes(range(90, 100))


def test_memory_is_a_source_without_a_place_in_the_file() -> None:
    source = MemorySource(b"abcdef")
    assert (source.nbytes, source.file_offset, source.read(2, 3)) == (6, None, b"cde")
