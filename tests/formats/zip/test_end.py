"""The end records of a zip: where the directory is, and what they disagree about."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch

from ckptdoctor.formats import open_checkpoint
from tests.builders import patched, rezip, save

END, LOCATOR, END64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """As torch writes it: both end records and the locator."""
    return save(tmp_path / "ckpt.pt", {"a": torch.arange(4.0)})


def reported(path: Path) -> set[str]:
    """What is said of the directory."""
    problems = open_checkpoint(path).problems
    return {problem.message for problem in problems if problem.subject == "zip directory"}


def test_end_records_that_agree_are_passed_over(path: Path, tmp_path: Path) -> None:
    assert reported(path) == set()
    narrow = rezip(path, tmp_path / "again.pt")
    assert LOCATOR not in narrow.read_bytes()
    assert reported(narrow) == set()


@pytest.mark.parametrize(
    ("record", "at", "new", "says"),
    [
        (END, 4, b"\x01\0", "several disks"),
        (END, 6, b"\x01\0", "several disks"),
        (END, 8, b"\x01\0", "counts 1 entries and"),
        (END, 10, b"\x01\0", "disagree about the number of entries"),
        (END, 12, b"\x01", "disagree about the size of the directory"),
        (END, 16, b"\x01", "disagree about the offset of the directory"),
        (END64, 4, b"\x2d", "does not end where its locator starts"),
        (END64, 16, b"\x01", "several disks"),
        (END64, 20, b"\x01", "several disks"),
        (END64, 24, b"\x01", "counts 1 entries and"),
        (END64, 32, b"\x01", "announces 1 records"),
        (END64, 40, b"\x00", "of its"),
        (LOCATOR, 4, b"\x01", "the locator counts 1 disks"),
        (LOCATOR, 8, b"\xff", "is not where its locator says"),
        (LOCATOR, 16, b"\x00", "the locator counts 0 disks"),
        (LOCATOR, 16, b"\x02", "the locator counts 2 disks"),
    ],
)
def test_what_they_disagree_about_is_reported(
    path: Path, record: bytes, at: int, new: bytes, says: str
) -> None:
    patched(path, path.read_bytes().rindex(record) + at, new)
    assert [text for text in reported(path) if says in text]


def test_fields_of_all_ones_leave_it_to_the_wide_record(path: Path) -> None:
    """As archives beyond 4 GiB have them."""
    at = path.read_bytes().rindex(END)
    patched(path, at + 8, struct.pack("<HHII", 0xFFFF, 0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF))
    assert reported(path) == set()
    assert not open_checkpoint(path).tensors[0].lost


def test_a_wide_record_that_is_missing_is_a_cut_file(path: Path) -> None:
    data = path.read_bytes()
    at = data.rindex(END)
    patched(path, at + 8, struct.pack("<HHII", 0xFFFF, 0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF))
    patched(path, data.rindex(LOCATOR), b"XXXX")
    checkpoint = open_checkpoint(path)
    assert [problem.code for problem in checkpoint.problems] == ["CD102"]
    assert not checkpoint.tensors[0].lost
