"""Archives written anew from either side: which bit of a header is wrong."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import pytest
import torch

from ckptdoctor.formats.source import MemorySource
from ckptdoctor.formats.zip.skeleton import skeletons
from ckptdoctor.formats.zip.writer import write_torch_zip
from tests.builders import rezip, save


@pytest.fixture(scope="module")
def of_torch(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("torch") / "model.pth"
    return save(path, {"a": torch.arange(40.0), "b": torch.ones(3), "epoch": 3}).read_bytes()


def differing(data: bytes) -> list[tuple[tuple[int, int], ...]]:
    return [one.differing for one in skeletons(MemorySource(data))]


def outside(data: bytes) -> list[int]:
    """The bytes beside the records."""
    inside: set[int] = set()
    for bone in next(skeletons(MemorySource(data))).bones:
        inside.update(range(bone.offset, bone.offset + bone.nbytes))
    return [at for at in range(len(data)) if at not in inside]


def test_what_torch_writes_is_as_it_should_be(of_torch: bytes) -> None:
    assert differing(of_torch) == [(), ()]


def test_what_we_write_is_as_it_should_be() -> None:
    out = io.BytesIO()
    write_torch_zip(out, b"\x80\x02N.", {"0": (400, [bytes(400)]), "1": (7, [b"1234567"])})
    assert () in differing(out.getvalue())


def test_every_bit_of_a_header_is_found(of_torch: bytes) -> None:
    chance = random.Random(0)
    places = outside(of_torch)
    for at in chance.sample(places, 400):
        mask = 1 << chance.randrange(8)
        data = bytearray(of_torch)
        data[at] ^= mask
        assert ((at, mask),) in differing(bytes(data)), (at, mask)


def test_two_bits_of_headers_are_never_taken_for_one(of_torch: bytes) -> None:
    chance = random.Random(1)
    places = outside(of_torch)
    for _ in range(200):
        one, other = chance.sample(places, 2)
        data = bytearray(of_torch)
        data[one] ^= 1 << chance.randrange(8)
        data[other] ^= 1 << chance.randrange(8)
        if {one, other} & _padding(of_torch):
            continue  # more than one wrong byte there, which nobody reads, is taken as it is
        for found in differing(bytes(data)):
            assert len(found) != 1 or found[0][1].bit_count() != 1, (one, other, found)


def _padding(data: bytes) -> set[int]:
    return {
        at for at in range(len(data)) if data[at : at + 1] == b"Z" or data[at : at + 2] == b"FB"
    }


def test_an_archive_of_another_writer_has_no_single_wrong_bit(
    tmp_path: Path, of_torch: bytes
) -> None:
    (tmp_path / "model.pth").write_bytes(of_torch)
    path = rezip(tmp_path / "model.pth", tmp_path / "again.pth", method=zipfile.ZIP_DEFLATED)
    assert all(len(found) != 1 for found in differing(path.read_bytes()))


def test_nothing_is_said_of_what_is_no_archive() -> None:
    assert differing(b"") == []
    assert all(len(found) != 1 for found in differing(b"PK\x03\x04" + bytes(100)))
